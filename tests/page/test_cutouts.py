"""Cut-outs and scores of the static page equal Python's."""

import numpy as np
import pytest
from PIL import Image

from dgrl.evaluation import metrics
from dgrl.files import EXAMPLES
from dgrl.images.foreground import foreground
from tests.helpers.networks import draw_photo
from tests.page.node import call

SIZES = {"small": (70, 110), "tall": (203, 61), "long": (500, 1310), "line": (1, 40)}


@pytest.mark.parametrize("name", SIZES)
def test_the_object_s_colours_are_those_of_the_library(name: str) -> None:
    """`long` is reduced before the colours are estimated."""
    height, width = SIZES[name]
    with Image.open(EXAMPLES / "cat.jpg") as picture:
        photo = np.asarray(picture.convert("RGB").resize((width, height)))
    across = np.clip(np.linspace(-0.5, 1.5, width), 0, 1) * np.linspace(0.7, 1, height)[:, None]
    alpha = np.rint(255 * across).astype(np.uint8)
    (page_values,) = call("numbers/foreground.js", ("foreground", photo, alpha, width, height))
    python_values = foreground(photo, alpha).astype(int)
    assert np.abs(np.reshape(page_values, photo.shape) - python_values)[alpha > 0].max() <= 2
    assert np.abs(python_values - photo)[alpha > 0].max() > 20 or min(height, width) == 1, "nothing was cleaned"


@pytest.mark.parametrize("stretch", [True, False])
def test_scores_are_those_of_the_library(stretch: bool) -> None:
    random = np.random.default_rng(0)
    mask = draw_photo(60, 90)[1] > 127
    soft = np.clip(0.2 + 0.5 * mask + 0.15 * random.standard_normal(mask.shape), 0, 0.9).astype(np.float32)
    maps = {"soft": soft, "wrong": 1 - soft, "flat": np.full_like(soft, 0.25), "nothing": np.zeros_like(soft)}
    result = call("numbers/scores.js", *(("score", values, mask, stretch) for values in maps.values()))
    for name, page_values, values in zip(maps, result, maps.values(), strict=True):
        python_values = metrics.measure(metrics.as_bytes(values), mask.astype(np.uint8) * 255, stretch).results()
        for metric, value in page_values.items():
            assert value == pytest.approx(python_values[metric], abs=1e-6), (name, metric)
