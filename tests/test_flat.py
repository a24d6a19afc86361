"""Pictures without a salient object, through the weights that ship."""

import pytest

from benchmarks.flat import flat_pictures
from dgrl.commands.common import load_model
from dgrl.trace import found_in

pytestmark = pytest.mark.slow

PICTURES = dict(flat_pictures())
del PICTURES["`skimage.data.grass`"]  # has a light tuft in it


@pytest.fixture(scope="module")
def network():
    return load_model(None, "cpu")[0]


@pytest.mark.parametrize("kind", PICTURES)
def test_an_empty_result_is_described(network, kind):
    saliency = network.detect(PICTURES[kind])
    assert saliency.mean() < 0.02
    assert not found_in(saliency).any()
