"""Networks of the library are as fast as in the program, compute the same, and follow every change of weights."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from dgrl import DGRL
from dgrl.running.device import rewrite_for_inference
from dgrl.running.inference import InferenceCopy, fast_copy
from tests.helpers.networks import TINY, draw_photo, filled

PHOTO = draw_photo(50, 70)[0]


@pytest.fixture
def network() -> DGRL:
    return filled(DGRL(TINY))


def test_detect_runs_a_copy_that_is_made_once(network):
    result = network.detect(PHOTO)
    made = network.inference._copy
    assert made is not None
    assert not any(isinstance(module, nn.BatchNorm2d) for module in made.rln.backbone.modules())
    assert made.brn.layers[2].weight.is_contiguous(memory_format=torch.channels_last)
    network.trace(PHOTO)
    assert network.inference._copy is made
    images = torch.from_numpy(PHOTO).permute(2, 0, 1)[None]
    with torch.no_grad():  # not in inference mode, so this runs the network itself
        expected = network(images).saliency[0, 0].numpy()
    np.testing.assert_allclose(result, expected, atol=1e-5)


def in_training(network):
    network.train()
    network.eval()
    network.rln.backbone.get_submodule("conv1")
    bn = next(module for module in network.modules() if isinstance(module, nn.BatchNorm2d))
    bn.running_mean.add_(0.5)


CHANGES = {
    "a parameter in place": lambda network: network.brn.layers[0].weight.mul_(-1),
    "a parameter replaced": lambda network: setattr(
        network.brn.layers[0], "weight", nn.Parameter(-network.brn.layers[0].weight)
    ),
    "a buffer": in_training,
    "weights loaded": lambda network: network.load_state_dict(
        {name: value * 0.5 for name, value in network.state_dict().items()}
    ),
    "a module replaced": lambda network: setattr(network.brn.layers, "1", nn.Tanh()),
    "a setting": lambda network: setattr(network.brn, "prior", "binary"),
    "an optimiser's step": lambda network: step(network),
}


def step(network):
    with torch.enable_grad():
        network(torch.rand(1, 3, 40, 40)).saliency.sum().backward()
    torch.optim.AdamW(network.parameters(), lr=0.05).step()


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_copy_follows_the_network(network, change):
    before = network.detect(PHOTO)
    with torch.no_grad():
        change(network)
    after = network.detect(PHOTO)
    assert not np.array_equal(before, after)
    np.testing.assert_array_equal(after, copy.deepcopy(network).detect(PHOTO))


def test_a_hook_is_called_on_the_module_that_it_was_put_on(network):
    network.detect(PHOTO)
    seen = []
    handle = network.rln.backbone.conv1.register_forward_hook(lambda *_: seen.append(1))
    network.detect(PHOTO)
    handle.remove()
    network.detect(PHOTO)
    assert seen == [1]


def test_taps_do_not_affect_gradients_training_or_saving(network, tmp_path):
    names = list(network.state_dict())
    network.detect(PHOTO)
    assert list(network.state_dict()) == names
    network.save_pretrained(tmp_path)
    for name, value in DGRL.from_pretrained(tmp_path).state_dict().items():
        assert torch.equal(value, network.state_dict()[name])
    network(torch.rand(1, 3, 40, 40)).saliency.sum().backward()
    assert network.rln.backbone.conv1[0].weight.grad is not None
    network.train()
    with torch.inference_mode():
        assert network.inference.of(network) is network


def test_a_copy_of_the_network_leaves_the_fast_copy_behind(network):
    network.detect(PHOTO)
    assert copy.deepcopy(network).inference._copy is None


def test_a_network_that_was_rewritten_is_run_itself(network):
    rewrite_for_inference(network, torch.device("cpu"))
    with torch.inference_mode():
        assert network.inference.of(network) is network


def test_a_pass_looks_once_whether_the_network_has_changed(network, monkeypatch):
    asked = []
    of = InferenceCopy.of
    monkeypatch.setattr(InferenceCopy, "of", lambda self, model: asked.append(model) or of(self, model))
    network.detect(PHOTO)
    assert [model for model in asked if model is network] == [network]


def test_small_tensors_are_shared(network):
    lighter = fast_copy(network)
    assert lighter.brn.layers[0].bias is network.brn.layers[0].bias
    assert lighter.brn.layers[0].weight is not network.brn.layers[0].weight
