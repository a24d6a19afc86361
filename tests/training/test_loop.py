import copy
import dataclasses
import json
import resource
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dgrl import DGRL
from dgrl.data.masks import read_mask
from dgrl.data.pairs import SaliencyData
from dgrl.figures.training import loss_curve, run_curves
from dgrl.images import read_image
from dgrl.training.checkpoints import Progress, TrainingError
from dgrl.training.config import TrainingConfig
from dgrl.training.loop import Shuffle, fastest, piece_size, set_learning_rates, train, worker_count
from dgrl.training.watching import Files
from tests.helpers.networks import TRAINED as NETWORK
from tests.helpers.networks import write_pairs
from tests.helpers.stopping import stopped_after

QUICK = TrainingConfig(batch_size=4, size=64, crop=32, workers=0, max_updates=6, checkpoint_every=2)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("drawn"), 19)


def fresh(**settings):
    torch.manual_seed(1)
    return DGRL(dataclasses.replace(NETWORK, **settings))


def losses(folder):
    return [json.loads(line)["loss"] for line in (folder / "log.jsonl").read_text().splitlines()]


def mean_absolute_error(model, pairs, kind):
    errors = []
    for pair in pairs:
        photo, mask = read_image(pair.image), read_mask(pair.mask)
        trace = model.eval().trace(photo)
        # The published sizes do not matter here: compare where the map is.
        saliency = trace.taps["brn.prior"] if kind == "prior" else trace.refined
        truth = np.asarray(Image.fromarray(mask * 255).resize(saliency.shape[::-1])) > 127
        errors.append(np.abs(saliency - truth).mean())
    return float(np.mean(errors))


def same(state, other):
    return state.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in state.items())


@pytest.fixture(scope="module")
def trained(pairs, tmp_path_factory):
    """Train RLN for a few seconds; return it, its error before, and the folder."""
    out = tmp_path_factory.mktemp("rln")
    model = fresh()
    before = mean_absolute_error(model, pairs[:6], "prior")
    train(model, pairs, out, dataclasses.replace(QUICK, max_updates=48, learning_rate=3e-3))
    return model, before, out


def test_rln_learns(trained, pairs):
    model, before, out = trained
    log = losses(out)
    assert len(log) == 48
    assert np.mean(log[-6:]) < 0.6 * np.mean(log[:6])
    after = mean_absolute_error(model, pairs[:6], "prior")
    assert after < 0.5 * before


def test_the_run_leaves_a_checkpoint_that_loads(trained, pairs):
    model, _, out = trained
    loaded = DGRL.from_pretrained(out)
    assert same(loaded.state_dict(), model.state_dict())
    assert not model.training
    assert [path.name for path in sorted((out / "checkpoints").iterdir())] == ["00000046", "00000048"], "keep=2"


def test_rln_training_keeps_batch_norm_statistics(trained):
    torch.manual_seed(1)
    untouched = DGRL(NETWORK).state_dict()
    for name, value in trained[0].state_dict().items():
        if "running" in name or "num_batches" in name:
            assert torch.equal(value, untouched[name]), name
        elif name.startswith("rln."):
            assert not torch.equal(value, untouched[name]), f"{name} did not learn"
        else:
            assert torch.equal(value, untouched[name]), f"{name} is BRN's and moved"


def test_brn_learns_and_leaves_rln_alone(trained, pairs, tmp_path):
    model = copy.deepcopy(trained[0])
    before = copy.deepcopy(model.rln.state_dict())
    error = mean_absolute_error(model, pairs[:6], "refined")
    config = dataclasses.replace(QUICK, stage="brn", max_updates=80, learning_rate=1e-2)
    train(model, pairs, tmp_path, config)
    assert same(model.rln.state_dict(), before)
    assert np.mean(losses(tmp_path)[-6:]) < np.mean(losses(tmp_path)[:6])
    refined = mean_absolute_error(model, pairs[:6], "refined")
    assert refined < 0.7 * error
    assert refined < mean_absolute_error(model, pairs[:6], "prior")


def test_rln_can_be_trained_after_brn(pairs, tmp_path):
    """The BRN stage must not leave RLN's weights frozen behind it."""
    model = fresh()
    train(model, pairs[:8], tmp_path / "brn", dataclasses.replace(QUICK, stage="brn", max_updates=1))
    assert all(parameter.requires_grad for parameter in model.parameters())
    train(model, pairs[:8], tmp_path / "rln", dataclasses.replace(QUICK, max_updates=1))


class Killed(Exception):  # noqa: N818
    """Stands for a kill."""


