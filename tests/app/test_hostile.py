"""Hostile files as photo, mask and painting: the app returns the right result, or one sentence."""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from dgrl import DGRL
from dgrl.app.files import session_files
from dgrl.app.passes import MAX_PIXELS
from dgrl.images import ImageError, read_photo, to_grey
from tests.app.conftest import Served
from tests.helpers import hostile

PATIENCE = 10
FOLDER = Path(os.environ["GRADIO_TEMP_DIR"])
VALID = [  # one file of each kind that is a valid picture
    "mode_CMYK.jpg", "mode_LAB.tif", "mode_LA.png", "mode_I16.png", "mode_F.tif", "palette_alpha.png", "turned6.jpg",
    "reallyheic.jpg", "mode_RGBA.heic", "long_text.png", "profile_wide_RGBA.png",
    "bad_exif.jpg", "moving.gif", "bad_profile.png", "comment.jpg", "line1x1.png", "line1x5000.png", "good_link.png",
    "reallywebp.jpg", "appended.jp2", "a'b\"c;$(id)`id`.png", "ünïcödé 漢字 🐈.png",
]  # fmt: skip
REFUSED = [  # one file of each kind that is not
    "cut0.02.jpg", "cut0.3.png", "cut0.1.gif", "cut0.1.webp", "cut0.1.jp2", "cut0.1.avif", "cut0.1.tif", "bomb.png",
    "huge.bmp", "huge.gif", "long.ppm", "less_than_it_says.png", "empty0x5.png", "zip.jpg", "tar.png", "empty.jpg",
    "zeros.png", "random.jpg", "pickle.png", "script.jpg", "html.png", "pdf.jpg", "svg.png", "eps.jpg", "npy.png",
    "wmf.jpg", "new\nline_.jpg", "x" * 200 + "_.jpg",
]  # fmt: skip


pytestmark = pytest.mark.filterwarnings("ignore")  # Pillow's, of damaged files


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {path.name: path for path in hostile.corpus(tmp_path_factory.mktemp("hostile") / "pictures")}


def call(client: Client, endpoint: str, *arguments: Any) -> Any:
    start = time.monotonic()
    try:
        return client.predict(*arguments, api_name=endpoint)
    finally:
        assert time.monotonic() - start < PATIENCE


def reason(path: Path) -> str:
    """Return the library's message about a picture."""
    with pytest.raises(ImageError) as refusal:
        read_photo(path, MAX_PIXELS, reduce=True)
    return str(refusal.value).removeprefix(f"{path}: ")


def check_sentence(error: AppError, expected: str, folder: Path) -> None:
    text = str(error)
    assert text.endswith(expected)
    assert "\n" not in text.strip()
    for inside in ("Traceback", str(folder), str(FOLDER), 'File "'):
        assert inside not in text


@pytest.mark.parametrize("name", VALID)
def test_valid_pictures_get_a_map(client: Client, network: DGRL, files: dict[str, Path], name: str) -> None:
    saliency, *_ = call(client, "/detect", handle_file(files[name]), "tiny", 0, False)
    with Image.open(saliency) as result:
        np.testing.assert_array_equal(np.asarray(result), np.asarray(to_grey(network.detect(files[name], 0))))


def test_invalid_pictures_get_one_sentence(
    client: Client, files: dict[str, Path], photo_files: dict[str, Path]
) -> None:
    """Send each file as the photo of each endpoint, as the mask and as the painting."""
    sound = handle_file(photo_files["wide"])
    paint = [{"kind": "paint", "level": "conv4"}]
    requests: list[tuple[str, Any]] = [
        ("/detect", lambda bad: (bad, "tiny", 0)),
        ("/localise", lambda bad: (bad, "tiny", 0)),
        ("/refine", lambda bad: (bad, "tiny", 0)),
        ("/pixel", lambda bad: (bad, 5, 5)),
        ("/attribute", lambda bad: (bad, "pixel", 5, 5)),
        ("/report", lambda bad: (bad, "tiny", 0)),
        ("/measure", lambda bad: (bad, sound)),
        ("/measure", lambda bad: (sound, bad)),
        ("/what_if", lambda bad: (bad,)),
        ("/what_if", lambda bad: (sound, paint, -1, "tiny", 0, None, bad)),
        ("/what_if", lambda bad: (sound, None, -1, "tiny", 0, bad, None)),
    ]
    for number, name in enumerate(REFUSED):
        endpoint, arguments = requests[number % len(requests)]
        with pytest.raises(AppError) as refusal:
            call(client, endpoint, *arguments(handle_file(files[name])))
        check_sentence(refusal.value, reason(files[name]), files[name].parent)


@pytest.fixture(scope="module", autouse=True)
def earlier_files(served: Served) -> set[Path]:
    """Return the files that other tests have sent, because they may not be pictures."""
    return set(session_files().folder.rglob("*"))


def test_no_file_is_incomplete(client: Client, files: dict[str, Path], earlier_files: set[Path]) -> None:
    """Every file that the app knows is a complete upload or a complete result."""
    for steps in range(3):  # by itself: tests run in any order
        call(client, "/detect", handle_file(files["turned3.jpg"]), "tiny", steps)
    sent = {path.read_bytes() for path in files.values() if path.is_file() and path.name in (*VALID, *REFUSED)}
    results = 0
    session_folder = session_files()
    for path in set(session_folder.folder.rglob("*")) - earlier_files:
        if session_folder.knows(str(path)) and path.read_bytes() not in sent and path.suffix in (".png", ".jpeg"):
            with Image.open(path) as result:
                result.load()
            results += 1
    assert results > 2
