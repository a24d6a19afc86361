"""`dgrl watch`: pictures that come, files that are still being written, and Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from dgrl import DGRL
from dgrl.commands import watch
from tests.commands.test_cli import checkpoint, dgrl, files, here  # noqa: F401
from tests.helpers.networks import TINY, draw_photo, filled

watchfiles = pytest.importorskip("watchfiles")
# ruff: noqa: F811
PATIENCE = 600


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


def arrive(path, seed=1):
    """Put a picture, or another file, into the folder as a whole: a stalled machine must not leave half of it."""
    written = path.parent.parent / path.name
    if path.name == "bad.png":
        written.write_bytes(b"\x89PNG")
    elif path.suffix == ".txt":
        written.write_text("not a picture")
    else:
        Image.fromarray(draw_photo(40, 60, seed=seed)[0]).save(written)
    written.replace(path)


def test_pictures_that_come_are_detected(inbox, watching):
    out = inbox.parent / "out"
    until((out / "waiting.png").exists)
    for name in ("new.png", "note.txt"):
        arrive(inbox / name)
    until((out / "new.png").exists)
    arrive(inbox / "new.jpg")
    until((out / "new.jpg.png").exists)
    watching.send_signal(signal.SIGINT)
    message, errors = watching.communicate(timeout=PATIENCE)
    assert (watching.returncode, errors) == (0, "")
    assert (out / "done.png").read_bytes() == b"from yesterday"
    done = [line for line in message.splitlines() if " -> " in line]
    assert len(done) == 3, "each once"
    assert {path.name for path in out.iterdir()} == {"done.png", "waiting.png", "new.png", "new.jpg.png"}
    with Image.open(out / "new.png") as picture:
        assert picture.size == (60, 40)


def test_a_file_is_complete_once_it_has_not_changed_for_a_second(tmp_path, monkeypatch):
    """The test has its own clock; the files change at set times, a quarter of a second apart."""
    clock = [0.0]
    added, modified = watchfiles.Change.added, watchfiles.Change.modified
    slow, present = tmp_path / "slow.png", tmp_path / "present.png"
    present.write_text("there before")

    def write(content):
        slow.write_text(content)

    happens = {0.5: lambda: write("a"), 1.0: lambda: write("ab"), 1.75: lambda: write("abc"), 4.0: slow.unlink}
    unseen = {1.75}  # a network drive may report nothing

    def looks(*_, **__):
        while clock[0] < 5:
            change = happens.get(clock[0])
            if change:
                change()
            is_seen = change is not None and clock[0] not in unseen and slow.exists()
            yield {(added if clock[0] == 0.5 else modified, str(slow))} if is_seen else set()
            clock[0] += 0.25

    monkeypatch.setattr(watchfiles, "watch", looks)
    monkeypatch.setattr(watch.time, "monotonic", lambda: clock[0])
    found = [(path.name, is_new, clock[0], path.read_text()) for path, is_new in watch.complete_files(tmp_path)]
    assert found == [("present.png", False, 1.0, "there before"), ("slow.png", True, 2.75, "abc")]


def test_unreadable_files_are_reported_in_one_line(inbox, watching):
    out = inbox.parent / "out"
    until((out / "waiting.png").exists)
    for name in ("bad.png", "later.png"):
        arrive(inbox / name)
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
