"""Every picture of the project: its size, its colours, its titles and units."""

import io
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from dgrl import DGRL, Trace, figures
from dgrl.attribution.attribute import Attribution
from dgrl.attribution.question import ObjectTarget
from dgrl.figures.attribution import attributions
from dgrl.figures.evaluation import precision_recall
from tests.helpers.networks import TINY, draw_photo, filled

PAGES: dict[str, Callable[[Trace], Figure]] = {
    "overview": figures.overview,
    "comparison": lambda trace: figures.comparison({"one": trace, "another": trace}),
    "weight_maps": figures.weight_maps,
    "time_steps": figures.time_steps,
    "refinement": figures.refinement,
    "kernel_field": figures.kernel_field,
    "kernel": lambda trace: figures.kernel(trace.pixel(70, 40)),
}


@pytest.fixture(scope="module")
def network() -> DGRL:
    return filled(DGRL(TINY))


@pytest.fixture(scope="module")
def trace(network: DGRL) -> Trace:
    return network.trace(draw_photo(120, 200)[0])


@pytest.fixture(scope="module")
def pages(trace: Trace) -> dict[str, Figure]:
    return {name: draw(trace) for name, draw in PAGES.items()}


def rasterise(figure: Figure, dpi: int) -> NDArray[np.uint8]:
    """Return the figure as pixels (H, W, 3)."""
    return np.asarray(Image.open(io.BytesIO(figures.png(figure, dpi))).convert("RGB"))


def words(figure: Figure) -> str:
    """Return all titles, labels and numbers of a figure."""
    texts = [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]
    return "\n".join(texts)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_drawn(pages: dict[str, Figure], name: str) -> None:
    picture = rasterise(pages[name], dpi=60)
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    assert picture.std() > 5  # not a blank page


@pytest.mark.parametrize(
    ("name", "expected"),
    {
        "overview": ["photo", "conv5", "t = 2", "prediction", "after BRN", "weight (mean 1)", "saliency"],
        "comparison": ["one", "another", "conv3", "after BRN", "weight (mean 1)"],
        "weight_maps": ["conv3", "conv4", "conv5", "t = 0", "t = 2", "weight (mean 1)"],
        "time_steps": ["t = 0", "t = 2", "t = 1 minus t = 0", "saliency", "change"],
        "refinement": ["before BRN", "after BRN", "after − before", "saliency", "change"],
        "kernel_field": ["centre coefficient", "spread", "pixels, root mean square", "draw from"],
        "kernel": ["coefficients v", "neighbours s", "foreground v · s", "background v · (1 − s)"],
    }.items(),
)
def test_a_page_says_what_it_shows_and_in_which_unit(pages: dict[str, Figure], name: str, expected: list[str]) -> None:
    text = words(pages[name])
    assert [word for word in expected if word not in text] == []


def test_the_kernel_page_prints_every_coefficient_and_the_result(trace: Trace) -> None:
    pixel = trace.pixel(70, 40)
    text = words(figures.kernel(pixel))
    for value in pixel.coefficients.ravel():
        assert figures.number(value) in text
    assert f"= {pixel.refined:.4f}" in text


def test_pages_of_one_pass_without_context_module() -> None:
    bare = filled(DGRL(replace(TINY, steps=0, context=False)))
    trace = bare.trace(draw_photo(210, 140)[0])
    assert "no Contextual Weighting Module" in words(figures.weight_maps(trace))
    assert "t = 0" in words(figures.time_steps(trace))
    assert "conv3" not in words(figures.overview(trace))


def test_a_comparison_of_unlike_passes(trace: Trace) -> None:
    bare = filled(DGRL(replace(TINY, steps=0, context=False, kernel_size=3))).trace(draw_photo(90, 60)[0])
    figure = figures.comparison({"with CWM": trace, "without": bare})
    drawn = [ax for ax in figure.axes if ax.get_images()]
    assert len(drawn) == (1 + 3 + 2) + (1 + 2)  # photo, weight maps, prediction and result; the second has no maps


def test_an_overview_shows_the_photo_first_and_the_result_last(pages: dict[str, Figure], trace: Trace) -> None:
    cells = np.array(pages["overview"].axes[:18]).reshape(3, 6)
    drawn = np.array([[bool(ax.get_images()) for ax in row] for row in cells])
    assert drawn[:, 0].tolist() == [True, False, False]
    assert drawn[:, 1:5].all()
    assert drawn[:, 5].tolist() == [False, False, True]
    shown = cells[2, 5].get_images()[0].get_array()
    expected = figures.colour(figures.resize_map(trace.refined, 120, 200), 0, 1)
    np.testing.assert_array_equal(shown, expected)


