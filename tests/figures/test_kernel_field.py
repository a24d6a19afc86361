"""The kernels at a glance: numbers for kernels that are known, and where arrows stand."""

import numpy as np
import pytest
from numpy.typing import NDArray

from dgrl import Trace
from dgrl.figures import SIGNED, SPREAD
from dgrl.figures.kernels import APART, Arrows, edge_arrows, kernel_scale

SIZE = 80
PHOTO = np.full((160, 240, 3), 90, np.uint8)


def half() -> NDArray[np.float32]:
    """Return a map whose right half is salient."""
    prior = np.zeros((SIZE, SIZE), np.float32)
    prior[:, SIZE // 2 :] = 1
    return prior


def field_of(kernel: NDArray[np.floating], prior: NDArray[np.float32] | None = None) -> Trace:
    """Return a trace in which every pixel has the same kernel (5, 5)."""
    prior = half() if prior is None else prior
    coefficients = np.broadcast_to(kernel.reshape(25, 1, 1), (25, SIZE, SIZE)).astype(np.float32)
    taps = {"brn.prior": prior, "brn.coefficients": coefficients, "brn.refined": prior}
    return Trace(PHOTO, np.zeros(PHOTO.shape[:2], np.float32), taps)


def at(*places: tuple[int, int, float]) -> NDArray[np.float64]:
    """Return a kernel (5, 5) that is 0 except at places (right, down, coefficient)."""
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


def test_without_an_edge_there_are_no_arrows() -> None:
    arrows = edge_arrows(field_of(np.ones((5, 5)), np.full((SIZE, SIZE), 0.5, np.float32)))
    assert len(arrows.x) == arrows.longest == 0


@pytest.mark.parametrize(
    ("usual", "unit"), [(0, 0.001), (0.004, 0.005), (0.02, 0.02), (0.21, 0.5), (1, 1), (1.3, 2), (2.8, 5)]
)
def test_the_arrows_scale_is_a_round_number_long_for_most(usual: float, unit: float) -> None:
    shift = np.array([*[usual / 2] * 4, *[usual] * 6, 10 * usual], np.float32)  # one of eleven sticks out
    arrows = Arrows(np.arange(11), np.arange(11), shift * 0, shift)
    assert arrows.unit == pytest.approx(unit)


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