@pytest.mark.parametrize(
    ("stage", "killed_at", "workers"),
    [(stage, killed_at, 0) for stage in ("rln", "brn", "joint") for killed_at in (3, 5)] + [("brn", 3, 2)],
)
def test_a_resumed_training_equals_an_uninterrupted_one(pairs, tmp_path, monkeypatch, stage, killed_at, workers):
    """Killed between checkpoints (every 2 updates), in mid-epoch and beyond it (4 updates an epoch).

    Processes that read, and live on from one epoch to the next, change nothing.
    """
    config = dataclasses.replace(QUICK, stage=stage)
    pairs = pairs[:17]
    whole = train(fresh(), pairs, tmp_path / "whole", config)
    config = dataclasses.replace(config, workers=workers)

    def killed(files, progress, numbers):
        write(files, progress, numbers)
        if progress.update == killed_at:
            raise Killed

    write = Files.update
    with monkeypatch.context() as patch:
        patch.setattr(Files, "update", killed)
        with pytest.raises(Killed):
            train(fresh(), pairs, tmp_path / "cut", config)
    assert not (tmp_path / "cut" / "model.safetensors").exists()
    # Another start, so that what is trained must come from the checkpoint. BRN's stage needs the RLN it began with.
    start = fresh()
    for name, value in start.state_dict().items():
        if (stage == "joint" or name.startswith(f"{stage}.")) and value.is_floating_point():
            value.zero_()
    resumed = train(start, pairs, tmp_path / "cut", config, resume=True)
    assert same(resumed.state_dict(), whole.state_dict())
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole"), "updates are missing in the log, or twice in it"


def test_the_same_seed_gives_the_same_weights_and_another_does_not(pairs, tmp_path):
    first = train(fresh(), pairs, tmp_path / "a", QUICK)
    again = train(fresh(), pairs, tmp_path / "b", QUICK)
    other = train(fresh(), pairs, tmp_path / "c", dataclasses.replace(QUICK, seed=1))
    assert same(first.state_dict(), again.state_dict())
    assert not same(first.state_dict(), other.state_dict())


@pytest.mark.parametrize(
    ("device", "processors", "here", "count"),
    [("cpu", 64, 1, 1), ("cuda", 12, 1, 12), ("cuda", 64, 1, 16), ("cuda", 64, 8, 8), ("cuda", 2, 4, 1)],
)
def test_pictures_are_read_by_the_processors_at_hand(monkeypatch, device, processors, here, count):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(processors), raising=False)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(here))
    assert worker_count(torch.device(device)) == count


def test_fast_gpu_settings_apply_only_during_training():
    def settings():
        cudnn = torch.backends.cudnn
        return torch.get_float32_matmul_precision(), cudnn.allow_tf32, cudnn.benchmark

    before = settings()
    with fastest(torch.device("cuda")):
        assert settings() == ("high", True, True)
    assert settings() == before
    with fastest(torch.device("cpu")):
        assert settings() == before


def test_half_written_checkpoints_are_ignored(pairs, tmp_path):
    whole = train(fresh(), pairs, tmp_path / "whole", QUICK)
    train(fresh(), pairs, tmp_path / "cut", QUICK)
    for number in ("00000006", "00000099"):
        half = tmp_path / "cut" / "checkpoints" / f"{number}.partial"
        half.mkdir()
        (half / "model.safetensors").write_bytes(b"half")
    shutil.rmtree(tmp_path / "cut" / "checkpoints" / "00000006")
    resumed = train(fresh(), pairs, tmp_path / "cut", QUICK, resume=True)
    assert same(resumed.state_dict(), whole.state_dict())


def test_a_kill_while_a_checkpoint_is_written_loses_only_that_one(pairs, tmp_path, monkeypatch):
    """The folder gets its name only when all is in it."""
    written = []

    rename = Path.rename

    def fails_on_the_third(source, target):
        if source.suffix == ".partial" and source.parent.name == "checkpoints":
            written.append(sorted(path.name for path in source.iterdir()))
            if len(written) == 3:
                raise Killed
        return rename(source, target)

    whole = train(fresh(), pairs, tmp_path / "whole", QUICK)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", fails_on_the_third)
        with pytest.raises(Killed):
            train(fresh(), pairs, tmp_path / "cut", QUICK)
    names = [path.name for path in sorted((tmp_path / "cut" / "checkpoints").iterdir())]
    assert names == ["00000002", "00000004", "00000006.partial"]
    assert all("progress.json" in names for names in written), "a checkpoint got its name before it was whole"
    resumed = train(fresh(), pairs, tmp_path / "cut", QUICK, resume=True)
    assert same(resumed.state_dict(), whole.state_dict())


def test_a_folder_with_another_run_is_not_overwritten(pairs, tmp_path):
    train(fresh(), pairs, tmp_path, QUICK)
    with pytest.raises(TrainingError, match="earlier run"):
        train(fresh(), pairs, tmp_path, QUICK)


