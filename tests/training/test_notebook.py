"""The same recipe on one process and on two."""

import pytest
import torch
from accelerate.state import AcceleratorState

from dgrl import DGRL
from dgrl.training.checkpoints import TrainingError
from dgrl.training.config import TrainingConfig
from dgrl.training.notebook import train_on
from tests.helpers.distributed_training import main
from tests.helpers.launching import launch
from tests.helpers.networks import TRAINED, write_pairs


def test_two_processes_train_as_one_does(tmp_path, capsys):
    write_pairs(tmp_path / "drawn", 9)
    main(tmp_path / "drawn", tmp_path / "one")
    AcceleratorState._reset_state(reset_partial_state=True)
    message = launch("tests.helpers.distributed_training", tmp_path / "drawn", tmp_path / "two", processes=2)
    assert "Training rln on cpu, 2 processes with 9 pictures" in message
    assert message.count("Training") == 6, "every process speaks"
    torch.manual_seed(1)
    untrained = DGRL(TRAINED).state_dict()
    for stage in ("rln", "brn", "joint"):
        single, double = (DGRL.from_pretrained(tmp_path / name / stage).state_dict() for name in ("one", "two"))
        for name, value in single.items():
            torch.testing.assert_close(double[name], value, atol=1e-5, rtol=0)
        moved = max(float((value - untrained[name]).abs().max()) for name, value in single.items())
        assert moved > 1e-4, "nothing has been learned: the test says nothing"
        lines = [(tmp_path / name / stage / "log.jsonl").read_text().count("\n") for name in ("one", "two")]
        assert lines == [5, 5]


def test_starting_processes_after_using_the_gpu_in_a_notebook_is_refused(tmp_path, monkeypatch):
    arguments = DGRL(TRAINED), [], tmp_path / "run", TrainingConfig()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(TrainingError, match="sees no GPU here; ask for 1"):
        train_on(2, *arguments)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(TrainingError, match="there are 2 GPUs"):
        train_on(3, *arguments)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    with pytest.raises(TrainingError, match=r"(?i)restart the kernel"):
        train_on(2, *arguments)
    assert not (tmp_path / "run").exists()


def test_one_process_trains_in_the_notebook_itself(tmp_path):
    pairs = write_pairs(tmp_path / "drawn", 4)
    config = TrainingConfig(batch_size=2, size=64, workers=0, max_updates=1)
    model = train_on(1, DGRL(TRAINED), pairs, tmp_path / "run", config)
    loaded = DGRL.from_pretrained(tmp_path / "run").state_dict()
    assert all(torch.equal(value, loaded[name]) for name, value in model.state_dict().items())


@pytest.mark.slow
def test_two_processes_of_the_command_are_one_run(tmp_path):
    write_pairs(tmp_path / "drawn", 6)
    DGRL(TRAINED).save_pretrained(tmp_path / "network")
    folders = ["--images", tmp_path / "drawn" / "image", "--masks", tmp_path / "drawn" / "mask"]
    recipe = ["--size", "64", "--batch-size", "2", "--max-updates", "2", "--workers", "0", "--pictures-every", "0"]
    run = ["--init", tmp_path / "network", "--out", tmp_path / "run"]
    message = launch("dgrl", "train", *folders, *recipe, *run, processes=2)
    assert message.splitlines().count("Training rln on cpu, 2 processes with 6 pictures") == 1
    assert (tmp_path / "run" / "log.jsonl").read_text().count("\n") == 2
