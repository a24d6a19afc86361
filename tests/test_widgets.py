"""The notebook explorer, driven from Python: what its controls show, and the numbers that it prints."""

import base64
import html
import io
import re
import time
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from dgrl import DGRL, Trace, figures
from dgrl.widgets import CHOICES, Explorer, Panel, explore
from tests.helpers.networks import TINY, draw_photo, filled


@pytest.fixture(scope="module")
def trace() -> Trace:
    return filled(DGRL(TINY)).trace(draw_photo(120, 200)[0])


@pytest.fixture(scope="module")
def bare() -> Trace:
    """Of a network with one pass, 3×3 kernels and no CWM; another photo."""
    return filled(DGRL(replace(TINY, steps=0, context=False, kernel_size=3))).trace(draw_photo(90, 60, seed=1)[0])


def picture(panel: Panel) -> NDArray[np.uint8]:
    """What a panel shows, (H, W, 3)."""
    data = re.search(r'src="data:image/png;base64,([^"]+)"', panel.picture.value)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data.group(1)))).convert("RGB"))


def numbers(panel: Panel, table: int) -> list[str]:
    """The cells of one of a panel's tables, row by row."""
    tables = re.findall(r"<table.*?</table>", panel.numbers.value)
    return re.findall(r"<td[^>]*>(.*?)</td>", tables[table])


def test_the_controls_choose_the_map(trace: Trace) -> None:
    explorer = explore(trace)
    panel = explorer.panels[0]
    explorer.opacity.value = 1.0
    photo = figures.fit(trace.photo, max(picture(panel).shape))
    for kind in CHOICES:
        for t in (0, 1, 2):
            explorer.kind.value, explorer.step.value = kind, t
            layer = figures.layer(trace, t, kind)
            expected = layer.over(photo, 1.0) if layer else figures.pale(photo)
            same = (picture(panel) == expected).all(2).mean()
            assert same > 0.98, f"{kind} at t = {t}"  # all but the ring
            assert (layer.label if layer else f"There is no {kind} at t = {t}") in html.unescape(panel.picture.value)


def test_opacity_zero_is_the_photo(trace: Trace) -> None:
    explorer = explore(trace)
    explorer.opacity.value = 0.0
    shown = picture(explorer.panels[0])
    grey = figures.overlay(figures.fit(trace.photo, max(shown.shape)), shown, 0.0)
    assert (shown == grey).all(2).mean() > 0.98


def test_the_sliders_choose_the_pixel(trace: Trace) -> None:
    explorer = explore(trace)
    explorer.x.value, explorer.y.value = 70, 40
    panel, pixel = explorer.panels[0], trace.pixel(70, 40)
    assert "At column 70, row 40 of the photo" in panel.numbers.value
    assert numbers(panel, 1) == [figures.number(value) for value in pixel.coefficients.ravel()]
    assert numbers(panel, 2) == [figures.number(value) for value in pixel.neighbours.ravel()]
    assert numbers(panel, 3) == [figures.number(value) for value in pixel.foreground_products.ravel()]
    assert numbers(panel, 4) == [figures.number(value) for value in pixel.background_products.ravel()]
    assert f"= {pixel.refined:.4f}</strong>" in panel.numbers.value
    prediction = figures.layer(trace, 1, figures.PREDICTION).at(70.5 / 200, 40.5 / 120)
    assert numbers(panel, 0)[5 + 3] == f"{prediction:.3f}"  # second row, fourth kind


@pytest.mark.parametrize(
    ("click", "pixel"),
    {
        "0.5 0.25 1700000000000": (100, 30),
        "0 0 1": (0, 0),
        "1 1 1": (199, 119),  # the picture's last edge
        "-0.01 1.02 1": (0, 119),
    }.items(),
)
def test_a_click_chooses_the_pixel(trace: Trace, click: str, pixel: tuple[int, int]) -> None:
    explorer = explore(trace)
    shown: list[str] = []
    explorer.panels[0].numbers.observe(lambda change: shown.append(change["new"]), "value")
    explorer.widget.children[-1].value = click
    assert (explorer.x.value, explorer.y.value) == pixel
    assert len(shown) == 1, "a click moves two sliders, but is one change of the picture"
    assert f"At column {pixel[0]}, row {pixel[1]} " in shown[0]


@pytest.mark.parametrize("text", ["", "here", "0.5", "nan 0.5 1", "0.5 inf 1"])
def test_what_is_no_click_changes_nothing(trace: Trace, text: str) -> None:
    explorer = explore(trace)
    before = (explorer.x.value, explorer.y.value)
    explorer.widget.children[-1].value = text
    assert (explorer.x.value, explorer.y.value) == before


def test_two_passes_side_by_side(trace: Trace, bare: Trace) -> None:
    explorer = explore(trace, bare, names=("with <CWM>", "without"))
    one, two = explorer.panels
    assert "with &lt;CWM&gt;" in one.picture.value
    explorer.x.value, explorer.y.value = 100, 30  # of the first photo, 200×120; the second is 60×90
    assert "At column 100, row 30 " in one.numbers.value
    assert "At column 30, row 22 " in two.numbers.value
    assert numbers(two, 1) == [figures.number(value) for value in bare.pixel(30, 22).coefficients.ravel()]
    explorer.kind.value, explorer.step.value = "conv3", 2
    assert "There is no conv3 at t = 0" in two.picture.value  # its last step, and it has no CWM
    explorer.kind.value = figures.REFINEMENT
    scales = [re.search(r'class="legend"><span>(.*?)</span>', panel.picture.value).group(1) for panel in (one, two)]
    limit = max(np.abs(found.refined - found.prior).max() for found in (trace, bare))
    assert scales == [figures.number(-limit)] * 2


def test_two_passes_need_two_names(trace: Trace) -> None:
    with pytest.raises(ValueError, match="'a' twice"):
        explore(trace, trace, names=("a", "a"))


def test_where_no_widget_runs_there_is_a_picture(trace: Trace, bare: Trace) -> None:
    for explorer in (explore(trace), explore(trace, bare)):
        bundle = explorer._repr_mimebundle_()
        view = bundle["application/vnd.jupyter.widget-view+json"]
        assert view["model_id"] == explorer.widget.model_id
        with Image.open(io.BytesIO(base64.b64decode(bundle["image/jpeg"]))) as image:
            assert image.width > 600
            assert np.asarray(image).std() > 20


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (700, 2)])
def test_odd_pictures(shape: tuple[int, int]) -> None:
    explorer = explore(filled(DGRL(TINY)).trace(np.full((*shape, 3), 100, np.uint8), steps=0))
    assert explorer.step.disabled  # a single step: nothing to choose
    explorer.widget.children[-1].value = "0.999 0.999 1"
    assert (explorer.y.value, explorer.x.value) == (shape[0] - 1, shape[1] - 1)


def test_a_redraw_is_quick(trace: Trace) -> None:
    big = np.asarray(Image.fromarray(trace.photo).resize((2000, 1200)))
    sized = {name: figures.resize_map(trace.taps[name], 480, 480) for name in ("brn.prior", "brn.refined")}
    kernels = np.stack([figures.resize_map(values, 480, 480) for values in trace.coefficients])
    explorer: Explorer = explore(Trace(big, trace.saliency, {**trace.taps, **sized, "brn.coefficients": kernels}))
    explorer.step.value = 0
    start = time.process_time()
    for value in range(10):
        explorer.x.value = 900 + value
    assert (time.process_time() - start) / 10 < 0.2