def test_resuming_nothing_is_refused(pairs, tmp_path):
    with pytest.raises(TrainingError, match=r"not a training run that can be resumed: it holds no training\.json"):
        train(fresh(), pairs, tmp_path / "nothing", QUICK, resume=True)
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("stage", ["rln", "brn"])
def test_a_loss_that_is_not_finite_is_reported(pairs, tmp_path, stage):
    model = fresh()
    part = model.rln.heads[0].fuse if stage == "rln" else model.brn.layers[0]
    part.weight.data.fill_(torch.nan)
    with pytest.raises(TrainingError, match=r"loss is nan at update 0"):
        train(model, pairs, tmp_path, dataclasses.replace(QUICK, stage=stage))
    assert not (tmp_path / "model.safetensors").exists()


@pytest.mark.filterwarnings("ignore:TF32")
@pytest.mark.parametrize("stage", ["rln", "brn"])
def test_trains_in_half_precision(pairs, tmp_path, stage):
    config = dataclasses.replace(QUICK, stage=stage, precision="bf16", max_updates=2)
    # oneDNN's bf16 gradient of a 7×7 convolution over a 2×2 map reads uninitialised memory on some CPUs.
    with torch.backends.mkldnn.flags(enabled=False):
        model = train(fresh(), pairs[:8], tmp_path, config)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert all(np.isfinite(losses(tmp_path)))


def test_fewer_pictures_than_a_batch(pairs, tmp_path):
    train(fresh(), pairs[:3], tmp_path, dataclasses.replace(QUICK, max_updates=2))
    assert len(losses(tmp_path)) == 2


def test_every_epoch_reads_every_picture_anew(pairs, tmp_path, monkeypatch):
    """The order and the augmentation differ by epoch; a resumed run goes on reading where it stopped."""
    read = []
    get = SaliencyData.__getitem__

    def remember(data, index):
        read.append((data.epoch, index))
        return get(data, index)

    monkeypatch.setattr(SaliencyData, "__getitem__", remember)
    train(fresh(), pairs[:8], tmp_path / "whole", QUICK)
    epochs = [[index for epoch, index in read if epoch == e] for e in range(3)]
    assert [epoch for epoch, _ in read] == [0] * 8 + [1] * 8 + [2] * 8
    assert all(sorted(epoch) == list(range(8)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    whole, read[:] = list(read), []
    with stopped_after(2):
        train(fresh(), pairs[:8], tmp_path / "cut", QUICK)
    train(fresh(), pairs[:8], tmp_path / "cut", resume=True)
    assert [item for item in read if item in whole] == whole


def test_epochs_see_every_picture_once():
    order = Shuffle(10, seed=3)
    epochs = []
    for order.epoch in range(3):
        epochs.append(list(order))
        assert sorted(epochs[-1]) == list(range(10))
    assert epochs[0] != epochs[1] != epochs[2]
    order.epoch, order.start = 1, 4
    assert list(order) == epochs[1][4:]
    other = Shuffle(10, seed=4)
    assert list(other) != epochs[0]


def test_learning_rate_warms_up_and_falls_to_zero():
    weight = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([{"params": [weight], "peak": 2.0}], lr=0.1)
    rates = []
    for update in range(100):
        set_learning_rates(optimiser, Progress(100, update), TrainingConfig())
        rates.append(optimiser.param_groups[0]["lr"])
    np.testing.assert_allclose(rates[:4], [0.4, 0.8, 1.2, 1.6], rtol=1e-6)
    assert max(rates) == pytest.approx(2.0, rel=0.01)
    assert rates[50] == pytest.approx(1.0)
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert 0 < rates[-1] < 0.002
    set_learning_rates(optimiser, Progress(100, 90), TrainingConfig(schedule="constant"))
    assert optimiser.param_groups[0]["lr"] == 2.0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_by_a_signal_it_can_be_resumed(pairs, tmp_path, monkeypatch, capsys, number):
    """Ctrl-C, and the stop button of a notebook, which is the same signal; SIGTERM is what job schedulers send."""
    whole = train(fresh(), pairs, tmp_path / "whole", QUICK)
    write = Files.update

    def stop(files, progress, numbers):
        write(files, progress, numbers)
        if progress.update == 3:
            signal.raise_signal(number)

    before = signal.getsignal(number)
    with monkeypatch.context() as patch:
        patch.setattr(Files, "update", stop)
        train(fresh(), pairs, tmp_path / "cut", QUICK)
    assert signal.getsignal(number) is before
    assert "Stopped after update 4 of 6" in capsys.readouterr().out, "the update in hand is finished"
    assert not (tmp_path / "cut" / "model.safetensors").exists()
    assert (tmp_path / "cut" / "checkpoints" / "00000004").is_dir()
    resumed = train(fresh(), pairs, tmp_path / "cut", QUICK, resume=True)
    assert same(resumed.state_dict(), whole.state_dict())


def test_a_full_disk_is_reported_and_keeps_the_previous_checkpoint(pairs, tmp_path):
    """A limit on the size of files stands for the full disk: both end a write in the middle."""
    whole = train(fresh(), pairs, tmp_path / "whole", QUICK)
    write = Files.update
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(files, progress, numbers):
        write(files, progress, numbers)
        if progress.update == 3:
            resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Files, "update", fill)
        try:
            with pytest.raises(TrainingError, match="00000004 cannot be written"):
                train(fresh(), pairs, tmp_path / "cut", QUICK)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in (tmp_path / "cut" / "checkpoints").iterdir()] == ["00000002"]
    resumed = train(fresh(), pairs, tmp_path / "cut", QUICK, resume=True)
    assert same(resumed.state_dict(), whole.state_dict())


