"""`make app` sets itself up: what a kill or an error leaves half done is done again, and what is done is not."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYTHON = """#!/bin/sh
echo "$*" >> calls
case "$*" in
    *"$(cat stop-at)"*) {end} ;;
    "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && cp "$0" "$3/bin/dgrl" ;;
esac
"""
KILL = "kill -9 0"  # the whole group of processes, which is make's own
STEPS = ["-c import", "-m venv", "--editable .", "app --port"]

pytestmark = pytest.mark.skipif(shutil.which("make") is None or os.name != "posix", reason="needs make")


def make(folder: Path, stop_at: str = "nowhere", end: str = "exit 1") -> tuple[int, list[str]]:
    """Run `make app` with a Python that only records its steps; return the exit code and the started steps."""
    (folder / "stop-at").write_text(stop_at)
    (folder / "calls").unlink(missing_ok=True)
    for python in (folder / "python", *folder.glob(".venv/bin/*")):
        python.write_text(PYTHON.format(end=end))
        python.chmod(0o755)
    command = ["make", "app", "PYTHON=./python"]
    # The make that runs the tests may hand its own settings on.
    handed_on = ("MAKEFLAGS", "MAKEOVERRIDES", "VENV", "PORT")
    environment = {name: value for name, value in os.environ.items() if name not in handed_on}
    completed = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, check=False, start_new_session=True
    )
    calls = (folder / "calls").read_text().splitlines()
    return completed.returncode, [step for call in calls for step in STEPS if step in call]


@pytest.fixture
def clone(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("pyproject.toml",):
        (tmp_path / name).touch()
    return tmp_path


def test_set_up_is_done_once(clone):
    assert make(clone) == (0, STEPS)
    assert make(clone) == (0, STEPS[-1:])
    later = (clone / ".venv" / "ready").stat().st_mtime + 1
    os.utime(clone / "pyproject.toml", (later, later))
    assert make(clone) == (0, STEPS)


@pytest.mark.parametrize("step", range(3))
@pytest.mark.parametrize("end", ["exit 1", KILL], ids=["error", "kill"])
def test_set_up_that_was_cut_short_starts_again(clone, step, end):
    code, begun = make(clone, STEPS[step], end)
    assert code == (2 if end == "exit 1" else -signal.SIGKILL)
    assert begun == STEPS[: step + 1]
    assert not (clone / ".venv" / "ready").exists()
    assert make(clone) == (0, STEPS)


def test_an_incomplete_virtual_environment_is_completed(clone):
    (clone / ".venv" / "bin").mkdir(parents=True)
    (clone / ".venv" / "pyvenv.cfg").touch()
    assert make(clone) == (0, STEPS)
