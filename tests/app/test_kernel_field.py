"""The kernels at a glance and one kernel close up: numbers for kernels that are known, and what is drawn of them."""

import re
import time
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from numpy.typing import NDArray
from PIL import Image

from dgrl import Trace
from dgrl.app.one_pixel import explanation, in_words, place
from dgrl.app.refine import arrows_legend
from dgrl.figures import SIGNED, SPREAD, number
from dgrl.figures.kernels import APART, INK, LENGTH, Arrows, arrow_picture, edge_arrows, kernel_scale, surroundings

SIZE = 80
PHOTO = np.full((160, 240, 3), 90, np.uint8)


def half() -> NDArray[np.float32]:
    """A map whose right half is salient."""
    prior = np.zeros((SIZE, SIZE), np.float32)
    prior[:, SIZE // 2 :] = 1
    return prior


def field_of(kernel: NDArray[np.floating], prior: NDArray[np.float32] | None = None) -> Trace:
    """A trace in which every pixel has the same kernel (5, 5)."""
    prior = half() if prior is None else prior
    coefficients = np.broadcast_to(kernel.reshape(25, 1, 1), (25, SIZE, SIZE)).astype(np.float32)
    taps = {"brn.prior": prior, "brn.coefficients": coefficients, "brn.refined": prior}
    return Trace(PHOTO, np.zeros(PHOTO.shape[:2], np.float32), taps)


def at(*places: tuple[int, int, float]) -> NDArray[np.float64]:
    """A kernel (5, 5) of 0 except at places (right, down, coefficient)."""
    kernel = np.zeros((5, 5))
    for right, down, value in places:
        kernel[2 + down, 2 + right] = value
    return kernel


@pytest.mark.parametrize("value", [1, 0.01, -3])
@pytest.mark.parametrize(("right", "down"), [(-1, 0), (1, 0), (0, -2), (2, 1)])
def test_kernels_that_draw_from_one_neighbour_point_to_it(right: int, down: int, value: float) -> None:
    trace = field_of(at((right, down, value)))
    arrows = edge_arrows(trace)
    assert len(arrows.x) >= 3
    np.testing.assert_allclose(arrows.shift_x, right, atol=1e-6)
    np.testing.assert_allclose(arrows.shift_y, down, atol=1e-6)
    np.testing.assert_allclose(arrows.lengths, np.hypot(right, down), rtol=1e-6)
    np.testing.assert_allclose(trace.kernel_field.spread, np.hypot(right, down), rtol=1e-6)
    np.testing.assert_allclose(trace.kernel_field.centre, 0)


@pytest.mark.parametrize(
    ("kernel", "centre", "spread", "shift"),
    [
        (at((0, 0, 2)), 2, 0, (0, 0)),
        (np.ones((5, 5)), 1, 2, (0, 0)),
        (at((0, 0, 3), (2, 0, 1)), 3, 1, (0.5, 0)),
        (at((0, 0, 3), (2, 0, -1)), 3, 1, (0.5, 0)),  # where it looks, whichever way it votes
        (at((-2, 0, 1), (2, 0, 1)), 0, 2, (0, 0)),
        (np.zeros((5, 5)), 0, 0, (0, 0)),
    ],
    ids=["itself", "all alike", "itself and one", "a contrary vote", "both sides", "nothing"],
)
def test_moments_of_known_kernels(
    kernel: NDArray[np.float64], centre: float, spread: float, shift: tuple[float, float]
) -> None:
    field = field_of(kernel).kernel_field
    for values, expected in zip(
        (field.centre, field.spread, field.shift_x, field.shift_y), (centre, spread, *shift), strict=True
    ):
        np.testing.assert_allclose(values, expected, atol=1e-6)


def test_the_picture_draws_arrows_to_the_left_as_long_as_the_key() -> None:
    picture, arrows = arrow_picture(field_of(at((-1, 0, 1))), PHOTO)
    assert arrows.unit == 1
    ink = (picture == INK).all(2)
    x, y = int((arrows.x[0] + 0.5) * 3), int((arrows.y[0] + 0.5) * 2)  # the photo is 3 and 2 times the map's size
    length = 3 * LENGTH
    row = ink[y - 1 : y + 2].any(0)
    assert row[x - length + 2 : x].all()
    assert not row[: x - length - 3].any()
    assert not row[x + 3 :].any()
    key = ink[-20:, : length + 20]
    assert key.any(), "no key in the corner"


def test_arrows_keep_apart_and_stand_on_edges_of_either_map() -> None:
    y, x = np.mgrid[:SIZE, :SIZE]
    disc = (np.hypot(x - 40, y - 40) < 25).astype(np.float32)
    empty = np.zeros_like(disc)
    for prior, refined in ((disc, empty), (empty, disc)):
        trace = field_of(np.ones((5, 5)), prior)
        arrows = edge_arrows(Trace(PHOTO, trace.saliency, {**trace.taps, "brn.refined": refined}))
        assert len(arrows.x) >= 6
        assert (np.abs(np.hypot(arrows.x - 40, arrows.y - 40) - 25) <= 3).all()
        distances = np.hypot(np.subtract.outer(arrows.x, arrows.x), np.subtract.outer(arrows.y, arrows.y))
        assert distances[~np.eye(len(distances), dtype=bool)].min() >= APART


def test_without_an_edge_there_are_no_arrows_and_no_key() -> None:
    picture, arrows = arrow_picture(field_of(np.ones((5, 5)), np.full((SIZE, SIZE), 0.5, np.float32)), PHOTO)
    assert len(arrows.x) == arrows.longest == 0
    assert not (picture == INK).all(2).any()
    assert arrows_legend(arrows) == "The map has no edge, so there are no arrows."


@pytest.mark.parametrize(
    ("usual", "unit"), [(0, 0.001), (0.004, 0.005), (0.02, 0.02), (0.21, 0.5), (1, 1), (1.3, 2), (2.8, 5)]
)
def test_the_arrows_scale_is_a_round_number_long_for_most(usual: float, unit: float) -> None:
    shift = np.array([*[usual / 2] * 4, *[usual] * 6, 10 * usual], np.float32)  # one of eleven sticks out
    arrows = Arrows(np.arange(11), np.arange(11), shift * 0, shift)
    assert arrows.unit == pytest.approx(unit)
    assert f"means {unit:g} pixels" in arrows_legend(arrows)


def test_a_scale_fits_its_map() -> None:
    ramp = np.linspace(1, 2, 10_001)
    scale = kernel_scale(ramp)
    assert (scale.low, scale.high, scale.colour_map) == (pytest.approx(1.01), pytest.approx(1.99), SPREAD)
    both = kernel_scale(ramp - 1.25)
    assert (both.low, both.high, both.colour_map) == (pytest.approx(-0.74), pytest.approx(0.74), SIGNED)
    alike = kernel_scale(np.full(100, 1.2))
    assert (alike.low, alike.high) == (pytest.approx(1.175), pytest.approx(1.225))
    drawn = alike.over(PHOTO, np.full((SIZE, SIZE), 1.2))
    assert drawn.shape == PHOTO.shape


def test_close_ups_show_the_maps_around_the_pixel(wide_trace: Trace) -> None:
    pixel = wide_trace.pixel(100, 60)
    around = surroundings(wide_trace, pixel, enlarged=16)
    assert around.photo.shape == around.prior.shape == around.refined.shape == (240, 240, 3)
    for picture, values in ((around.prior, wide_trace.prior), (around.refined, wide_trace.refined)):
        cells = picture[8::16, 8::16, 0]
        window = values[pixel.row - 7 : pixel.row + 8, pixel.column - 7 : pixel.column + 8]
        np.testing.assert_allclose(cells / 255, window, atol=0.008)  # 8 bits
    row, column = int((pixel.row + 3.5) * 120 / 80), int((pixel.column - 4.5) * 200 / 80)
    np.testing.assert_array_equal(around.photo[8 + 10 * 16, 8 + 2 * 16], wide_trace.photo[row, column])
    outline = around.photo[80, 80:160]  # the 5×5 window begins 5 cells from the corner
    assert (outline == 0).all()


@pytest.mark.parametrize(("x", "y"), [(0, 0), (199, 119), (0, 119)])
def test_close_ups_at_the_corners_say_what_is_outside(wide_trace: Trace, x: int, y: int) -> None:
    around = surroundings(wide_trace, wide_trace.pixel(x, y))
    outside = (8 if y == 0 else -8, 8 if x == 0 else -8)
    assert (around.photo[outside] == 127).all()
    assert (around.prior[outside] == 0).all()
    assert (around.refined[outside] == 127).all()


@pytest.mark.parametrize(("x", "y"), [(0, 0), (100, 60), (150, 31)])
def test_the_arithmetic_in_words_is_the_trace_s(wide_trace: Trace, x: int, y: int) -> None:
    pixel = wide_trace.pixel(x, y)
    said = [re.findall(r"-?\d+\.\d{4}", line) for line in in_words(pixel)]
    foreground, background, evidence, (shown, refined), (prior, change), strongest = (
        float(numbers[0]) if len(numbers) == 1 else tuple(map(float, numbers)) for numbers in said
    )
    assert foreground == pytest.approx((pixel.coefficients * pixel.neighbours).sum(), abs=1e-4)
    assert background == pytest.approx((pixel.coefficients * (1 - pixel.neighbours)).sum(), abs=1e-4)
    assert evidence == shown == pytest.approx(pixel.foreground - pixel.background, abs=1e-4)
    assert refined == pytest.approx(1 / (1 + np.exp(-evidence)), abs=1e-4)
    assert refined == pytest.approx(pixel.refined, abs=1e-4)
    assert (prior, change) == pytest.approx((pixel.prior, abs(pixel.refined - pixel.prior)), abs=1e-4)
    votes = pixel.coefficients * (2 * pixel.neighbours - 1)
    assert strongest == pytest.approx(votes.ravel()[np.abs(votes).argmax()], abs=1e-4)


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [
        (2, 2, "the pixel itself"),
        (0, 2, "the neighbour 2 up"),
        (3, 1, "the neighbour 1 to the left and 1 down"),
        (2, 4, "the neighbour 2 to the right"),
    ],
)
def test_a_place_of_the_window_in_words(row: int, column: int, words: str) -> None:
    assert place(row, column, 5) == words


