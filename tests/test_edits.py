"""Edits as values, what a painting does to a weight map, and two passes in numbers."""

import pickle
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from dgrl import DGRL, Edit, Trace
from dgrl.edits import read_edits
from dgrl.evaluation.comparison import Reading, compare
from dgrl.taps import (
    before_refinement,
    flatten_map,
    give_map,
    identity_kernels,
    mean_kernels,
    paint_map,
    patch,
    scale_feedback,
)
from tests.helpers.networks import TINY, draw_photo, filled

LEFT = np.repeat([[1.0, 0.0]], 8, axis=0).repeat(10, axis=1)  # (8, 20), its left half painted
MAKERS: dict[str, Callable[[], Edit]] = {
    "flatten": lambda: flatten_map("conv4", 1),
    "paint": lambda: paint_map("conv3", LEFT, 4, 0),
    "scale": lambda: scale_feedback("conv5", 0.5),
    "identity": identity_kernels,
    "mean": mean_kernels,
    "before": before_refinement,
    "give": lambda: give_map("conv5", LEFT + 0.1, 1),
    "patch": lambda: patch(OTHER, "rln.t1.conv4.weight_map"),
}
OTHER = Trace(
    np.zeros((4, 8, 3), np.uint8),
    np.zeros((4, 8), np.float32),
    {"rln.t1.conv4.weight_map": np.full((3, 3), 1, np.float32)},
)


@pytest.mark.parametrize("name", MAKERS)
def test_equal_settings_are_equal_edits_and_can_travel(name: str) -> None:
    edit, again = MAKERS[name](), MAKERS[name]()
    assert edit == again
    assert hash(edit) == hash(again)
    assert pickle.loads(pickle.dumps(edit)) == edit


def test_other_settings_are_other_edits() -> None:
    edits = [make() for make in MAKERS.values()]
    edits += [
        flatten_map("conv4"),
        flatten_map("conv3", 1),
        scale_feedback("conv5", 0.25),
        scale_feedback("conv4", 0.5),
    ]
    edits += [paint_map("conv3", LEFT, 2, 0), paint_map("conv3", 1 - LEFT, 4, 0), paint_map("conv3", LEFT.T, 4, 0)]
    assert len(set(edits)) == len(edits)


def test_edits_that_have_travelled_do_the_same(tiny_model: DGRL, photo: NDArray[np.uint8]) -> None:
    edits = [make() for make in MAKERS.values()]
    original, unpickled = (tiny_model.trace(photo, 1, chosen) for chosen in (edits, pickle.loads(pickle.dumps(edits))))
    for name, values in original.taps.items():
        np.testing.assert_array_equal(unpickled.taps[name], values, err_msg=name)


def test_half_the_feedback_is_half_of_each_number(tiny_model: DGRL, photo: NDArray[np.uint8]) -> None:
    plain = tiny_model.trace(photo, 1)
    for factor in (0, 0.5, 2):
        edited = tiny_model.trace(photo, 1, [scale_feedback("conv5", factor)])
        before, after = (trace.steps[1].feedback for trace in (plain, edited))
        np.testing.assert_allclose(after["conv5"], factor * before["conv5"], rtol=1e-6)
        np.testing.assert_array_equal(after["conv2"], before["conv2"])
    assert not np.array_equal(edited.steps[1].logits, plain.steps[1].logits)


def test_identity_and_mean_kernels(tiny_model: DGRL, photo: NDArray[np.uint8]) -> None:
    identity = tiny_model.trace(photo, edits=[identity_kernels()])
    np.testing.assert_allclose(identity.refined, 1 / (1 + np.exp(1 - 2 * identity.prior)), atol=1e-6)
    mean = tiny_model.trace(photo, edits=[mean_kernels()])
    assert np.ptp(mean.coefficients, axis=(1, 2)).max() == 0
    expected = tiny_model.trace(photo).coefficients.mean((1, 2))
    np.testing.assert_allclose(mean.coefficients[:, 0, 0], expected, atol=1e-5)


