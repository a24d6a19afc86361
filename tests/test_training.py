import copy
import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from PIL import Image
from torch.nn import functional as F

import dgrl.training
from dgrl import DGRL, DGRLConfig
from dgrl.data import SaliencyData
from dgrl.images import read_image, read_mask
from dgrl.losses import attention_loss, cross_entropy, localisation_loss, refinement_loss, region_loss
from dgrl.rln import RLNOutput, RLNStep
from dgrl.stages import RefineStage, boundary_windows, cut
from dgrl.training import Progress, Shuffle, TrainingError, set_learning_rates, train
from dgrl.training_config import TrainingConfig
from tests.networks import write_pairs

NETWORK = DGRLConfig(
    backbone="test_resnet",  # timm's smallest
    steps=1,
    rln_size=64,
    brn_size=64,
    refinement_channels=(16, 16),
    side_channels=16,
    context_channels=4,
)
QUICK = TrainingConfig(batch_size=4, size=64, crop=32, workers=0, max_updates=6, checkpoint_every=2)


@pytest.fixture(autouse=True)
def _fresh_accelerate():
    """Accelerate keeps device and precision for the whole process, as if it trained once in its life."""
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("drawn"), 24)


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
    """RLN trained for a few seconds, and what it was before."""
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


@pytest.mark.parametrize("stage", ["rln", "brn"])
@pytest.mark.parametrize("killed_at", [3, 5])
def test_resumed_is_as_if_never_interrupted(pairs, tmp_path, monkeypatch, stage, killed_at):
    """Killed between checkpoints (every 2 updates), in mid-epoch and beyond it (4 updates an epoch)."""
    config = dataclasses.replace(QUICK, stage=stage)
    pairs = pairs[:17]
    whole = train(fresh(), pairs, tmp_path / "whole", config)

    def killed(bar, log, progress, loss):
        report(bar, log, progress, loss)
        if progress.update == killed_at:
            raise Killed

    report = dgrl.training.report
    with monkeypatch.context() as patch:
        patch.setattr(dgrl.training, "report", killed)
        with pytest.raises(Killed):
            train(fresh(), pairs, tmp_path / "cut", config)
    assert not (tmp_path / "cut" / "model.safetensors").exists()
    # Another start, so that what is trained must come from the checkpoint. BRN's stage needs the RLN it began with.
    start = fresh()
    for name, value in start.state_dict().items():
        if name.startswith(f"{stage}.") and value.is_floating_point():
            value.zero_()
    resumed = train(start, pairs, tmp_path / "cut", config, resume=True)
    assert same(resumed.state_dict(), whole.state_dict())
    assert losses(tmp_path / "cut")[-1] == losses(tmp_path / "whole")[-1]


def test_the_same_seed_gives_the_same_weights_and_another_does_not(pairs, tmp_path):
    first = train(fresh(), pairs, tmp_path / "a", QUICK)
    again = train(fresh(), pairs, tmp_path / "b", QUICK)
    other = train(fresh(), pairs, tmp_path / "c", dataclasses.replace(QUICK, seed=1))
    assert same(first.state_dict(), again.state_dict())
    assert not same(first.state_dict(), other.state_dict())


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
        if source.suffix == ".partial":
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


def test_resuming_nothing_starts_at_the_beginning(pairs, tmp_path):
    a = train(fresh(), pairs, tmp_path / "a", QUICK)
    b = train(fresh(), pairs, tmp_path / "b", QUICK, resume=True)
    assert same(a.state_dict(), b.state_dict())


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
    # oneDNN's bf16 gradient of a 7×7 convolution over a 2×2 map reads memory that nobody wrote, on some CPUs.
    with torch.backends.mkldnn.flags(enabled=False):
        model = train(fresh(), pairs[:8], tmp_path, config)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert all(np.isfinite(losses(tmp_path)))


def test_fewer_pictures_than_a_batch(pairs, tmp_path):
    train(fresh(), pairs[:3], tmp_path, dataclasses.replace(QUICK, max_updates=2))
    assert len(losses(tmp_path)) == 2


def test_every_epoch_reads_every_picture_anew(pairs, tmp_path, monkeypatch):
    """In another order and with other augmentation; a resumed run reads on where it stopped."""
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
    train(fresh(), pairs[:8], tmp_path / "cut", dataclasses.replace(QUICK, max_updates=2))
    train(fresh(), pairs[:8], tmp_path / "cut", QUICK, resume=True)
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


def test_learning_rate_warms_up_and_falls_to_nothing():
    weight = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([{"params": [weight], "peak": 2.0}], lr=0.1)
    rates = []
    for update in range(100):
        set_learning_rates(optimiser, Progress(100, update))
        rates.append(optimiser.param_groups[0]["lr"])
    np.testing.assert_allclose(rates[:4], [0.4, 0.8, 1.2, 1.6], rtol=1e-6)
    assert max(rates) == pytest.approx(2.0, rel=0.01)
    assert rates[50] == pytest.approx(1.0)
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert 0 < rates[-1] < 0.002


