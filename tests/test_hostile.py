"""A hostile file never causes a traceback, a long wait, or an incomplete result."""

import re
import time
import warnings

import numpy as np
import pytest
from PIL import Image

from dgrl import DGRL, cli
from dgrl.caffe.format import CaffeError, read_layers
from dgrl.images import ImageError, read_image
from tests.helpers import hostile
from tests.helpers.networks import TINY, draw_photo, filled

PATIENCE = 10
SOUND = ("long_text", "mode_", "turned", "moving", "line", "profile", "palette", "comment", "good_link", "appended")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return hostile.corpus(tmp_path_factory.mktemp("hostile") / "pictures")


@pytest.fixture(scope="module")
def readable(files):
    """Return the files that can be read; each takes seconds, and each refusal is one sentence."""
    result, refusals = [], []
    for path in files:
        start = time.monotonic()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                picture = read_image(path)
        except ImageError as error:
            refusals.append((path, str(error)))
        else:
            assert picture.dtype == np.uint8
            assert picture.shape[2:] == (3,)
            result.append(path)
        assert time.monotonic() - start < PATIENCE, path
    for path, message in refusals:
        reason = message.removeprefix(f"{path}: ")
        assert reason != message, "it does not say which file"
        assert 5 < len(reason) < 200, reason
        assert "\n" not in reason
    return result


def test_every_file_gives_a_picture_or_a_sentence(files, readable):
    assert len(files) > 300
    assert 100 < len(readable) < len(files) - 100
    refused = {path.name for path in files} - {path.name for path in readable}
    assert not [name for name in refused if name.startswith(SOUND)]
    assert {f"{name}.jpg" for name in ("zip", "script", "html", "pickle", "svg", "pdf", "empty", "random")} < refused
    assert {"pipe.png", "device.png", "loop.png", "bomb.png", "bomb_of_text.png", "folder.png"} < refused


def test_pictures_are_read_by_content_not_by_suffix(files, readable):
    names = {path.name for path in readable}
    for ending in hostile.FORMATS:
        for other in (".jpg", ".png"):
            assert f"really{ending[1:]}{other}" in names


def test_orientations_are_followed(files):
    upright = np.asarray(hostile.photo())
    for path in files:
        if path.name.startswith("turned"):
            expected = (
                (60, 40) if path.name in ("turned5.jpg", "turned6.jpg", "turned7.jpg", "turned8.jpg") else (40, 60)
            )
            assert read_image(path).shape[:2] == expected
    for number, turned in ((3, upright[::-1, ::-1]), (6, np.rot90(upright, -1)), (8, np.rot90(upright))):
        result = read_image(next(path for path in files if path.name == f"turned{number}.jpg"))
        assert np.abs(result.astype(int) - turned).mean() < 12


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    filled(DGRL(TINY)).save_pretrained(folder)
    return str(folder)


def run(capsys, *arguments):
    code = cli.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out.splitlines(), err.splitlines()


def test_detect_does_the_rest(files, readable, checkpoint, tmp_path, capsys):
    """All of them in one command: a whole map for each that can be read, one line for each that cannot."""
    out = tmp_path / "out"
    code, _, err = run(capsys, "detect", *files, "-o", out, "--weights", checkpoint, "--steps", 0)
    assert code == 2
    same_file = 1  # the link and what it points to
    maps = list(out.iterdir())
    assert len(maps) == len(readable) - same_file
    first_frame = "it has several frames, and only the first was used; --video does all"
    notes = [line for line in err if line.endswith((first_frame, "nothing was found"))]
    assert any(line.endswith(first_frame) for line in notes)
    assert len(err) - len(notes) == len(files) - len(readable)
    assert all(line.startswith("dgrl: ") for line in err)
    for path in maps:
        with Image.open(path) as result:
            result.load()
            assert result.mode == "L"


def test_trace_refuses_in_one_line(files, readable, checkpoint, tmp_path, capsys):
    refused = [path for path in files if path not in readable]
    for path in refused[::12]:
        code, _, err = run(capsys, "trace", path, "-o", tmp_path / "trace", "--weights", checkpoint)
        assert code in (1, 2)
        assert len(err) == 1
        assert not (tmp_path / "trace").exists()


@pytest.fixture
def pairs(files, readable, tmp_path):
    """Write hostile pictures with masks and hostile masks with pictures, and ten sound pairs among them."""
    good = draw_photo(*hostile.SIZE)
    for number, path in enumerate(path for path in files if path.name[0] != "x"):
        for kind, sound in (("image", good[0]), ("mask", good[1])):
            (tmp_path / kind).mkdir(exist_ok=True)
            target = tmp_path / kind / f"{number:03d}{path.suffix}"
            if number % 2 == (kind == "mask") and path.is_file() and not path.is_symlink():
                target.write_bytes(path.read_bytes())
            else:
                Image.fromarray(sound).save(target.with_suffix(".png"))
    return "--images", tmp_path / "image", "--masks", tmp_path / "mask"


def test_train_and_evaluate_list_them_and_go_on(pairs, checkpoint, tmp_path, capsys):
    code, _, err = run(capsys, "train", *pairs, "--init", checkpoint, "--out", tmp_path / "run")
    assert code == 1
    assert not (tmp_path / "run").exists(), "a run that cannot start leaves nothing"
    assert re.match(r"dgrl: problems: \d{3};", err[0])
    assert 20 < len(err) < 100, "each kind is listed, not each file of each kind"
    quick = {"size": 64, "max-updates": 2, "batch-size": 2, "workers": 0, "pictures-every": 0, "steps": 0}
    options = [word for name, value in quick.items() for word in (f"--{name}", value)]
    code, _, _ = run(capsys, "train", *pairs, "--init", checkpoint, "--out", tmp_path / "run", "--skip-bad", *options)
    assert code == 0
    assert DGRL.from_pretrained(tmp_path / "run").config.steps == 0
    code, out, _ = run(
        capsys, "evaluate", *pairs, "--weights", checkpoint, "--skip-bad", "--steps", 0, "--no-refine", "--threads", 1
    )
    assert code == 2
    assert any(line.startswith("| t0 |") for line in out)


def test_other_files_are_not_caffe_models(files):
    for path in files:
        start = time.monotonic()
        with pytest.raises(CaffeError) as refusal:
            list(read_layers(path))
        reason = str(refusal.value).removeprefix(str(path))
        assert 5 < len(reason) < 200, reason
        assert "\n" not in reason
        assert time.monotonic() - start < PATIENCE, path


def test_import_caffe_refuses_in_one_line(files, tmp_path, capsys):
    links = [path for path in files if not path.is_file() or path.is_symlink()]
    for path in (*files[::40], *links):
        start = time.monotonic()
        code, out, err = run(capsys, "import-caffe", path, path, tmp_path / "out")
        assert (code, out, len(err)) == (2, [], 1)
        assert err[0].startswith("dgrl: ")
        assert time.monotonic() - start < PATIENCE, path
    assert not (tmp_path / "out").exists()
