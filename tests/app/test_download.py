"""The report's zip file: its numbers are the pass's, it needs no pickle, and no temporary files stay."""

import io
import re
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from dgrl import DGRL, Trace
from dgrl.images import to_grey
from dgrl.report import guide
from tests.app.conftest import Served, connect


@pytest.fixture(scope="module")
def downloaded(served: Served, photo_files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the zip file of the wide photo, with one time step."""
    temporary = tmp_path_factory.mktemp("temporary")
    client = connect(served.url)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(temporary))  # a folder for this test only
        path = client.predict(handle_file(photo_files["wide"]), "tiny", 1, api_name="/report")
    client.close()
    assert list(temporary.glob("dgrl-*")) == [], "temporary files stayed"
    return Path(path)


def test_the_zip_has_only_report_numbers_and_pngs(downloaded: Path) -> None:
    assert downloaded.name == "wide_dgrl.zip"
    with zipfile.ZipFile(downloaded) as packed:
        assert packed.testzip() is None
        names = packed.namelist()
        # No time of day: the same pass gives the same file, so that one copy is stored.
        assert {entry.date_time for entry in packed.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert {name.split("/")[0] for name in names} == {"wide_dgrl"}
    inside = {name.removeprefix("wide_dgrl/") for name in names}
    assert {
        "report.html",
        "README.txt",
        "trace.npz",
        "saliency.png",
        "cutout.png",
        "maps/rln.t1.conv4.weight_map.png",
    } <= inside
    assert {Path(name).suffix for name in inside} == {".html", ".txt", ".npz", ".png"}
    assert not any("t2" in name for name in inside)


def test_its_numbers_are_those_of_the_pass(downloaded: Path, network: DGRL, photo_files: dict[str, Path]) -> None:
    expected = network.trace(photo_files["wide"], steps=1)
    with zipfile.ZipFile(downloaded) as packed:
        numbers = io.BytesIO(packed.read("wide_dgrl/trace.npz"))
        saliency = Image.open(io.BytesIO(packed.read("wide_dgrl/saliency.png")))
        page = packed.read("wide_dgrl/report.html").decode()
        readme = packed.read("wide_dgrl/README.txt").decode()
    np.testing.assert_array_equal(np.asarray(saliency), np.asarray(to_grey(expected.saliency)))
    with np.load(numbers, allow_pickle=False) as arrays:
        assert set(arrays) == {"photo", "saliency", "about", *expected.taps}
        for name, values in expected.taps.items():
            np.testing.assert_allclose(arrays[name], values, atol=1e-5, err_msg=name)
        # Every key is documented, with its shape.
        for name in arrays:
            assert f"  {name} " in readme, name
        assert f"  {'brn.coefficients':<28}{'25×80×80':<14}" in readme
    assert "wide.png" in page
    # Look for "http://" and "https://", since "http" alone can occur in Base64.
    assert set(re.findall(r"https?://[^/\"]*", page)) <= {"http://www.w3.org", "https://github.com"}


def test_every_key_has_a_meaning(wide_trace: Trace) -> None:
    lines = guide(wide_trace).splitlines()
    assert "  rln.t2.conv5.feedback" in "\n".join(lines)
    assert any("into conv5 at time step 2" in line for line in lines)
    assert not any("{" in line for line in lines)


def test_without_a_photo_there_is_a_message(client: Client) -> None:
    with pytest.raises(AppError, match="Choose a photo first"):
        client.predict(None, "tiny", -1, api_name="/report")
