"""A failure in a run is reported in one sentence, and the last good state is kept."""

import dataclasses
import json

import pytest
import torch

from dgrl import DGRL
from dgrl.data.pairs import DataError, Pair
from dgrl.training.checkpoints import Progress, TrainingError
from dgrl.training.config import TrainingConfig
from dgrl.training.health import DivergenceError, ReadingError, check_loss, reading
from dgrl.training.loop import train
from dgrl.training.rates import RateTest, find_rate
from tests.helpers.networks import TRAINED, write_pairs

QUICK = TrainingConfig(batch_size=2, size=64, workers=0, max_updates=12, checkpoint_every=1)


@pytest.fixture
def pairs(tmp_path):
    return write_pairs(tmp_path / "drawn", 6)


def fresh():
    torch.manual_seed(1)
    return DGRL(TRAINED)


def test_a_rate_that_is_far_too_high_is_an_error_and_the_good_checkpoint_stays(pairs, tmp_path):
    wild = dataclasses.replace(
        QUICK, optimiser="sgd", learning_rate=1e6, backbone_learning_rate=1e6, clip=None, warm_up=0.0, keep=3,
        schedule="constant",
    )  # fmt: skip
    with pytest.raises(TrainingError, match=r"lower learning_rate.*there is no checkpoint from before"):
        train(fresh(), pairs, tmp_path / "run", wild)
    assert not (tmp_path / "run" / "model.safetensors").exists()
    assert not list((tmp_path / "run" / "checkpoints").iterdir()), "its weights gave the bad loss"
    good = dataclasses.replace(wild, max_updates=2, learning_rate=1e-3, backbone_learning_rate=1e-3)
    train(fresh(), pairs, tmp_path / "good", good)
    record = tmp_path / "good" / "training.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"recipe": dataclasses.asdict(wild)}))
    with pytest.raises(TrainingError, match="the checkpoint of update 2 stays"):
        train(fresh(), pairs, tmp_path / "good", resume=True)
    assert [path.name for path in sorted((tmp_path / "good" / "checkpoints").iterdir())][-1] == "00000002"


def test_losses_may_vary_but_not_explode():
    progress = Progress(total=100)
    for value in (1.0, 3.0, 0.5, 6.0, 0.2, 9.0):
        check_loss(value, progress, 0.5)
    with pytest.raises(DivergenceError, match=r"has grown from 1 to 7.11e"):
        check_loss(711438985330688.0, progress, 0.5)
    started = Progress(total=100)
    for value in (0.01, 0.4, 0.9):
        check_loss(value, started, 0.5)  # a trained network on a new kind
    with pytest.raises(DivergenceError, match="is nan at update 0"):
        check_loss(float("nan"), started, 0.5)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_picture_that_vanishes_is_named_and_the_last_update_is_kept(pairs, tmp_path, monkeypatch, workers):
    from dgrl.training.watching import Files

    write = Files.update

    def vanish(files, progress, numbers):
        write(files, progress, numbers)
        if progress.update == 2:
            for pair in pairs:
                pair.image.unlink()

    config = dataclasses.replace(QUICK, checkpoint_every=100, workers=workers)
    with monkeypatch.context() as patch:
        patch.setattr(Files, "update", vanish)
        with pytest.raises(TrainingError, match=r"00\d\.png.*can be resumed from") as raised:
            train(fresh(), pairs, tmp_path / "run", config)
    assert "\n" not in str(raised.value)
    assert "Traceback" not in str(raised.value)
    assert list((tmp_path / "run" / "checkpoints").iterdir())


def test_a_worker_that_is_killed_is_one_sentence():
    def killed():
        yield 1
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Bus error.\nmore")

    result = reading(killed())
    assert next(result) == 1
    with pytest.raises(ReadingError, match="fewer --workers") as raised:
        next(result)
    assert "\n" not in str(raised.value)


def test_masks_that_are_the_photos_are_refused_before_an_update(pairs, tmp_path):
    photos = [Pair(pair.image, pair.image) for pair in pairs]
    with pytest.raises(DataError, match=r"masks that are photos: .*it is the picture itself"):
        train(fresh(), photos, tmp_path / "run", QUICK)
    assert not (tmp_path / "run").exists()


def test_a_resumed_run_says_what_has_changed(pairs, tmp_path, capsys):
    train(fresh(), pairs, tmp_path / "run", dataclasses.replace(QUICK, max_updates=2))
    capsys.readouterr()
    train(fresh(), pairs[1:], tmp_path / "run", resume=True)
    assert "The list of pictures to train with has changed: 6 then, 5 now" in capsys.readouterr().out


def test_the_range_test_finds_a_rate_and_leaves_the_network_as_it_was(pairs):
    model = fresh()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    result = find_rate(model, pairs, dataclasses.replace(QUICK, learning_rate=1e-2), updates=20)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert result.rates == sorted(result.rates)
    assert result.rates[0] == pytest.approx(1e-6)
    assert result.figure().axes[0].get_xscale() == "log"
    rates = [10.0**n for n in range(-6, 1)]
    falling = RateTest(rates, [], [1.0, 1.0, 0.95, 0.5, 0.4, 0.6, 3.0])
    assert falling.suggested == pytest.approx(1e-3)
    assert "lowest at 0.01" in falling.sentence()


def test_no_pictures_is_a_plain_sentence(tmp_path):
    with pytest.raises(TrainingError, match="there are no pictures to train with"):
        train(fresh(), [], tmp_path / "run", QUICK)
