import copy
import re

import pytest
import timm
import torch
from torch import nn

from dgrl.network.backbone import STRIDES, Backbone

NAMES = ["resnet50", "resnet18", "tf_efficientnet_lite0", "mobilenetv3_large_100"]


def with_lively_statistics(backbone):
    """Set random batch-norm statistics, because those of a fresh network change almost nothing."""
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return backbone


def timm_features(backbone, name):
    """Return timm's own feature extractor with the same weights: its names are ours without the block's."""
    reference = timm.create_model(name, features_only=True, out_indices=range(5)).eval()
    expected = {re.sub(r"^conv\d\.(blocks)_", r"\1.", key): value for key, value in backbone.state_dict().items()}
    reference.load_state_dict({re.sub(r"^conv\d\.", "", key): value for key, value in expected.items()}, strict=True)
    return reference


@pytest.mark.parametrize("name", NAMES)
def test_blocks_compose_to_timm_features(name):
    backbone = with_lively_statistics(Backbone(name)).eval()
    reference = timm_features(backbone, name)
    images = torch.rand(2, 3, 96, 64)
    with torch.inference_mode():
        features = backbone(images)
        expected = reference(images)
    assert len(features) == 5
    for result, theirs, channels, stride in zip(features, expected, backbone.channels, STRIDES, strict=True):
        assert result.shape == (2, channels, 96 // stride, 64 // stride)
        torch.testing.assert_close(result, theirs, rtol=0, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_no_block_alters_its_input(name):
    """Features are kept for the next time step's feedback; a ReLU in place at a block's start would spoil them."""
    backbone = Backbone(name).eval()
    features = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        for block in (backbone.conv1, backbone.conv2, backbone.conv3, backbone.conv4, backbone.conv5):
            before = features.clone()
            after = block(features)
            assert torch.equal(features, before)
            features = after


def test_resnet50_at_the_published_size():
    with torch.device("meta"):
        features = Backbone("resnet50")(torch.rand(1, 3, 384, 384))
    assert [tuple(f.shape[1:]) for f in features] == [
        (64, 192, 192),
        (256, 96, 96),
        (512, 48, 48),
        (1024, 24, 24),
        (2048, 12, 12),
    ]


def test_resnet50_has_its_pool_in_block_two():
    """Feedback is added to conv1's output after batch-norm and ReLU, before the max-pool (code: conv2-add)."""
    backbone = Backbone("resnet18")
    assert [type(layer).__name__ for layer in backbone.conv1] == ["Conv2d", "BatchNorm2d", "ReLU"]
    assert isinstance(backbone.conv2[0], nn.MaxPool2d)


@pytest.mark.parametrize("call_train", [True, False])
@pytest.mark.parametrize("name", ["resnet18", "tf_efficientnet_lite0"])
def test_batch_norm_statistics_are_frozen_in_training(name, call_train):
    backbone = Backbone(name)
    if call_train:
        backbone.eval()
        nn.Sequential(backbone).train()
    assert backbone.training
    before = copy.deepcopy(backbone.state_dict())
    images = torch.rand(2, 3, 64, 64)
    in_training = backbone(images)[-1]
    for key, value in backbone.state_dict().items():
        assert torch.equal(value, before[key]), f"{key} changed"
    torch.testing.assert_close(in_training, backbone.eval()(images)[-1], rtol=0, atol=0)


def test_batch_norm_weights_still_learn():
    backbone = Backbone("resnet18").train()
    backbone(torch.rand(1, 3, 32, 32))[-1].sum().backward()
    norms = [module for module in backbone.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == 20
    assert all(norm.weight.grad is not None and norm.bias.grad is not None for norm in norms)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("convnext_atto", r"strides \[4, 8, 16, 32\]"),
        ("vit_tiny_patch16_224", "strides"),
        ("vgg11", "strides"),
        ("hrnet_w18_small", "cannot be cut"),
        ("no_such_network", "cannot be made"),
    ],
)
def test_backbones_without_five_blocks_are_refused(name, said):
    with pytest.raises(ValueError, match=said) as error, torch.device("meta"):
        Backbone(name)
    assert name in str(error.value)
