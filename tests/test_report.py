"""The report of one trace: complete, self-contained, true to the numbers."""

import base64
import io
import re
from html import escape
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from dgrl import DGRLConfig, Trace
from dgrl.model import DGRL
from dgrl.report import found, map_pictures, report_html, write_report
from tests.helpers.networks import TINY, filled

VOID = {"meta", "img", "br", "link"}


@pytest.fixture(scope="module")
def trace():
    picture = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    return filled(DGRL(TINY)).trace(picture)


@pytest.fixture(scope="module")
def page(trace):
    return report_html(trace, {"photo": "<b>cat & dog</b>.jpg", "checkpoint": "tiny"})


class Reader(HTMLParser):
    """Collects tags and attributes, and checks that tags close in order."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.open = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_page_is_whole_and_self_contained(page):
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    assert "{{" not in page.split("<script")[0]
    addresses = [value for name, value in reader.attributes if name in ("src", "href")]
    assert len(addresses) == 1 + 3 + 1  # no icon, three pictures, the kernels at a glance
    assert all(address.startswith("data:") for address in addresses)
    markup = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r"url\(|@import|https?://", markup)
    assert "<b>cat" not in page
    assert "&lt;b&gt;cat &amp; dog" in page


def test_pictures_in_the_page_are_pictures(page):
    for kind, data in re.findall(r"image/(png|webp);base64,([^\"]+)", page):
        with Image.open(io.BytesIO(base64.b64decode(data))) as image:
            assert image.format == kind.upper()
            assert min(image.size) > 30
    assert page.count('alt="') == page.count("<img") == 4


def test_page_says_what_was_found_and_of_which_pixels(page, trace):
    assert escape(found(trace)) in page
    for pixel in trace.most_changed():
        assert f"Pixel ({pixel.x}, {pixel.y}): {pixel.prior:.3f} before, {pixel.refined:.3f} after" in page
    assert "Contextual Weighting Module" in page
    assert "tiny</td>" in page


def test_the_result_is_described(trace):
    saliency = np.zeros((50, 70), np.float32)
    assert "No object" in found(Trace(trace.photo, saliency, trace.taps))
    saliency[10:20, 30:35] = 0.9
    text = found(Trace(trace.photo, saliency, trace.taps))
    assert "covers 1 % of the photo" in text
    assert "from column 30 to 34 and from row 10 to 19" in text


def test_map_pictures(trace):
    pictures = map_pictures(trace)
    for t in range(3):
        assert f"rln.t{t}.saliency" in pictures
        assert all(f"rln.t{t}.conv{k}.weight_map" in pictures for k in (3, 4, 5))
    assert {"brn.prior", "brn.refined", "brn.kernel_centre", "brn.kernel_spread"} <= pictures.keys()
    assert all(picture.shape == (50, 70, 3) and picture.dtype == np.uint8 for picture in pictures.values())
    grey = pictures["brn.refined"][:, :, 0].astype(float)
    assert abs(grey.mean() - 255 * trace.refined.mean()) < 3


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 2)])
@pytest.mark.slow
def test_strange_photos(tmp_path, shape):
    trace = filled(DGRL(TINY)).trace(np.zeros((*shape, 3), np.uint8), steps=0)
    write_report(trace, tmp_path, {"photo": "strip"})
    assert (tmp_path / "report.html").stat().st_size > 10_000
    with Image.open(tmp_path / "saliency.png") as image:
        assert image.size == shape[::-1]
    assert Trace.load(tmp_path / "trace.npz").photo.shape == (*shape, 3)


def test_without_weight_maps(tmp_path):
    config = DGRLConfig(**{**vars(TINY), "context": False, "steps": 1})
    trace = filled(DGRL(config)).trace(np.zeros((20, 20, 3), np.uint8))
    write_report(trace, tmp_path, {})
    assert not list(tmp_path.glob("maps/*weight_map*"))
    assert "A photo" in (tmp_path / "report.html").read_text(encoding="utf-8")
