"""Hold-out pictures during a run: scores, the best network, the average, early ends; a kill changes nothing."""

import dataclasses
import json
import sys
import types

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState

from dgrl import DGRL
from dgrl.evaluation.evaluate import evaluate
from dgrl.training.averaging import MovingAverage, averaged
from dgrl.training.checkpoints import Progress, TrainingError
from dgrl.training.config import TrainingConfig, preset
from dgrl.training.loop import train
from dgrl.training.validation import hold_out_share, note_scores, validate
from dgrl.training.watching import Bar, Files
from tests.helpers.networks import TINY, TRAINED, filled, write_pairs

QUICK = TrainingConfig(batch_size=4, size=64, crop=32, workers=0, max_updates=6, checkpoint_every=2, validate_every=2)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("drawn"), 20)


def fresh():
    torch.manual_seed(1)
    return DGRL(TRAINED)


def log(folder, kind):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if kind in line]


def same(state, expected):
    return all(torch.equal(value, expected[name]) for name, value in state.items())


def test_scores_equal_those_of_the_evaluation(pairs):
    model = filled(DGRL(TINY))
    scores = validate(model, pairs[:3])
    expected = evaluate(model, pairs[:3], stretch=False)
    assert list(scores.mae) == list(expected.scores)
    for kind, values in expected.scores.items():
        assert scores.mae[kind] == pytest.approx(values["MAE"], abs=2e-3)  # the evaluation rounds to 8 bits
        assert scores.max_f[kind] == pytest.approx(values["maxF"], abs=1e-2)
    for step, levels in expected.attention.items():
        assert scores.attention[step] == pytest.approx(np.mean(list(levels.values())), abs=1e-4)


def test_a_tenth_is_held_out_from_twenty_pictures_on(pairs):
    training, held_out = hold_out_share(pairs, None, 0)
    assert (len(training), len(held_out)) == (18, 2)
    assert sorted(training + held_out, key=pairs.index) == pairs
    assert hold_out_share(pairs, None, 0)[1] == held_out
    assert hold_out_share(pairs, None, 1)[1] != held_out
    assert hold_out_share(pairs[:19], None, 0)[1] == []
    assert len(hold_out_share(pairs, 0.5, 0)[1]) == 10
    for share in (1.0, -0.1):
        with pytest.raises(TrainingError, match="from 0 to below 1"):
            hold_out_share(pairs, share, 0)


@pytest.fixture(scope="module")
def run(pairs, tmp_path_factory):
    """Train a run with validations, with default settings."""
    out = tmp_path_factory.mktemp("run") / "run"
    model = train(fresh(), pairs, out, QUICK, tracker="tensorboard")
    AcceleratorState._reset_state(reset_partial_state=True)
    return model, out


def test_a_run_validates_automatically_and_logs_the_scores(run):
    out = run[1]
    updates, validations = log(out, "loss"), log(out, "validation")
    assert [line["update"] for line in validations] == [2, 4, 6]
    assert set(validations[0]["validation"]["MAE"]) == {"t0", "t1", "refined"}
    assert set(validations[0]["validation"]["attention"]) == {"t0", "t1"}
    assert validations[0]["best"]
    assert all(line["gradient_norm"] > 0 and line["learning_rate"] > 0 for line in updates)
    assert [path.name for path in sorted((out / "pictures").iterdir())] == [f"{u:08d}.png" for u in (2, 4, 6)]
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(out / "tensorboard")).Reload()
    shown = [event.value for event in events.Scalars("validation/MAE/t1")]
    assert shown == pytest.approx([line["validation"]["MAE"]["t1"] for line in validations])


def test_the_best_network_and_the_card_are_beside_the_last(run, pairs):
    out = run[1]
    validations = log(out, "validation")
    errors = [line["validation"]["MAE"]["t1"] for line in validations]
    held_out = hold_out_share(pairs, None, QUICK.seed)[1]
    best = validate(DGRL.from_pretrained(out / "best"), held_out)
    assert best.mae["t1"] == pytest.approx(min(errors), abs=1e-5)
    last = validate(DGRL.from_pretrained(out), held_out)
    assert last.mae["t1"] == pytest.approx(errors[-1], abs=1e-5), "what is kept is what was measured: the average"
    assert (out / "hold_out.txt").read_text().splitlines() == [pair.image.name for pair in held_out]
    card = (out / "README.md").read_text()
    assert "18 pictures with masks" in card
    assert "2 hold-out pictures" in card
    assert f"| last, this one | MAE | {validations[-1]['validation']['MAE']['t0']:.4f}" in card
    assert "`validate_every`: 2" in card


