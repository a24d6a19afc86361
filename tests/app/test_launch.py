"""Which checkpoints the app offers, and that it starts the way people and Hugging Face Spaces start it."""

import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

import dgrl.app
from dgrl import DGRL, CheckpointError
from dgrl.app import checkpoints, load

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkpoint(network: DGRL, tmp_path: Path) -> Path:
    folder = tmp_path / "one" / "tiny"
    network.save_pretrained(folder)
    return folder


def test_named_weights_come_first_then_the_environment_s_then_the_repository_s(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped, older = tmp_path / "weights" / "shipped", tmp_path / "weights" / "older"
    for folder in (shipped, older):
        folder.mkdir(parents=True)
        (folder / "config.json").touch()
    (tmp_path / "weights" / "no checkpoint").mkdir()
    monkeypatch.setattr(dgrl.app, "SHIPPED_WEIGHTS", shipped)
    monkeypatch.setenv("DGRL_CHECKPOINTS", f"someone/from-the-hub, {checkpoint},")
    assert checkpoints(checkpoint) == [str(checkpoint), "someone/from-the-hub", str(shipped), str(older)]


def test_networks_are_named_by_their_folders(checkpoint: Path, network: DGRL) -> None:
    other = checkpoint.parents[1] / "two" / "tiny"
    network.save_pretrained(other)
    assert list(load([str(checkpoint), str(other)], "cpu")) == ["tiny", str(other)]


def test_a_checkpoint_that_is_none_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is not a checkpoint"):
        load([str(tmp_path)], "cpu")


@pytest.mark.parametrize(
    "program",
    [["app.py"], ["-c", "import dgrl.app, os; dgrl.app.launch(weights=os.environ['DGRL_CHECKPOINTS'], port=None)"]],
    ids=["app.py", "launch"],
)
def test_the_app_starts_prints_its_address_and_answers(checkpoint: Path, program: list[str]) -> None:
    environment = {**os.environ, "DGRL_CHECKPOINTS": str(checkpoint), "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)}
    environment.pop("GRADIO_SERVER_PORT", None)
    server = subprocess.Popen([sys.executable, *program], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        printed = ""
        deadline = time.monotonic() + 120
        while (found := re.search(r"http://[\d.]+:\d+", printed)) is None:
            assert server.poll() is None, f"the app ended: {printed}"
            assert time.monotonic() < deadline, f"no address after two minutes: {printed}"
            printed += server.stdout.readline()
        with urllib.request.urlopen(found.group(), timeout=30) as answer:
            assert b"DGRL" in answer.read()
    finally:
        server.terminate()
        server.wait(30)
