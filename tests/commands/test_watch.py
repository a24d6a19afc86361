"""`dgrl watch` as a process: pictures that come, files that are still being written, and Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from dgrl import DGRL
from tests.commands.test_cli import checkpoint, dgrl, files, here  # noqa: F401
from tests.helpers.networks import TINY, draw_photo, filled

pytest.importorskip("watchfiles")
# ruff: noqa: F811
PATIENCE = 120


def until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def inbox(tmp_path):
    """Return a folder with a finished photo, an unfinished one, and a result of an earlier run."""
    filled(DGRL(TINY)).save_pretrained(tmp_path / "tiny")
    (tmp_path / "inbox").mkdir()
    for name in ("done.png", "waiting.png"):
        Image.fromarray(draw_photo(40, 60)[0]).save(tmp_path / "inbox" / name)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "done.png").write_bytes(b"from yesterday")
    return tmp_path / "inbox"


@pytest.fixture
def watching(inbox):
    command = [sys.executable, "-m", "dgrl", "watch", inbox, "-o", inbox.parent / "out", "--device", "cpu"]
    environment = os.environ | {"DGRL_WEIGHTS": str(inbox.parent / "tiny"), "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(
        list(map(str, command)), env=environment, text=True, cwd=Path(__file__).parents[2], **pipes
    )
    yield process
    process.kill()
    process.communicate()


def test_pictures_that_come_are_detected(inbox, watching):
    out = inbox.parent / "out"
    until((out / "waiting.png").exists)
    Image.fromarray(draw_photo(40, 60, seed=1)[0]).save(inbox / "new.png", compress_level=0)
    content = (inbox / "new.png").read_bytes()
    (inbox / "note.txt").write_text("not a picture")
    with (inbox / "slow.png").open("wb") as file:  # as a copy over a slow network comes
        for start in range(0, len(content), len(content) // 6):
            file.write(content[start : start + len(content) // 6])
            file.flush()
            time.sleep(0.5)
    until((out / "slow.png").exists)
    until((out / "new.png").exists)
    (inbox / "new.jpg").write_bytes(content)
    until((out / "new.jpg.png").exists)
    watching.send_signal(signal.SIGINT)
    message, errors = watching.communicate(timeout=PATIENCE)
    assert (watching.returncode, errors) == (0, "")
    assert (out / "done.png").read_bytes() == b"from yesterday"
    done = [line for line in message.splitlines() if " -> " in line]
    assert len(done) == 4, "each once"
    assert {path.name for path in out.iterdir()} == {"done.png", "waiting.png", "new.png", "slow.png", "new.jpg.png"}
    with Image.open(out / "slow.png") as picture:
        assert picture.size == (60, 40)


def test_unreadable_files_are_reported_in_one_line(inbox, watching):
    out = inbox.parent / "out"
    (inbox / "bad.png").write_bytes(b"\x89PNG")
    until((out / "waiting.png").exists)
    Image.fromarray(draw_photo(40, 60, seed=1)[0]).save(inbox / "later.png")
    until((out / "later.png").exists)
    watching.send_signal(signal.SIGINT)
    _, errors = watching.communicate(timeout=PATIENCE)
    assert watching.returncode == 0
    assert errors.count("\n") == 1
    assert "bad.png: " in errors


def test_folders_that_cannot_be_watched_are_refused(dgrl, here, monkeypatch):
    assert "missing is not a folder" in dgrl("watch", "missing")[2][-1]
    (here / "inbox").mkdir()
    assert "no transparency" in dgrl("watch", "inbox", "--cutout", "--format", "jpg")[2][-1]
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    assert dgrl("watch", "inbox")[2] == ["dgrl: this needs the package watchfiles: pip install 'dgrl[watch]'"]
