"""Every picture of a trace: its size, its colours, its titles and units."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from dgrl import DGRL, Trace, figures
from tests.networks import TINY, filled

PAGES: dict[str, Callable[[Trace], Figure]] = {
    "weight_maps": figures.weight_maps,
    "time_steps": figures.time_steps,
    "refinement": figures.refinement,
    "kernel_field": figures.kernel_field,
    "kernel": lambda trace: figures.kernel(trace.pixel(70, 40)),
}


@pytest.fixture(scope="module")
def pages(wide_trace: Trace) -> dict[str, Figure]:
    return {name: draw(wide_trace) for name, draw in PAGES.items()}


def rasterise(figure: Figure, dpi: int) -> NDArray[np.uint8]:
    """The figure as pixels (H, W, 3)."""
    return np.asarray(Image.open(io.BytesIO(figures.png(figure, dpi))).convert("RGB"))


def words(figure: Figure) -> str:
    """All titles, labels and numbers of a figure."""
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
        "weight_maps": ["conv3", "conv4", "conv5", "t = 0", "t = 2", "weight (mean 1)"],
        "time_steps": ["t = 0", "t = 2", "t = 1 minus t = 0", "saliency", "change"],
        "refinement": ["before BRN", "after BRN", "after − before", "saliency", "change"],
        "kernel_field": ["centre coefficient", "spread", "pixels", "coefficient"],
        "kernel": ["coefficients v", "neighbours s", "foreground v · s", "background v · (1 − s)"],
    }.items(),
)
def test_a_page_says_what_it_shows_and_in_which_unit(pages: dict[str, Figure], name: str, expected: list[str]) -> None:
    text = words(pages[name])
    assert [word for word in expected if word not in text] == []


def test_the_kernel_page_prints_every_coefficient_and_the_result(wide_trace: Trace) -> None:
    pixel = wide_trace.pixel(70, 40)
    text = words(figures.kernel(pixel))
    for value in pixel.coefficients.ravel():
        assert figures.number(value) in text
    assert f"= {pixel.refined:.4f}" in text


def test_pages_of_one_pass_without_context_module(photo_files: dict[str, Path]) -> None:
    bare = filled(DGRL(replace(TINY, steps=0, context=False)))
    trace = bare.trace(photo_files["high"])
    assert "no Contextual Weighting Module" in words(figures.weight_maps(trace))
    assert "t = 0" in words(figures.time_steps(trace))


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


def test_arrows_stand_on_boundaries_and_point_as_the_kernels_do(wide_trace: Trace) -> None:
    size = wide_trace.prior.shape[0]
    prior = np.zeros((size, size), np.float32)
    prior[:, size // 2 :] = 1
    coefficients = np.zeros((25, size, size), np.float32)
    coefficients[14] = 1  # every pixel draws from two pixels to its right
    taps = {**wide_trace.taps, "brn.prior": prior, "brn.coefficients": coefficients}
    trace = Trace(wide_trace.photo, wide_trace.saliency, taps)
    arrows = figures.boundary_arrows(trace)
    assert len(arrows.x) > 3
    assert (np.abs(arrows.x - size / 2) <= 3).all()
    np.testing.assert_allclose(arrows.shift_x, 2)
    np.testing.assert_allclose(arrows.shift_y, 0)
    assert arrows.longest == 2


def test_no_boundary_no_arrows(wide_trace: Trace) -> None:
    flat = {**wide_trace.taps, "brn.prior": np.full_like(wide_trace.prior, 0.5)}
    trace = Trace(wide_trace.photo, wide_trace.saliency, flat)
    assert figures.boundary_arrows(trace).longest == 0
    assert rasterise(figures.kernel_field(trace), dpi=40).size > 0
