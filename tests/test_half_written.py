"""Commands that are killed while they write, or run out of disk space, keep old files and leave no incomplete ones."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import dgrl.network.backbone
from dgrl import DGRL, CheckpointError, DGRLConfig
from dgrl.commands.photos import find_photos
from dgrl.files import PARTIAL, STALE_SECONDS
from dgrl.network.caffe_resnet import caffe_resnet50
from tests.caffe.conftest import NARROW
from tests.helpers.caffe_files import write_model
from tests.helpers.caffe_network import brn_network, rln_network
from tests.helpers.networks import TINY, draw_photo, filled

ROOT = Path(__file__).parents[1]
Run = Callable[..., tuple[int, list[str]]]


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Yield a function that runs a `dgrl` command, killed or on a full disk; it returns exit code and error lines."""
    program = subprocess.Popen(
        [sys.executable, "-m", "tests.helpers.killed_writing"],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdin is not None
    assert program.stdout is not None

    def ask(*arguments: object, **settings: object) -> tuple[int, list[str]]:
        program.stdin.write(json.dumps({"arguments": [str(word) for word in arguments], **settings}) + "\n")
        program.stdin.flush()
        answer = json.loads(program.stdout.readline())
        return answer["code"], answer["errors"].splitlines()

    yield ask
    program.communicate(timeout=60)


@pytest.fixture(scope="module")
def detecting(tmp_path_factory) -> tuple[object, ...]:
    """Run `detect` on two photos with a tiny network."""
    folder = tmp_path_factory.mktemp("detecting")
    filled(DGRL(TINY)).save_pretrained(folder / "tiny")
    for seed, name in enumerate(("a.jpg", "b.jpg")):
        Image.fromarray(draw_photo(seed=seed)[0]).save(folder / name)
    settings = ("--weights", folder / "tiny", "--steps", 0, "--device", "cpu", "--precision", "fp32", "--cutout")
    return "detect", folder / "a.jpg", folder / "b.jpg", *settings


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


@pytest.mark.slow
def test_detect_killed_while_it_writes(run, detecting, tmp_path):
    out = tmp_path / "out"
    expected = []
    for moves, whole in enumerate((["a.png"], ["a.png", "a_cutout.png"], ["a.png", "a_cutout.png", "b.png"])):
        # In the midst of a file; and when it is whole, but not yet in its place.
        code, _ = run(*detecting, "-o", out, moves=moves)
        assert code == -signal.SIGKILL
        assert names(out) == expected
        expected = whole
    code, _ = run(*detecting, "-o", tmp_path / "cut", room=700, kill=True)
    assert code == -signal.SIGXFSZ
    assert names(tmp_path / "cut") == []
    (left,) = (tmp_path / "cut").iterdir()
    assert left.stat().st_size == 700
    assert left.match(PARTIAL.format("*"))

    # The next command does not take the partial file of a killed one for a picture, and deletes it once it is old.
    refused = []
    assert find_photos([tmp_path / "cut"], refused.append) == []
    assert "no pictures in this folder" in str(refused[0])
    hour_ago = time.time() - STALE_SECONDS - 1
    for path in (left, *out.glob(".*")):
        os.utime(path, (hour_ago, hour_ago))
    for folder in (out, tmp_path / "cut"):
        assert run(*detecting, "-o", folder) == (0, [])
        assert sorted(path.name for path in folder.iterdir()) == ["a.png", "a_cutout.png", "b.png", "b_cutout.png"]


def test_detect_skips_files_that_another_run_is_writing(run, detecting, tmp_path):
    other = tmp_path / PARTIAL.format(1)
    other.write_bytes(b"half")
    assert run(*detecting, "-o", tmp_path) == (0, [])
    assert other.read_bytes() == b"half"


def test_a_full_disk_keeps_existing_results_of_detect(run, detecting, tmp_path):
    before = Image.fromarray(np.full((9, 9), 7, np.uint8))
    before.save(tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    code, errors = run(*detecting, "-o", tmp_path, room=700)
    assert code == 1
    assert errors == [f"dgrl: {tmp_path / 'a.png'}: it cannot be written (File too large)"]
    assert (tmp_path / "a.png").read_bytes() == whole
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.fixture(scope="module")
def importing(tmp_path_factory) -> tuple[object, ...]:
    """Run `import-caffe` on a narrow network."""
    folder = tmp_path_factory.mktemp("importing")
    write_model(folder / "rln.caffemodel", rln_network(NARROW))
    write_model(folder / "brn.caffemodel", brn_network())
    return "import-caffe", folder / "rln.caffemodel", folder / "brn.caffemodel"


@pytest.fixture
def earlier(tmp_path) -> Path:
    """Write a checkpoint at the place where another one will be imported."""
    filled(DGRL(TINY)).save_pretrained(tmp_path / "earlier")
    return tmp_path / "earlier"


@pytest.mark.slow
def test_import_killed_while_it_writes(run, importing, earlier, tmp_path, monkeypatch):
    monkeypatch.setattr(dgrl.network.backbone, "caffe_resnet50", partial(caffe_resnet50, width=NARROW.width))
    files = {path.name: path.read_bytes() for path in earlier.iterdir()}
    assert run(*importing, earlier, room=100_000, kill=True)[0] == -signal.SIGXFSZ
    assert run(*importing, earlier, moves=0)[0] == -signal.SIGKILL
    assert {path.name: path.read_bytes() for path in earlier.iterdir() if path.is_file()} == files
    assert DGRL.from_pretrained(earlier).config == TINY
    # From the first of the three moves into the folder on it is no checkpoint, until the last.
    for moves in (1, 2, 3):
        assert run(*importing, earlier, moves=moves)[0] == -signal.SIGKILL
        with pytest.raises(CheckpointError, match=r"it has no config\.json"):
            DGRL.from_pretrained(earlier)
    assert run(*importing, earlier) == (0, [])
    assert DGRL.from_pretrained(earlier).config == DGRLConfig.published()
    assert sorted(path.name for path in earlier.iterdir()) == sorted(files)
    assert "rln.caffemodel" in (earlier / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("room", [300, 100_000])
def test_a_full_disk_keeps_the_existing_import(run, importing, earlier, tmp_path, room):
    files = {path.name: path.read_bytes() for path in earlier.iterdir()}
    code, errors = run(*importing, earlier, room=room)
    assert code == 1
    (line,) = errors
    assert line.startswith(f"dgrl: {earlier}")
    assert "File too large" in line
    assert {path.name: path.read_bytes() for path in earlier.iterdir()} == files
    assert run(*importing, tmp_path / "new", room=room)[0] == 1
    assert not (tmp_path / "new").exists()