@pytest.mark.parametrize("stage", ["rln", "brn", "joint"])
def test_pieces_of_an_update_give_the_same_training(pairs, tmp_path, stage):
    # With SGD: AdamW divides by the gradient's size, and so enlarges rounding where a gradient is almost 0.
    config = dataclasses.replace(QUICK, stage=stage, optimiser="sgd", learning_rate=1e-2, backbone_learning_rate=1e-2)
    at_once = train(fresh(), pairs, tmp_path / "whole", config)
    in_pieces = train(fresh(), pairs, tmp_path / "pieces", dataclasses.replace(config, accumulate=2))
    untrained, slowly = fresh().state_dict(), in_pieces.state_dict()
    for name, value in at_once.state_dict().items():
        torch.testing.assert_close(slowly[name], value, atol=1e-5, rtol=0)
    moved = max(float((value - untrained[name]).abs().max()) for name, value in at_once.state_dict().items())
    assert moved > 1e-4, "nothing has been learned: the test says nothing"
    np.testing.assert_allclose(losses(tmp_path / "pieces"), losses(tmp_path / "whole"), atol=1e-4)


def test_an_update_that_cannot_be_shared_is_refused():
    config = TrainingConfig(batch_size=12, accumulate=2)
    assert piece_size(config, 100, 1) == 6
    assert piece_size(config, 100, 3) == 6
    assert piece_size(config, 8, 2) == 4
    with pytest.raises(TrainingError, match=r"6 pictures .* cannot be shared equally by 4 processes"):
        piece_size(config, 100, 4)
    with pytest.raises(TrainingError, match="1 picture for the"):
        piece_size(config, 1, 1)


def test_the_run_says_its_device_and_shows_what_it_sees(pairs, tmp_path, capsys):
    model = fresh()
    config = dataclasses.replace(QUICK, stage="joint", pictures_every=3)
    train(model, pairs, tmp_path, config, tensorboard=True)
    assert capsys.readouterr().out.splitlines()[0] == "Training joint on cpu with 19 pictures"
    assert [path.name for path in sorted((tmp_path / "pictures").iterdir())] == ["00000003.png", "00000006.png"]
    early, late = (np.asarray(Image.open(path)) for path in sorted((tmp_path / "pictures").iterdir()))
    assert early.shape == late.shape
    assert (early != late).any()
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["update"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert all(line["pictures_per_second"] > 0 for line in lines)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    shown = [event.value for event in events.Scalars("loss")]
    assert shown == pytest.approx([line["loss"] for line in lines], abs=2e-5)  # the log is rounded
    assert [event.step for event in events.Images("pictures")] == [3, 6]


def test_reading_taps_changes_nothing(pairs, tmp_path):
    quiet = train(fresh(), pairs, tmp_path / "quiet", dataclasses.replace(QUICK, stage="brn"))
    looked_at = train(fresh(), pairs, tmp_path / "looked", dataclasses.replace(QUICK, stage="brn", pictures_every=1))
    assert same(quiet.state_dict(), looked_at.state_dict())


def test_the_loss_curve_shows_every_update_and_their_average():
    values = [(update, 1 / update) for update in range(1, 101)]
    thin, thick = loss_curve(values).axes[0].lines
    np.testing.assert_allclose(thin.get_ydata(), [value for _, value in values])
    np.testing.assert_allclose(thick.get_ydata()[0], np.mean([value for _, value in values[:5]]))
    assert thick.get_xdata()[0] == 5
    assert not loss_curve([]).axes[0].lines


def test_curves_without_a_run_say_so():
    left, right = run_curves([], []).axes
    assert [ax.texts[0].get_text() for ax in (left, right)] == ["no update yet", "no validation yet"]
    assert not run_curves([(1, 0.5)], []).axes[0].texts
