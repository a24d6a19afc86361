"""Training on a GPU: each stage, in half precision, resumed; the same updates as a CPU's; on two GPUs; a notebook."""

import dataclasses
import json
import os
import time
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState

from dgrl import DGRL
from dgrl.training.config import TrainingConfig
from dgrl.training.loop import train
from dgrl.training.panel import TrainingPanel
from dgrl.training.runs import is_running, read_state, stop_run
from notebooks.execute import FOLDER, execute
from tests.gpu.conftest import PLACES
from tests.helpers import distributed_training
from tests.helpers.launching import launch
from tests.helpers.networks import TRAINED, write_pairs
from tests.helpers.stopping import stopped_after

# Smaller maps than 3 by 3 get no bfloat16 gradient of a 7 by 7 convolution on a CPU: oneDNN's has random numbers in it.
QUICK = TrainingConfig(batch_size=4, size=192, crop=32, max_updates=6, checkpoint_every=2, schedule="constant")


@pytest.fixture(params=PLACES)
def device(request, monkeypatch):
    """Return the device that Accelerate trains on; for the CPU, hide a GPU from it."""
    AcceleratorState._reset_state(reset_partial_state=True)
    if request.param == "cpu":
        monkeypatch.setattr("torch.accelerator.is_available", lambda: False)
    elif not torch.cuda.is_available():
        (pytest.fail if os.environ.get("DGRL_GPU") else pytest.skip)("PyTorch sees no GPU here")
    yield request.param
    AcceleratorState._reset_state(reset_partial_state=True)


def fresh():
    torch.manual_seed(1)
    return DGRL(TRAINED)


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.mark.short
@pytest.mark.parametrize("precision", ["no", "bf16", "fp16"])
@pytest.mark.parametrize("stage", ["rln", "brn", "joint"])
def test_every_stage_trains_in_every_precision_and_is_resumed(tmp_path, device, stage, precision):
    if device == "cpu" and (precision != "bf16" or stage != "rln"):
        pytest.skip("on the CPU one of them shows that the check works; fp16 needs a GPU")
    pairs = write_pairs(tmp_path / "drawn", 8)
    readers = 2 if device == "cuda" else 0
    config = dataclasses.replace(QUICK, stage=stage, precision=precision, workers=readers)
    with stopped_after(4):
        train(fresh(), pairs, tmp_path / "run", config)
    assert not read_state(tmp_path / "run").finished
    model = train(fresh(), pairs, tmp_path / "run", resume=True)
    assert next(model.parameters()).device.type == device
    result = losses(tmp_path / "run")
    assert len(result) == 6
    assert all(0 < loss < 20 for loss in result)
    untrained = fresh().state_dict()
    assert any(not torch.equal(value.cpu(), untrained[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("stage", ["rln", "brn", "joint"])
@pytest.mark.parametrize("device", [pytest.param("cuda", marks=pytest.mark.gpu, id="gpu")], indirect=True)
def test_updates_equal_those_of_a_cpu(tmp_path, device, stage, monkeypatch):
    pairs = write_pairs(tmp_path / "drawn", 8)
    # With SGD: AdamW divides by the gradient's size, and so enlarges rounding where a gradient is almost 0.
    config = dataclasses.replace(QUICK, stage=stage, optimiser="sgd", learning_rate=1e-2, workers=0)
    on_gpu = train(fresh(), pairs, tmp_path / "gpu", config).cpu().state_dict()
    AcceleratorState._reset_state(reset_partial_state=True)
    monkeypatch.setattr("torch.accelerator.is_available", lambda: False)
    on_cpu = train(fresh(), pairs, tmp_path / "cpu", config).state_dict()
    for name, value in on_cpu.items():
        torch.testing.assert_close(on_gpu[name], value, rtol=1e-2, atol=2e-3, msg=lambda text, name=name: name + text)
    torch.testing.assert_close(losses(tmp_path / "gpu"), losses(tmp_path / "cpu"), rtol=2e-2, atol=2e-3)


@pytest.mark.gpu
@pytest.mark.parametrize("device", [pytest.param("cuda", id="gpu")], indirect=True)
def test_two_gpus_train_as_one_does(tmp_path, device):
    if torch.cuda.device_count() < 2:
        pytest.skip("there is one GPU")
    write_pairs(tmp_path / "drawn", 9)
    for count in (1, 2):
        launch("tests.helpers.distributed_training", tmp_path / "drawn", tmp_path / str(count), processes=count)
    for stage in distributed_training.STAGES:
        one, two = (DGRL.from_pretrained(tmp_path / count / stage).state_dict() for count in "12")
        for name, value in one.items():
            torch.testing.assert_close(two[name], value, rtol=1e-2, atol=2e-3)


@pytest.mark.short
def test_a_run_of_the_panel_trains_on_the_device(tmp_path, device):
    """The panel starts a process of its own, which finds the GPU by itself, also where this one uses it already."""
    if device == "cuda":
        torch.zeros(1, device="cuda")
    pairs = write_pairs(tmp_path / "drawn", 8)
    fresh().save_pretrained(tmp_path / "network")
    precision = "bf16" if device == "cuda" else "no"
    settings = {"size": 96, "batch_size": 2, "max_updates": 3, "workers": 0, "precision": precision}
    folders = pairs[0].image.parent, pairs[0].mask.parent
    panel = TrainingPanel(tmp_path / "run", *folders, "default", network={"init": tmp_path / "network"}, **settings)
    try:
        panel.start()
        end = time.monotonic() + 300
        while is_running(panel.out):
            assert time.monotonic() < end, read_state(panel.out).said
            time.sleep(0.2)
    finally:
        stop_run(panel.out)
        panel.close()
    state = read_state(panel.out)
    assert state.finished, state.said
    assert state.update == 3
    assert f"Training rln on {device}" in (panel.out / "output.txt").read_text()


@pytest.mark.gpu
@pytest.mark.parametrize("device", [pytest.param("cuda", id="gpu")], indirect=True)
def test_the_training_notebook_runs(device, monkeypatch):
    monkeypatch.setenv("DGRL_SMALL", "1")
    execute(FOLDER / "train.ipynb")  # and leaves the file as it is