def test_side_by_side_takes_the_largest_value_for_its_scale(trace: Trace) -> None:
    maps = {"a": np.full((4, 4), 3.0), "b": np.full((4, 4), -7.0)}
    figure = figures.side_by_side([(trace.photo, maps)], low=-7, high=None, unit="energy")
    bar = figure.axes[-1]
    assert bar.get_xlim() == (-7, 7)
    assert bar.get_xlabel() == "energy"


def test_an_ablation_fills_the_best_of_each_metric() -> None:
    scores = {"T = 0": {"MAE": 0.06, "S": 0.8}, "T = 1": {"MAE": 0.05, "S": 0.9}, "T = 2": {"MAE": 0.07, "S": 0.85}}
    left, right = figures.ablation(scores, metrics=("MAE", "S")).axes
    for ax, expected in ((left, 0.05), (right, 0.9)):
        _, best = ax.get_lines()
        assert best.get_xdata().tolist() == [expected]
    assert [label.get_text() for label in left.get_yticklabels()] == list(scores)
    assert "0.0700" in words(left.figure)


def test_rows_of_pictures_are_in_line(pages: dict[str, Figure]) -> None:
    """A colour bar below some of the columns must not move their pictures."""
    for name in ("refinement", "kernel_field", "weight_maps"):
        axes = [ax for ax in pages[name].axes if ax.get_images()]
        heights = {round(ax.get_position(original=True).y0, 6) for ax in axes}
        assert len(heights) == (3 if name == "weight_maps" else 1), name


def test_text_stays_text_in_vector_files(pages: dict[str, Figure], tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    figures.save(pages["refinement"], tmp_path / "page.svg")
    figures.save(pages["refinement"], tmp_path / "page.pdf")
    assert dict(matplotlib.rcParams) == before, "a setting of the caller's was changed"
    drawing = (tmp_path / "page.svg").read_text(encoding="utf-8")
    assert ">before BRN (prior)</text>" in drawing
    document = (tmp_path / "page.pdf").read_bytes()
    assert document.startswith(b"%PDF")
    assert b"/FontFile2" in document  # the font itself, TrueType
    assert b"/Type3" not in document
    with pytest.raises(ValueError, match="xyz"):
        figures.save(pages["refinement"], tmp_path / "page.xyz")


def test_figures_do_not_use_pyplot(pages: dict[str, Figure]) -> None:
    from matplotlib import pyplot

    assert len(pages) == len(PAGES)
    assert pyplot.get_fignums() == []


@pytest.mark.parametrize("shape", [(1, 1), (3, 400)])
def test_pages_of_odd_pictures(network: DGRL, shape: tuple[int, int]) -> None:
    trace = network.trace(np.full((*shape, 3), 100, np.uint8))
    for draw in (figures.weight_maps, figures.time_steps, figures.refinement, figures.kernel_field):
        assert rasterise(draw(trace), dpi=40).size > 0


def test_zero_is_neutral_and_signs_are_told_apart() -> None:
    below, zero, above = figures.colour(np.array([[-1.0, 0.0, 1.0]]), -1, 1, figures.SIGNED)[0].astype(int)
    assert np.ptp(zero) <= 2
    assert zero.min() > 240
    assert below[2] > below[0]
    assert above[0] > above[2]


@pytest.mark.parametrize("colour_map", [figures.WEIGHTS, figures.SALIENCY, figures.SPREAD])
def test_sequential_maps_grow_lighter(colour_map: str) -> None:
    colours = figures.colour(np.linspace(0, 1, 64)[None], 0, 1, colour_map)[0]
    lightness = [figures.luminance(rgb) for rgb in colours]
    assert (np.diff(lightness) > -1e-9).all()
    assert lightness[-1] - lightness[0] > 0.5


def test_colour_clips_to_its_scale_and_bears_a_flat_one() -> None:
    values = np.array([[-5.0, 0.0, 1.0, 7.0]])
    colours = figures.colour(values, 0, 1, figures.SALIENCY)[0, :, 0]
    assert colours.tolist() == [0, 0, 255, 255]
    assert figures.colour(values * 0, 0, 0).shape == (1, 4, 3)


def test_overlay_runs_from_grey_photo_to_pure_colour() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (6, 7, 3), dtype=np.uint8)
    colours = figures.colour(np.linspace(0, 1, 42).reshape(6, 7), 0, 1, figures.WEIGHTS)
    np.testing.assert_array_equal(figures.overlay(photo, colours, 1.0), colours)
    assert (np.ptp(figures.overlay(photo, colours, 0.0), axis=2) == 0).all()