@pytest.mark.parametrize("prior", ["soft", "binary"])
def test_before_refinement_the_map_is_the_prior(photo: NDArray[np.uint8], prior: Literal["soft", "binary"]) -> None:
    model = filled(DGRL(replace(TINY, prior=prior)))
    plain, edited = model.trace(photo), model.trace(photo, edits=[before_refinement()])
    np.testing.assert_array_equal(edited.refined, plain.prior)
    np.testing.assert_array_equal(edited.coefficients, plain.coefficients)
    assert not np.array_equal(edited.saliency, plain.saliency)


def painted_by_hand(weights: NDArray[np.float32], share: NDArray[np.float64], strength: float) -> NDArray[np.float64]:
    painted = weights * (1 + (strength - 1) * share)
    return painted / painted.mean()


@pytest.mark.parametrize("strength", [0, 0.5, 4, 10])
def test_a_painted_map_is_multiplied_where_it_is_painted(
    tiny_model: DGRL, photo: NDArray[np.uint8], strength: float
) -> None:
    plain = tiny_model.trace(photo, 1).steps[1].weight_maps["conv3"]
    trace = tiny_model.trace(photo, 1, [paint_map("conv3", LEFT, strength, 1)])
    share = np.repeat([[1.0, 1.0, 1.0, 0.0, 0.0, 0.0]], 6, axis=0)
    weights = trace.steps[1].weight_maps["conv3"]
    np.testing.assert_allclose(weights, painted_by_hand(plain, share, strength), rtol=1e-5, atol=1e-7)
    assert weights.mean() == pytest.approx(1, abs=1e-6)
    assert not np.array_equal(trace.refined, tiny_model.trace(photo, 1).refined)
    np.testing.assert_array_equal(trace.steps[0].logits, tiny_model.trace(photo, 1).steps[0].logits)


def test_a_cell_takes_the_share_of_it_that_is_painted(tiny_model: DGRL, photo: NDArray[np.uint8]) -> None:
    # conv5's map is 2×2 here: the first column of cells is nearest to the left half of the picture.
    painting = np.zeros((4, 8))
    painting[:2, :1] = 1  # a quarter of the upper left cell
    painting[2:, 4:] = 0.5019608  # 128 of 255, over the whole lower right cell
    trace = tiny_model.trace(photo, 0, [flatten_map("conv5"), paint_map("conv5", painting, 3)])
    expected = np.array([[1 + 2 * 0.25, 1], [1, 1 + 2 * 128 / 255]])
    np.testing.assert_allclose(trace.steps[0].weight_maps["conv5"], expected / expected.mean(), rtol=1e-5)


@pytest.mark.parametrize("painting", [[[1, 0]], [[1], [0]], [[1.0]], np.eye(3), np.eye(100)])
@pytest.mark.parametrize("level", ["conv3", "conv4", "conv5"])
def test_paintings_of_any_size_keep_the_mean(
    tiny_model: DGRL, photo: NDArray[np.uint8], painting: NDArray[np.float64], level: str
) -> None:
    trace = tiny_model.trace(photo, 0, [paint_map(level, painting, 5)])
    assert trace.steps[0].weight_maps[level].mean() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(("painting", "strength"), [(np.zeros((5, 7)), 4), (LEFT, 1), (np.ones((5, 7)), 4)])
def test_no_paint_a_strength_of_one_and_paint_everywhere_change_nothing(
    tiny_model: DGRL, photo: NDArray[np.uint8], painting: NDArray[np.float64], strength: float
) -> None:
    plain = tiny_model.trace(photo, 1)
    trace = tiny_model.trace(photo, 1, [paint_map(level, painting, strength) for level in ("conv3", "conv4", "conv5")])
    np.testing.assert_allclose(trace.refined, plain.refined, atol=1e-5)


def test_the_order_of_edits_of_one_map_matters(tiny_model: DGRL, photo: NDArray[np.uint8]) -> None:
    paint, flatten = paint_map("conv4", LEFT, 4), flatten_map("conv4")
    flattened_last = tiny_model.trace(photo, 0, [paint, flatten]).steps[0].weight_maps["conv4"]
    assert (flattened_last == 1).all()
    painted_last = tiny_model.trace(photo, 0, [flatten, paint]).steps[0].weight_maps["conv4"]
    # Of 3 columns of cells the middle one is half painted.
    np.testing.assert_allclose(painted_last[0], np.array([4, 2.5, 1]) / 2.5, rtol=1e-5)


