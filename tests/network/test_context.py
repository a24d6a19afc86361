import numpy as np
import pytest
import torch
from torch.nn import functional as F

from dgrl.network.context import ChannelNorm, ContextualWeighting, resize


def test_resize_has_aligned_corners():
    """Corner values stay, and those between lie evenly."""
    maps = torch.tensor([[[[0.0, 1.0], [3.0, 4.0]]]])
    expected = torch.tensor([[i + j / 3 for j in range(4)] for i in range(4)])
    torch.testing.assert_close(resize(maps, (4, 4))[0, 0], expected)
    big = resize(torch.rand(1, 1, 5, 7), (24, 48))
    assert big.shape == (1, 1, 24, 48)


def test_channel_norm_scales_every_vector_to_length_one_then_by_channel():
    norm = ChannelNorm(6)
    assert norm.scale.flatten().tolist() == [10.0] * 6
    features = torch.randn(2, 6, 3, 4) * 50
    torch.testing.assert_close(norm(features).norm(dim=1), torch.full((2, 3, 4), 10.0))
    with torch.no_grad():
        norm.scale[2] = 3.0
    alone = torch.zeros(1, 6, 1, 1)
    alone[:, 2] = -7
    torch.testing.assert_close(norm(alone), alone * 3 / 7)


def test_channel_norm_of_zeros_is_zeros():
    features = torch.zeros(1, 4, 2, 2, requires_grad=True)
    out = ChannelNorm(4)(features)
    out.sum().backward()
    assert torch.equal(out, torch.zeros_like(out))
    assert torch.isfinite(features.grad).all()


def test_channel_norm_survives_half_precision():
    out = ChannelNorm(4)(torch.full((1, 4, 2, 2), 1000.0, dtype=torch.float16))
    torch.testing.assert_close(out, torch.full((1, 4, 2, 2), 5.0))


def test_layers_are_those_of_the_published_network():
    """Caffe's spa.att layers at conv4: three filters 32×1024×k×k, three scales of 32, a mask 1×96×3×3, no bias."""
    module = ContextualWeighting(1024)
    assert {name: tuple(value.shape) for name, value in module.named_parameters()} == {
        "filters.0.weight": (32, 1024, 3, 3),
        "filters.1.weight": (32, 1024, 5, 5),
        "filters.2.weight": (32, 1024, 7, 7),
        "norms.0.scale": (32, 1, 1),
        "norms.1.scale": (32, 1, 1),
        "norms.2.scale": (32, 1, 1),
        "mask.weight": (1, 96, 3, 3),
    }
    for convolution in (*module.filters, module.mask):
        assert abs(convolution.weight.std().item() - 0.01) < 0.001


@pytest.mark.parametrize(("size", "map_size"), [((12, 12), (6, 6)), ((5, 9), (3, 5)), ((1, 1), (1, 1))])
def test_weight_maps_are_positive_with_mean_one(size, map_size):
    module = ContextualWeighting(8, context_channels=4)
    torch.nn.init.normal_(module.mask.weight, std=0.1)
    weights = module(torch.randn(3, 8, *size), t=0)
    assert weights.shape == (3, 1, *map_size)
    assert (weights > 0).all()
    np.testing.assert_allclose(weights.mean((1, 2, 3)).detach(), 1, atol=1e-5)
    if size != (1, 1):
        assert weights.std() > 0.1
        assert not torch.allclose(weights[0], weights[1]), "pictures of a batch share a map"


def test_the_weight_map_equals_its_layers_in_pytorch():
    module = ContextualWeighting(8, context_channels=4)
    torch.nn.init.normal_(module.mask.weight, std=0.1)
    features = torch.randn(2, 8, 10, 12)
    half = F.interpolate(features, size=(5, 6), mode="bilinear", align_corners=True)
    contexts = []
    for convolution, norm, padding in zip(module.filters, module.norms, (1, 2, 3), strict=True):
        context = F.conv2d(half, convolution.weight, padding=padding)
        contexts.append(F.normalize(context, dim=1) * norm.scale)
    response = F.conv2d(torch.cat(contexts, 1), module.mask.weight, padding=1)
    expected = torch.softmax(response.reshape(2, 30), 1).reshape(2, 1, 5, 6) * 30
    torch.testing.assert_close(module(features, t=0), expected)


def test_a_single_place_weighs_one():
    """A map of a single place has nothing to choose from."""
    module = ContextualWeighting(8, context_channels=4)
    assert module(torch.randn(2, 8, 2, 2), t=0).flatten().tolist() == [1.0, 1.0]