def test_aligned_resizing_keeps_the_corners() -> None:
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    resized = figures.resize_map(values, 30, 50, aligned=True)
    corners = resized[[0, 0, -1, -1], [0, -1, 0, -1]]
    np.testing.assert_allclose(corners, [0, 3, 8, 11], atol=1e-5)


def test_shrink_bounds_the_longer_side_only() -> None:
    assert figures.shrink(np.zeros((500, 2000, 3), np.uint8), 100).shape == (25, 100, 3)
    assert figures.shrink(np.zeros((5, 2000, 3), np.uint8), 100).shape == (1, 100, 3)
    small = np.zeros((5, 20, 3), np.uint8)
    assert figures.shrink(small, 100) is small


def test_a_mark_is_seen_on_black_and_on_white() -> None:
    for shade in (0, 255):
        picture = np.full((60, 80, 3), shade, np.uint8)
        marked = figures.mark(picture, 40, 30)
        assert (marked[20:41, 30:51] != shade).any()
        assert (marked[:, :20] == shade).all()
        assert (picture == shade).all()  # the original is left alone


def test_no_edge_no_arrows(trace: Trace) -> None:
    flat = dict.fromkeys(("brn.prior", "brn.refined"), np.full_like(trace.prior, 0.5))
    page = figures.kernel_field(Trace(trace.photo, trace.saliency, {**trace.taps, **flat}))
    assert rasterise(page, dpi=40).size > 0


def test_layers_have_the_values_of_the_trace(trace: Trace) -> None:
    prediction = figures.layer(trace, 1, figures.PREDICTION)
    height, width = trace.steps[1].saliency.shape
    assert prediction.at(40.5 / width, 30.5 / height) == pytest.approx(trace.steps[1].saliency[30, 40])
    weights = figures.layer(trace, 1, "conv4")
    assert weights.at(0, 0) == trace.steps[1].weight_maps["conv4"][0, 0]  # corner cells are on the corners
    assert weights.at(1, 1) == trace.steps[1].weight_maps["conv4"][-1, -1]
    change = figures.layer(trace, 2, figures.CHANGE)
    np.testing.assert_array_equal(change.values, trace.steps[2].saliency - trace.steps[1].saliency)
    assert figures.layer(trace, 0, figures.CHANGE) is None
    by_brn = figures.layer(trace, 0, figures.REFINEMENT)
    np.testing.assert_array_equal(by_brn.values, trace.refined - trace.prior)
    assert by_brn.high == -by_brn.low == np.abs(by_brn.values).max()


def test_precision_over_recall_ends_in_a_solid_line() -> None:
    steps = np.linspace(0, 1, 256)
    curves = {name: {"recall": steps, "precision": 1 - k * steps / 9} for k, name in enumerate("abcdef")}
    figure = precision_recall(curves)
    lines = figure.axes[0].lines
    for line, (name, curve) in zip(lines, curves.items(), strict=True):
        assert line.get_label() == name
        np.testing.assert_array_equal(line.get_ydata(), curve["precision"])
    assert len({str(line._dash_pattern) for line in lines}) == len(lines)  # told apart in grey
    assert len({line.get_color() for line in lines}) == len(lines)
    assert (lines[-1].get_color(), lines[-1].get_linestyle()) == ("black", "-")
    assert b"<svg" in figures.svg(figure)


def test_long_labels_of_colour_bars_touch_nothing(trace: Trace) -> None:
    result = Attribution(np.ones((96, 96), np.float32), (120, 200), ObjectTarget(), "occlusion", 1.0, 0.0, None, 0.0)
    figure = attributions(trace.photo, [result, result])
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    left, right = (ax.xaxis.label.get_window_extent(renderer) for ax in figure.axes if ax.get_xlabel())
    assert left.x1 < right.x0
    assert figure.texts[0].get_window_extent(renderer).y1 < left.y0, "the caption is below"


def test_importing_figures_brings_no_more_than_drawing_needs() -> None:
    more = ["matplotlib.pyplot", "captum", "py_sod_metrics", "ipywidgets", "gradio"]
    code = f"import sys, dgrl.figures; print([name for name in {more} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