def test_weight_taken_away_everywhere_is_refused(tiny_model: DGRL, photo: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match="leaves no weight anywhere"):
        tiny_model.trace(photo, 0, [paint_map("conv3", np.ones((4, 4)), 0)])


@pytest.mark.parametrize(
    ("painting", "strength", "message"),
    [
        (np.zeros(4), 2, "two dimensions"),
        (np.zeros((0, 4)), 2, "two dimensions"),
        (np.full((2, 2), 1.5), 2, "from 0 to 1"),
        (np.full((2, 2), np.nan), 2, "from 0 to 1"),
        (np.eye(2), -1, "0 or more"),
        (np.eye(2), float("nan"), "0 or more"),
        (np.eye(2), float("inf"), "0 or more"),
    ],
)
def test_an_invalid_painting_is_refused(painting: NDArray[np.float64], strength: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        paint_map("conv3", painting, strength)


@pytest.fixture(scope="module")
def pair() -> tuple[Trace, Trace]:
    """Return two passes of a 4×8 photo; the unchanged one finds its left half."""
    untouched = np.repeat([[0.9, 0.2]], 4, axis=0).repeat(4, axis=1).astype(np.float32)
    altered = np.repeat([[0.6, 0.3]], 4, axis=0).repeat(4, axis=1).astype(np.float32)

    def trace(saliency: NDArray[np.float32], prediction: float) -> Trace:
        logits = np.zeros((2, 6, 6), np.float32)
        logits[1] = np.log(prediction / (1 - prediction))
        return Trace(np.zeros((4, 8, 3), np.uint8), saliency, {"rln.t0.logits": logits})

    return trace(untouched, 0.7), trace(altered, 0.25)


def test_a_comparison_in_numbers(pair: tuple[Trace, Trace]) -> None:
    mask = np.zeros((4, 8), np.uint8)
    mask[:, :2] = 1
    compared = compare(*pair, mask)
    for reading, inside, outside, mae in [
        (compared.localised[0], 0.7, 0.7, (0.3 + 3 * 0.7) / 4),
        (compared.localised[1], 0.25, 0.25, (0.75 + 3 * 0.25) / 4),
        (compared.refined[0], 0.9, 0.2, (0.1 + 0.9 + 2 * 0.2) / 4),
        (compared.refined[1], 0.6, 0.3, (0.4 + 0.6 + 2 * 0.3) / 4),
    ]:
        assert (reading.inside, reading.outside, reading.mae) == pytest.approx((inside, outside, mae), abs=1e-6)


def test_a_comparison_without_mask_or_object(pair: tuple[Trace, Trace]) -> None:
    untouched, altered = pair
    assert compare(untouched, altered).refined[0].mae is None
    nothing = replace(untouched, saliency=np.full((4, 8), 0.1, np.float32))
    reading = compare(nothing, altered).refined[1]
    assert reading == Reading(None, pytest.approx(0.45), None)
    everything = replace(untouched, saliency=np.ones((4, 8), np.float32))
    assert compare(everything, altered).refined[1].outside is None


def test_comparing_passes_of_different_photos_is_refused(pair: tuple[Trace, Trace]) -> None:
    with pytest.raises(ValueError, match="the mask has 4×8 pixels and the photo 8×4"):
        compare(*pair, np.zeros((8, 4), np.uint8))
    other = replace(pair[1], photo=np.zeros((5, 8, 3), np.uint8))
    with pytest.raises(ValueError, match="different photos"):
        compare(pair[0], other)


def test_flattening_needs_weight_maps(photo: NDArray[np.uint8]) -> None:
    without_context = filled(DGRL(replace(TINY, context=False, steps=0)))
    with pytest.raises(ValueError, match="no tap named"):
        without_context.trace(photo, edits=[flatten_map("conv3")])


def test_a_prescribed_map_is_resized_and_scaled_to_a_mean_of_one(tiny_model: DGRL, photo: NDArray[np.uint8]) -> None:
    prescribed = np.repeat([[3.0, 0.0]], 6, axis=0).repeat(6, axis=1)  # (6, 12)
    trace = tiny_model.trace(photo, 1, [give_map("*", prescribed, 1)])
    for level, weights in trace.steps[1].weight_maps.items():
        assert weights.mean() == pytest.approx(1, abs=1e-6), level
    np.testing.assert_allclose(trace.steps[1].weight_maps["conv5"], [[2, 0], [2, 0]], atol=1e-6)
    np.testing.assert_array_equal(trace.steps[0].logits, tiny_model.trace(photo, 1).steps[0].logits)


@pytest.mark.parametrize(
    "weights", [np.ones(4), np.zeros((0, 4)), np.zeros((2, 2)), -np.eye(2), np.full((2, 2), np.nan)]
)
def test_invalid_weight_maps_are_refused(weights: NDArray[np.float64]) -> None:
    with pytest.raises(ValueError, match="a weight map"):
        give_map("conv3", weights)


def test_a_patch_replaces_a_value_by_that_of_another_pass(tiny_model: DGRL, photo: NDArray[np.uint8]) -> None:
    other, plain = tiny_model.trace(draw_photo(seed=5)[0], 2), tiny_model.trace(photo, 2)
    for tap in plain.taps:
        patched = tiny_model.trace(photo, 2, [patch(other, tap)])
        np.testing.assert_array_equal(patched.taps[tap], other.taps[tap], err_msg=tap)
        if tap.startswith(("rln.t2", "brn")):  # earlier maps and logits have no effect after their step here
            assert not np.array_equal(patched.refined, plain.refined), tap


def test_a_patch_of_a_pass_into_itself_changes_nothing(tiny_model: DGRL, photo: NDArray[np.uint8]) -> None:
    plain = tiny_model.trace(photo, 1)
    patched = tiny_model.trace(photo, 1, [patch(plain, tap) for tap in plain.taps])
    np.testing.assert_array_equal(patched.saliency, plain.saliency)


def test_a_patch_of_another_checkpoint_fits_or_says_which_shapes_differ(
    tiny_model: DGRL, photo: NDArray[np.uint8]
) -> None:
    smaller = filled(DGRL(replace(TINY, rln_size=64, steps=1))).trace(photo)
    with pytest.raises(ValueError, match=r"rln.t1.conv3.weight_map has the shape \(1, 4, 4\) in the other pass and \("):
        tiny_model.trace(photo, 1, [patch(smaller, "rln.t1.conv3.weight_map")])
    with pytest.raises(ValueError, match=r"recorded no tap named 'rln\.t2\.logits'; it has"):
        patch(smaller, "rln.t2.logits")


def test_a_patch_in_json_asks_for_the_other_pass(tiny_model: DGRL, photo: NDArray[np.uint8]) -> None:
    requests = []

    def other_trace(named: Mapping[str, Any]) -> Trace:
        requests.append(named)
        return tiny_model.trace(draw_photo(seed=5)[0], named["steps"])

    sent = {"kind": "patch", "tap": "rln.t1.conv4.weight_map", "photo": "other.jpg", "checkpoint": None, "steps": 1}
    (edit,) = read_edits([sent], other_trace)
    assert requests == [{"photo": "other.jpg", "steps": 1}]
    assert edit == patch(tiny_model.trace(draw_photo(seed=5)[0], 1), "rln.t1.conv4.weight_map")
    flat = {"kind": "flatten", "level": "conv4"}
    assert read_edits([sent, flat], other_trace) == (flatten_map("conv4"), edit)  # the patched map is not flattened


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tap": "rln.t1.conv2.weight_map"}, "the tap of a patch is"),
        ({"tap": "*"}, "the tap of a patch is"),
        ({"tap": None}, "the tap of a patch is"),
        ({"photo": None}, "names another pass by photo, checkpoint, steps"),
        ({}, "no other pass here"),
    ],
)
def test_a_patch_in_json_that_cannot_be_made_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_edits([{"kind": "patch", "tap": "brn.prior", "photo": "other.jpg", **change}])
