import copy

import pytest
import torch
from timm.layers import Conv2dSame
from torch import nn

from dgrl import DGRL
from dgrl.network.backbone import Backbone
from dgrl.running.device import rewrite_for_inference
from dgrl.running.folding import folded
from dgrl.running.precision import set_precision
from tests.helpers.networks import TINY, filled

NETWORKS = ["resnet18", "tf_efficientnet_lite0", "mobilenetv3_small_050", "caffe_resnet50"]


def with_statistics(backbone):
    """Set random batch-norm statistics and weights, with channels of very different sizes."""
    generator = torch.Generator().manual_seed(3)
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values, low, high in ((module.running_var, 0.3, 3), (module.running_mean, -0.5, 0.5)):
                values.copy_(low + (high - low) * torch.rand(values.shape, generator=generator))
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.3, 0.3)
    return backbone.eval()


def batch_norms(module):
    return sum(isinstance(part, nn.BatchNorm2d) for part in module.modules())


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_a_folded_backbone_computes_the_same(name):
    backbone = with_statistics(Backbone(name))
    before = copy.deepcopy(backbone.state_dict())
    lighter = folded(backbone)
    images = torch.rand(1, 3, 96, 64)
    for expected, result in zip(backbone(images), lighter(images), strict=True):
        torch.testing.assert_close(result, expected, rtol=1e-3, atol=1e-4 * expected.abs().max().item())
    # Batch-norms without a convolution before them stay: at the input, and after the sums of a pre-activation network.
    assert batch_norms(lighter) == (17 if name == "caffe_resnet50" else 0) < batch_norms(backbone)
    assert not any(isinstance(part, Conv2dSame) for part in lighter.modules()), "inputs are still copied to pad them"
    assert all(torch.equal(before[key], value) for key, value in backbone.state_dict().items()), "the original changed"


def test_networks_with_modules_in_another_order_are_not_folded():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution = nn.Conv2d(3, 3, 1)
            self.norm = nn.BatchNorm2d(3)

        def forward(self, images):
            return self.convolution(self.norm(images))

    backbone = Backbone("resnet18")
    backbone.conv1 = nn.Sequential(Odd(), backbone.conv1)
    assert folded(with_statistics(backbone)) is backbone


def test_a_rewritten_network_gives_the_same_maps():
    model = filled(DGRL(TINY))
    images = torch.rand(1, 3, 90, 120)
    with torch.inference_mode():
        expected = model(images)
        rewrite_for_inference(model, torch.device("cpu"))
        result = model(images)
    assert batch_norms(model) == 0
    torch.testing.assert_close(result.saliency, expected.saliency, rtol=0, atol=1e-4)
    for step, other in zip(result.localised.steps, expected.localised.steps, strict=True):
        torch.testing.assert_close(step.saliency, other.saliency, rtol=0, atol=1e-4)


@torch.no_grad()
def test_half_precision_is_for_the_convolutions_of_brn_alone():
    """This holds with and without gradients. In training, autocast applies to all layers."""
    model = filled(DGRL(TINY))
    kinds = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda _module, _inputs, output, name=name: kinds.update({name: output.dtype}))
    images = torch.rand(1, 3, 64, 64)
    with torch.enable_grad(), torch.autocast("cpu", torch.bfloat16):
        model.rln(images)
    assert set(kinds.values()) == {torch.bfloat16}
    kinds.clear()
    assert set_precision(model, "bf16") == "bf16"
    with torch.enable_grad():
        graded = model(images)
    lowered = {name for name, kind in kinds.items() if kind == torch.bfloat16}
    assert lowered == {name for name in kinds if name.startswith("brn.")}
    assert torch.equal(model(images).saliency, graded.saliency), "gradients change what is computed"
    set_precision(model, "fp32")
    assert torch.equal(model(images).saliency, filled(DGRL(TINY))(images).saliency)
