"""A GPU computes the same as a CPU: photos, traces, edits, attributions, in every precision."""

import copy

import numpy as np
import pytest
import torch

from dgrl.attribution.attribute import attribute
from dgrl.attribution.question import METHODS, PixelTarget
from dgrl.data.crops import cut, valid_interior
from dgrl.files import EXAMPLES
from dgrl.images import read_image
from dgrl.running.device import rewrite_for_inference
from dgrl.running.precision import set_precision
from dgrl.taps import (
    before_refinement,
    flatten_map,
    identity_kernels,
    mean_kernels,
    paint_map,
    scale_feedback,
)
from tests.gpu.conftest import Place
from tests.helpers.networks import draw_photo

BOUNDS = {"fp32": (1e-3, 1e-5), "bf16": (0.25, 2e-3), "fp16": (0.05, 5e-4)}
"""Largest accepted difference from the CPU's float32 by precision: of one pixel, and of the mean over the picture.

Half precision moves edges by a fraction of a pixel, so the mean is a better measure than single pixels.
"""
EDITS = {
    "nothing": (),
    "flat": (flatten_map("conv5"),),
    "painted": (paint_map("conv4", np.eye(5), 4.0),),
    "cut": (scale_feedback("conv5", 0),),
    "array": (("rln.t1.conv4.weight_map", np.ones((1, 1, 1, 1), np.float32)),),
    "centre": (identity_kernels(),),
    "mean": (mean_kernels(),),
    "prior": (before_refinement(),),
}


def photos(place: Place) -> list[np.ndarray]:
    if not place.full:
        return [draw_photo()[0]]
    return [read_image(path) for path in sorted(EXAMPLES.glob("*.jpg"))]


def moved(place: Place):
    """Return the network as programs run it on the device."""
    model = copy.deepcopy(place.model)
    rewrite_for_inference(model, torch.device(place.device))
    return model


def assert_alike(found, expected, precision):
    apart = np.abs(found - expected)
    most, mean = BOUNDS[precision]
    assert apart.max() <= most, f"a pixel is {apart.max():.4f} off"
    assert apart.mean() <= mean, f"the mean is {apart.mean():.6f} off"


@pytest.mark.short
@pytest.mark.parametrize("precision", BOUNDS)
def test_saliency_is_the_cpus(place, precision):
    model = moved(place)
    set_precision(model, precision)
    for photo in photos(place):
        assert_alike(model.detect(photo), place.model.detect(photo), precision)


@pytest.mark.parametrize("edits", EDITS.values(), ids=EDITS)
def test_traces_and_edits_are_the_cpus(place, edits):
    model, photo = moved(place), photos(place)[0]
    result, expected = model.trace(photo, edits=edits), place.model.trace(photo, edits=edits)
    assert_alike(result.saliency, expected.saliency, "fp32")
    assert result.taps.keys() == expected.taps.keys()
    for name, values in expected.taps.items():
        np.testing.assert_allclose(
            result.taps[name], values, rtol=0, atol=2e-3 * (1 + float(np.abs(values).max())), err_msg=name
        )


@pytest.mark.parametrize(("method", "refined"), [*((method, False) for method in METHODS), ("occlusion", True)])
def test_attributions_are_the_cpus(place, method, refined):
    photo = photos(place)[0]
    height, width = photo.shape[:2]
    asked = PixelTarget(width // 2, height // 2, refined=refined)
    few = {"steps": 0}
    if not place.full and method == "integrated_gradients":
        few["tolerance"] = 1.0
    result, expected = (attribute(model, photo, asked, method, **few) for model in (moved(place), place.model))
    scale = float(np.abs(expected.square).max())
    np.testing.assert_allclose(result.square, expected.square, rtol=0, atol=0.02 * scale)
    assert result.value == pytest.approx(expected.value, rel=1e-2, abs=1e-2)


def test_crops_are_cut_where_the_device_is(place):
    maps = torch.rand(2, 3, 20, 30, device=place.device)
    corners = torch.tensor([[[0, 0], [4, 10]], [[12, 22], [5, 5]]], device=place.device)
    pieces, counted = cut(maps, corners, 8), valid_interior(maps, corners, 8, 2)
    assert pieces.device == counted.device == maps.device
    assert torch.equal(pieces[1], maps[0, :, 4:12, 10:18])
