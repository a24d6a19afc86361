"""A run that was stopped is resumed by the command line and from Python alike, with what it began with."""

import dataclasses
import json

import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file

from dgrl import DGRL, cli, train
from dgrl.training.checkpoints import TrainingError
from dgrl.training.config import TrainingConfig
from dgrl.training.evaluating import evaluation_arguments
from dgrl.training.watching import Files
from tests.helpers.networks import TRAINED, write_pairs
from tests.helpers.reset_accelerate import reset_accelerate  # noqa: F401

RECIPE = TrainingConfig(
    batch_size=4, size=64, workers=0, max_updates=4, checkpoint_every=1, validate_every=2, kept_change=0.5
)
HOLD_OUT = 0.2


class Killed(Exception):  # noqa: N818
    """Stands for a kill."""


@pytest.fixture
def pairs(tmp_path):
    torch.manual_seed(1)
    DGRL(TRAINED).save_pretrained(tmp_path / "network")
    return write_pairs(tmp_path / "drawn", 10)


@pytest.fixture
def killed_after(monkeypatch):
    """Kill runs after so many updates."""
    write = Files.update

    def kill(updates):
        def killed(files, progress, numbers):
            write(files, progress, numbers)
            if progress.update == updates:
                raise Killed

        monkeypatch.setattr(Files, "update", killed)

    return kill


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the weights of a run that was never stopped."""
    folder = tmp_path_factory.mktemp("whole")
    torch.manual_seed(1)
    DGRL(TRAINED).save_pretrained(folder / "network")
    by_python(write_pairs(folder / "drawn", 10), folder, "run")
    AcceleratorState._reset_state(reset_partial_state=True)
    assert (folder / "run" / "log.jsonl").read_text().count("\n") == 6
    return DGRL.from_pretrained(folder / "run").state_dict()


def same(out, weights):
    found = DGRL.from_pretrained(out).state_dict()
    return all(torch.equal(value, found[name]) for name, value in weights.items())


def by_python(pairs, tmp_path, out):
    train(DGRL.from_pretrained(tmp_path / "network"), pairs, tmp_path / out, RECIPE, hold_out=HOLD_OUT)


def by_command(_pairs, tmp_path, out):
    settings = {
        "images": tmp_path / "drawn" / "image", "masks": tmp_path / "drawn" / "mask", "init": tmp_path / "network",
        "preset": "default", "hold-out": HOLD_OUT, "out": tmp_path / out, "batch-size": 4, "size": 64, "workers": 0,
        "max-updates": 4, "checkpoint-every": 1, "validate-every": 2, "kept-change": 0.5,
    }  # fmt: skip
    command(*(word for name, value in settings.items() for word in (f"--{name}", value)))


def command(*words):
    if cli.main(["train", *map(str, words)]):
        raise Killed


def resumed_by_python(pairs, out, **named):
    torch.manual_seed(7)
    train(DGRL(TRAINED), pairs, out, resume=True, **named)


def resumed_by_command(_pairs, out, **named):
    options = [word for name, value in named.items() for word in (f"--{name.replace('_', '-')}", value)]
    command("--resume", out, *options)


@pytest.mark.parametrize("start", [by_python, by_command])
@pytest.mark.parametrize("resume", [resumed_by_python, resumed_by_command])
def test_who_starts_a_run_and_who_resumes_it_makes_no_difference(
    pairs, tmp_path, capsys, killed_after, monkeypatch, whole, start, resume
):
    killed_after(3)
    with pytest.raises(Killed):
        start(pairs, tmp_path, "cut")
    monkeypatch.undo()
    capsys.readouterr()
    resume(pairs, tmp_path / "cut", learning_rate=0.5, workers=0)
    out = capsys.readouterr().out
    kept = f"learning_rate 0.5 (the run's: {RECIPE.learning_rate})"
    own = f"Not taken, because a run goes on with the recipe that it began with: {kept}"
    assert own in out.splitlines()
    assert "has changed" not in out
    assert same(tmp_path / "cut", whole)
    recipe = json.loads((tmp_path / "cut" / "training.json").read_text())["recipe"]
    assert recipe["learning_rate"] == RECIPE.learning_rate


@pytest.mark.parametrize(
    "named", [{"config": "finetune"}, {"config": dataclasses.replace(RECIPE, size=96)}, {"size": 96}]
)
def test_a_resumed_run_keeps_its_recipe_however_another_one_is_named(pairs, tmp_path, capsys, named):
    by_python(pairs, tmp_path, "run")
    capsys.readouterr()
    resumed_by_python(pairs, tmp_path / "run", **named)
    assert f"size {320 if 'finetune' in named.values() else 96} (the run's: 64)" in capsys.readouterr().out
    assert "for 4 of 4 updates" in (tmp_path / "run" / "README.md").read_text()


def test_a_run_killed_before_its_first_checkpoint_starts_again(pairs, tmp_path, killed_after, monkeypatch, whole):
    killed_after(1)
    with pytest.raises(Killed):
        by_python(pairs, tmp_path, "cut")
    monkeypatch.undo()
    resumed_by_python(pairs, tmp_path / "cut")
    assert same(tmp_path / "cut", whole)


def test_a_run_of_version_2_which_noted_no_lists_goes_on(pairs, tmp_path, capsys, killed_after, monkeypatch, whole):
    killed_after(3)
    with pytest.raises(Killed):
        by_command(pairs, tmp_path, "cut")
    monkeypatch.undo()
    path = tmp_path / "cut" / "training.json"
    settings = json.loads(path.read_text())
    del settings["lists"]
    path.write_text(json.dumps(settings))
    resumed_by_command(pairs, tmp_path / "cut")
    assert "has changed" not in capsys.readouterr().out
    assert same(tmp_path / "cut", whole)


def test_the_network_before_training_is_read_once(pairs, tmp_path, killed_after, monkeypatch):
    killed_after(1)
    with pytest.raises(Killed):
        by_command(pairs, tmp_path, "cut")
    monkeypatch.undo()
    read = []

    def load(path, *settings, **named):
        read.append(path)
        return load_file(path, *settings, **named)

    monkeypatch.setattr("dgrl.checkpoint.load_file", load)
    resumed_by_command(pairs, tmp_path / "cut")
    assert len([path for path in read if "start" in str(path)]) == 1


def test_hold_out_pairs_that_were_given_apart_are_found_again(pairs, tmp_path, capsys):
    train(DGRL(TRAINED), pairs[:7], tmp_path / "run", RECIPE, hold_out=pairs[7:])
    capsys.readouterr()
    resumed_by_python(pairs[:7], tmp_path / "run")
    out = capsys.readouterr().out
    assert "with 7 pictures, 3 to validate by" in out
    assert "has changed" not in out
    arguments = evaluation_arguments(tmp_path / "run")
    folders = ["--images", str(tmp_path / "drawn" / "image"), "--masks", str(tmp_path / "drawn" / "mask")]
    assert arguments[3:] == [*folders, "--only", str(tmp_path / "run" / "hold_out.txt")]


def test_the_command_finds_moved_pictures_of_a_run_that_python_started(pairs, tmp_path, capsys):
    shuffled = [pairs[i] for i in (3, 1, 8, 0, 2, 9, 4)]
    train(DGRL(TRAINED), shuffled, tmp_path / "run", RECIPE, hold_out=pairs[5:7])
    (tmp_path / "drawn").rename(tmp_path / "moved")
    capsys.readouterr()
    assert cli.main(["train", "--resume", str(tmp_path / "run")]) == 1
    assert "003.png is not there any more; --images and --masks may name" in capsys.readouterr().err
    places = ("--images", tmp_path / "moved" / "image", "--masks", tmp_path / "moved" / "mask")
    command("--resume", tmp_path / "run", *places, "--steps", 1)
    out = capsys.readouterr().out
    assert "Not taken, because a run goes on as it began: --steps" in out
    assert "has changed" not in out, "names and order are the same"
    rows = json.loads((tmp_path / "run" / "training.json").read_text())["pairs"]
    assert rows[0][0] == str(tmp_path / "moved" / "image" / "003.png")
    (tmp_path / "moved" / "image" / "003.png").unlink()
    assert cli.main(["train", "--resume", str(tmp_path / "run"), *map(str, places)]) == 1
    assert "003.png, with which the run began, is in none of the folders named" in capsys.readouterr().err


def test_another_kind_of_network_cannot_go_on(pairs, tmp_path):
    by_python(pairs, tmp_path, "run")
    other = DGRL(dataclasses.replace(TRAINED, steps=TRAINED.steps + 1))
    with pytest.raises(TrainingError, match=rf"another kind: steps {TRAINED.steps + 1} \(the run's: {TRAINED.steps}\)"):
        train(other, pairs, tmp_path / "run", resume=True)


def test_the_stage_of_a_preset_may_be_named_beside_it(pairs, tmp_path):
    quick = {"batch_size": 4, "workers": 0, "max_updates": 1, "crop": 32}
    train(DGRL(TRAINED), pairs, tmp_path / "run", "default", stage="brn", **quick)
    assert json.loads((tmp_path / "run" / "training.json").read_text())["recipe"]["stage"] == "brn"
