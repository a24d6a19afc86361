from functools import partial

import pytest

import dgrl.network.backbone
from dgrl.network.caffe_resnet import caffe_resnet50
from tests.helpers.caffe_files import write_model
from tests.helpers.caffe_network import Sizes, brn_network, rln_network

NARROW = Sizes(width=8)


@pytest.fixture
def narrow(monkeypatch):
    """Return the sizes of the authors' network with an eighth of the channels, so that tests take seconds."""
    monkeypatch.setattr(dgrl.network.backbone, "caffe_resnet50", partial(caffe_resnet50, width=NARROW.width))
    return NARROW


@pytest.fixture(scope="session")
def narrow_models(tmp_path_factory):
    """Write two model files of random numbers, for `narrow`; tests must not change them."""
    folder = tmp_path_factory.mktemp("narrow")
    write_model(folder / "rln.caffemodel", rln_network(NARROW))
    write_model(folder / "brn.caffemodel", brn_network())
    return folder / "rln.caffemodel", folder / "brn.caffemodel"