@pytest.mark.parametrize("killed_at", [3, 4])
def test_a_kill_changes_neither_average_nor_best_nor_log(run, pairs, tmp_path, monkeypatch, killed_at):
    model, out = run
    write = Files.update

    class Killed(Exception):  # noqa: N818
        pass

    def killed(files, progress, numbers):
        write(files, progress, numbers)
        if progress.update == killed_at:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Files, "update", killed)
        with pytest.raises(Killed):
            train(fresh(), pairs, tmp_path / "cut", QUICK)
    resumed = train(fresh(), pairs, tmp_path / "cut", QUICK, resume=True)
    assert same(model.state_dict(), resumed.state_dict())
    best, again = (DGRL.from_pretrained(folder / "best").state_dict() for folder in (out, tmp_path / "cut"))
    assert same(best, again)
    assert log(tmp_path / "cut", "validation") == log(out, "validation")


def test_validating_changes_nothing_that_is_trained(run, pairs, tmp_path):
    training = hold_out_share(pairs, None, QUICK.seed)[0]
    quiet = train(fresh(), training, tmp_path, dataclasses.replace(QUICK, validate_every=None), hold_out=0)
    assert same(run[0].state_dict(), quiet.state_dict())
    assert not (tmp_path / "best").exists()
    assert "nothing was measured" in (tmp_path / "README.md").read_text()


def test_the_average_follows_the_weights_and_the_paper_has_none():
    module = torch.nn.Linear(1, 1, bias=False)
    module.weight.data.fill_(0.0)
    average = MovingAverage(module, 0.9)
    module.weight.data.fill_(1.0)
    average.update()
    assert float(average.values["weight"].detach()) == pytest.approx(1 - 2 / 11)
    for _ in range(200):
        average.update()
    assert float(average.values["weight"]) == pytest.approx(1)
    module.weight.data.fill_(5.0)
    with averaged(average):
        assert module.weight.item() == pytest.approx(1)
    assert module.weight.item() == 5
    assert preset("paper", "rln").ema == 0 < preset("default", "rln").ema < 1


def test_patience_ends_a_run_that_gains_no_more(pairs, tmp_path, monkeypatch, capsys):
    errors = iter([0.3, 0.2, 0.25, 0.21, 0.1])
    monkeypatch.setattr("dgrl.training.loop.note_scores", lambda progress, scores, kind: note_scores(
        progress, dataclasses.replace(scores, mae=scores.mae | {kind: next(errors)}), kind
    ))  # fmt: skip
    config = dataclasses.replace(QUICK, max_updates=50, validate_every=1, patience=2)
    train(fresh(), pairs, tmp_path, config)
    assert "Ended after update 4 of 50: no lower hold-out error in 2 validations" in capsys.readouterr().out
    assert [line["best"] for line in log(tmp_path, "validation")] == [True, True, False, False]
    assert (tmp_path / "model.safetensors").is_file()
    train(fresh(), pairs, tmp_path, config, resume=True)
    assert len(log(tmp_path, "loss")) == 4, "a run that is over makes no more updates"


def test_minutes_end_a_run_and_its_schedule(pairs, tmp_path, capsys):
    config = dataclasses.replace(QUICK, max_updates=10_000, minutes=0.03, validate_every=1000)
    train(fresh(), pairs[:8], tmp_path, config)
    message = capsys.readouterr().out
    assert "0.03 minutes are over" in message
    rates = [line["learning_rate"] for line in log(tmp_path, "loss")]
    assert rates[-1] < max(rates) or len(rates) < 4
    assert (tmp_path / "model.safetensors").is_file()


def test_trackio_gets_the_numbers(pairs, tmp_path, monkeypatch):
    logged = []
    fake = types.ModuleType("trackio")
    fake.init = lambda **settings: logged.append(settings)
    fake.log = lambda numbers, step: logged.append((step, numbers))
    fake.finish = lambda: logged.append("finished")
    monkeypatch.setitem(sys.modules, "trackio", fake)
    train(fresh(), pairs, tmp_path / "run", QUICK, tracker="trackio")
    assert logged[0]["name"] == "run"
    assert logged[-1] == "finished"
    assert any("validation/MAE/t1" in numbers for _, numbers in logged[1:-1])
    with pytest.raises(TrainingError, match="'wandb' is unknown"):
        train(fresh(), pairs, tmp_path / "other", QUICK, tracker="wandb")


def test_progress_shows_within_two_seconds():
    bar = Bar(Progress(total=10))
    assert bar._bar.mininterval <= 2
    assert bar._bar.miniters == 1
    bar.close()
