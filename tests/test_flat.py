"""Pictures without a salient object, through the weights that ship."""

import pytest

from benchmarks.flat import flat_pictures
from dgrl.app import load
from dgrl.app.detect import object_found
from dgrl.commands.common import default_weights
from dgrl.device import choose_precision, inference

pytestmark = pytest.mark.slow

PICTURES = dict(flat_pictures())
del PICTURES["`skimage.data.grass`"]  # has a light tuft in it


@pytest.fixture(scope="module")
def network():
    """As the app runs it."""
    (found,) = load([default_weights()], "cpu").values()
    return found


@pytest.mark.parametrize("kind", PICTURES)
def test_nothing_is_found(network, kind):
    with inference(network.device, choose_precision("auto", network.device)):
        saliency = network.detect(PICTURES[kind])
    assert saliency.mean() < 0.02
    assert object_found(saliency) == "**No salient object** in this photo."
