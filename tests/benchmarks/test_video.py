"""Measuring flicker: the movement of the clip is undone, what changes beyond it counts."""

import numpy as np
import pytest
from PIL import Image

from benchmarks.video import FILTERS, SIZE, clip, flicker
from dgrl.data.pairs import Pair
from tests.helpers.networks import draw_photo


@pytest.mark.parametrize("step", [2, 8])
def test_flicker_is_what_changes_beyond_the_movement(tmp_path, step):
    photo, mask = draw_photo(300, 400)
    Image.fromarray(photo).save(tmp_path / "a.jpg")
    Image.fromarray(mask).save(tmp_path / "a.png")
    pair = Pair(tmp_path / "a.jpg", tmp_path / "a.png")
    photos, masks, places = zip(*clip(pair, step, 4, np.random.default_rng(0)), strict=True)
    assert photos[0].shape == (SIZE, SIZE, 3)
    assert list(places) == [0, step, 2 * step, 3 * step]
    assert flicker(masks, places) == 0
    assert flicker([values + 0.1 * (index % 2) for index, values in enumerate(masks)], places) == pytest.approx(0.1)
    errors = {
        name: np.mean([np.abs(smoothed - mask).mean() for smoothed, mask in zip(smooth(masks), masks, strict=True)])
        for name, smooth in FILTERS.items()
    }
    assert errors["none"] == 0
    assert errors["average, 0.5 of the new"] > errors["average, 0.7 of the new"] > errors["median of three"]
