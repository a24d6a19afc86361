"""Whatever a picture's size: as large a map comes out, and every pixel finds its place in BRN's map and back."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dgrl import DGRL, Trace
from dgrl.images import square, to_size
from dgrl.network.sizing import SIZINGS
from tests.helpers.networks import TINY, filled

side = st.one_of(st.integers(1, 40), st.integers(1, 3000))
quick = settings(deadline=None, derandomize=True, max_examples=60)


@pytest.fixture(scope="module")
def smallest():
    """Return a network with small squares, so that a hundred pictures take seconds."""
    return filled(DGRL(dataclasses.replace(TINY, rln_size=32, brn_size=40, steps=0)))


@pytest.mark.parametrize("kind", SIZINGS)
@quick
@given(height=side, width=side)
def test_the_map_has_the_pictures_size(smallest, kind, height, width):
    smallest.sizing = SIZINGS[kind]()
    photo = np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8)
    saliency = smallest.detect(photo)
    assert (saliency.shape, saliency.dtype) == ((height, width), np.float32)
    assert saliency.min() >= 0
    assert saliency.max() <= 1


@quick
@given(height=side, width=side, brn=st.integers(1, 600), data=st.data())
def test_pixels_convert_to_cells_and_back(height, width, brn, data):
    """The middle of the photo's pixel lies in the map's pixel that is said to cover it."""
    x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    maps = np.broadcast_to(np.float32(0), (brn, brn))
    trace = Trace(np.broadcast_to(np.uint8(0), (height, width, 3)), maps, {"brn.refined": maps, "brn.prior": maps})
    column, row = trace.to_map(x, y)
    assert 0 <= column < brn
    assert 0 <= row < brn
    assert column <= (x + 0.5) * brn / width <= column + 1
    assert row <= (y + 0.5) * brn / height <= row + 1
    # And back: the middle of that pixel of the map is no further away than half of the larger of the two pixels.
    assert abs((column + 0.5) * width / brn - (x + 0.5)) <= max(1, width / brn) / 2 + 1e-6
    assert abs((row + 0.5) * height / brn - (y + 0.5)) <= max(1, height / brn) / 2 + 1e-6


@quick
@given(height=side, width=side, to=st.integers(8, 300))
def test_flat_maps_stay_flat_and_halves_stay_halves(height, width, to):
    grey = torch.full((1, 3, height, width), 77, dtype=torch.uint8)
    torch.testing.assert_close(square(grey, to), torch.full((1, 3, to, to), 77 / 255), rtol=0, atol=1e-6)
    map_ = torch.zeros(1, 1, 8, 8)
    map_[..., 4:] = 1
    resized = to_size(map_, height, width)
    assert resized.shape == (1, 1, height, width)
    mirrored = 1 - resized.flip(-1)
    torch.testing.assert_close(resized, mirrored, rtol=0, atol=1e-5)