def disc(height, width, centre, radius):
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return ((y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2).float()[None, None]


def test_crops_lie_around_the_boundary():
    masks = torch.cat([disc(60, 80, (10, 12), 8), disc(60, 80, (40, 60), 12)])
    config = TrainingConfig(crop=20, crops_per_picture=50)
    windows = boundary_windows(masks, config, torch.Generator().manual_seed(0))
    assert [picture for picture, *_ in windows] == [0] * 50 + [1] * 50
    for picture, top, left, side in windows:
        assert side == 20
        assert 0 <= top <= 60 - 20
        assert 0 <= left <= 80 - 20
        crop = masks[picture, 0, top : top + 20, left : left + 20]
        assert 0 < crop.mean() < 1, "no boundary inside"
    assert len(set(windows)) > 60, "the crops are all alike"
    again = boundary_windows(masks, config, torch.Generator().manual_seed(0))
    assert windows == again
    assert windows != boundary_windows(masks, config, torch.Generator().manual_seed(1))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_crops_of_masks_without_boundary_are_anywhere(value):
    masks = torch.full((1, 1, 40, 50), value)
    windows = boundary_windows(masks, TrainingConfig(crop=16, crops_per_picture=200), torch.Generator().manual_seed(0))
    tops, lefts = {w[1] for w in windows}, {w[2] for w in windows}
    assert min(tops) == min(lefts) == 0
    assert (max(tops), max(lefts)) == (24, 34)


def test_crops_are_never_larger_than_the_picture():
    masks = disc(30, 24, (15, 12), 6)
    windows = boundary_windows(masks, TrainingConfig(crop=128, crops_per_picture=3), torch.Generator())
    assert windows == [(0, top, 0, 24) for _, top, _, _ in windows]


def test_cut_takes_the_windows_out():
    maps = torch.arange(2 * 3 * 6 * 7).view(2, 3, 6, 7)
    pieces = cut(maps, [(1, 2, 3, 4), (0, 0, 0, 4)])
    assert pieces.shape == (2, 3, 4, 4)
    assert torch.equal(pieces[0], maps[1, :, 2:6, 3:7])
    assert torch.equal(pieces[1], maps[0, :, :4, :4])


def test_brn_trains_on_the_last_steps_map_at_its_own_size():
    model = fresh()
    stage = RefineStage(model, dataclasses.replace(QUICK, stage="brn", crop=64, crops_per_picture=1))
    images, masks = torch.rand(2, 3, 64, 64), torch.cat([disc(64, 64, (30, 30), 12)] * 2)
    seen = []
    hook = model.brn.register_forward_pre_hook(lambda module, inputs: seen.append(inputs))
    loss = stage(images, masks, 0)
    hook.remove()
    with torch.no_grad():
        expected = model.rln.eval()(images).saliency
    assert torch.equal(seen[0][0], images)
    torch.testing.assert_close(seen[0][1], expected)
    loss.backward()
    assert all(parameter.grad is None for parameter in model.rln.parameters())
    assert all(parameter.grad is not None for parameter in model.brn.parameters())


def test_cross_entropy_is_the_mean_over_pixels():
    logits, masks = torch.randn(2, 2, 5, 6), torch.randint(0, 2, (2, 1, 5, 6)).float()
    saliency = logits.softmax(1)[:, 1:]
    expected = -torch.where(masks == 1, saliency, 1 - saliency).log().mean()
    torch.testing.assert_close(cross_entropy(logits, masks), expected)


def test_refinement_loss_is_the_same_cross_entropy():
    logits, masks = torch.randn(2, 2, 5, 6), torch.randint(0, 2, (2, 1, 5, 6)).float()
    refined = logits.softmax(1)[:, 1:]
    torch.testing.assert_close(refinement_loss(refined, masks, 0), cross_entropy(logits, masks))
    expected = cross_entropy(logits, masks) + 0.5 * region_loss(refined, masks)
    torch.testing.assert_close(refinement_loss(refined, masks, 0.5), expected)
    assert torch.isfinite(refinement_loss(1 - masks, masks, 1.0)), "a saturated map gives an infinite loss"


def test_region_loss_is_one_less_the_overlap():
    masks = torch.cat([disc(40, 40, (20, 20), 10), torch.zeros(1, 1, 40, 40)])
    assert region_loss(masks, masks) == 0
    assert region_loss(1 - masks, masks) > 0.99
    half = masks.clone()
    half[..., :20] = 0
    overlap = (half[0].sum() + 1) / (masks[0].sum() + 1)
    torch.testing.assert_close(region_loss(half, masks), (1 - overlap) / 2)


def test_attention_loss_is_the_share_of_mass_inside():
    masks = torch.zeros(1, 1, 8, 8)
    masks[..., :4, :4] = 1
    flat = {"conv3": torch.ones(1, 1, 4, 4), "conv4": torch.ones(1, 1, 2, 2)}
    torch.testing.assert_close(attention_loss(flat, masks), torch.tensor(0.25).log().neg())
    inside = {"conv4": torch.tensor([[[[4.0, 0], [0, 0]]]])}
    assert attention_loss(inside, masks) == 0
    mixed = {"conv3": flat["conv3"], "conv4": inside["conv4"]}
    torch.testing.assert_close(attention_loss(mixed, masks), torch.tensor(0.25).log().neg() / 2)
    assert torch.isfinite(attention_loss(flat, torch.zeros_like(masks)))


def test_localisation_loss_supervises_every_step():
    masks = disc(16, 16, (8, 8), 4)
    steps = []
    for _ in range(3):
        logits = torch.randn(1, 2, 16, 16)
        steps.append(RLNStep(logits, logits.softmax(1)[:, 1:], {"conv5": torch.rand(1, 1, 2, 2)}))
    plain = torch.stack([F.cross_entropy(step.logits, masks[:, 0].long()) for step in steps]).mean()
    torch.testing.assert_close(localisation_loss(RLNOutput(steps), masks, 0, 0), plain)
    region = torch.stack([region_loss(step.saliency, masks) for step in steps]).mean()
    attention = torch.stack([attention_loss(step.weight_maps, masks) for step in steps]).mean()
    loss = localisation_loss(RLNOutput(steps), masks, 2.0, 0.5)
    torch.testing.assert_close(loss, plain + 2 * region + 0.5 * attention)
    for step in steps:
        step.weight_maps = {}
    torch.testing.assert_close(localisation_loss(RLNOutput(steps), masks, 0, 0.5), plain)
