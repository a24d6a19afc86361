"""Pictures without a salient object, through the weights that ship."""

import pytest

from benchmarks.flat import flat_pictures
from dgrl.app.detect import object_found
from dgrl.commands.common import load_model

pytestmark = pytest.mark.slow

PICTURES = dict(flat_pictures())
del PICTURES["`skimage.data.grass`"]  # has a light tuft in it


@pytest.fixture(scope="module")
def network():
    return load_model(None, "cpu").model


@pytest.mark.parametrize("kind", PICTURES)
def test_nothing_is_found(network, kind):
    saliency = network.detect(PICTURES[kind])
    assert saliency.mean() < 0.02
    assert object_found(saliency) == "**No salient object** in this photo."