def test_a_click_costs_little_and_the_field_is_computed_once(wide_trace: Trace) -> None:
    assert wide_trace.kernel_field is wide_trace.kernel_field
    start = time.thread_time()
    for x in range(20, 180, 40):
        explanation(wide_trace, wide_trace.pixel(x, 60))
    assert (time.thread_time() - start) / 4 < 0.1, "seconds of computing for each click"


def test_refine_gives_the_field_over_the_photo_with_its_scales(
    client: Client, photo_files: dict[str, Path], wide_trace: Trace
) -> None:
    given = client.predict(handle_file(photo_files["wide"]), "tiny", -1, api_name="/refine")
    texts = [value for value in given if isinstance(value, str)]
    files = {Path(text).stem: text for text in texts if text.endswith(".png")}
    assert {"centre", "spread", "arrows"} <= set(files)
    assert {Image.open(files[name]).size for name in ("centre", "spread", "arrows")} == {(800, 480)}
    for values in (wide_trace.kernel_field.centre, wide_trace.kernel_field.spread):
        scale = kernel_scale(values)
        ends = [text for text in texts if f"<span>{number(scale.low)}</span>" in text]
        assert any(f"<span>{number(scale.high)}</span>" in text and "percentile" in text for text in ends)
    arrows = edge_arrows(wide_trace)
    assert any(f"each of the {len(arrows.x)} arrows" in text for text in texts)
