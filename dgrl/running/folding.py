"""Fold batch-norms and padding into convolutions, so that inference reads and writes features less often."""

import copy
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from dgrl.network.backbone import Backbone

PROBE_SIDE = 64


def folded(backbone: Backbone, padding: bool = True) -> Backbone:
    """Return a copy for inference in which each batch-norm after a convolution is part of it; the rest is shared.

    With `padding`, convolutions that copy their input to pad it are replaced as well (see `_fold_padding`).

    The copy has no batch-norms and other weights, so it cannot be saved as a checkpoint. The order of layers is taken
    from the order of a module's children, which need not be the order of computation. The copy is therefore compared
    with `backbone` on noise; if their results differ, `backbone` itself is returned.
    """
    device = next(backbone.parameters()).device
    probe = torch.rand(1, 3, PROBE_SIDE, PROBE_SIDE, generator=torch.Generator().manual_seed(0)).to(device)
    # Tensors that are not folded are shared. Copying all of them takes minutes where CUDA is emulated.
    shared: dict[int, object] = {id(tensor): tensor for tensor in (*backbone.parameters(), *backbone.buffers())}
    lighter = copy.deepcopy(backbone, shared).eval()
    for module in list(lighter.modules()):
        _fold_children(module)
        if padding:
            _fold_padding(module)
    with torch.inference_mode():
        for expected, result in zip(backbone(probe), lighter(probe), strict=True):
            if not torch.allclose(expected, result, rtol=1e-3, atol=1e-4 * float(expected.abs().max())):
                return backbone
    return lighter


def _fold_children(parent: nn.Module) -> None:
    for (name, convolution), (norm_name, norm) in pairwise(list(parent.named_children())):
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(parent, name, fuse_conv_bn_eval(convolution, norm))
            # timm's batch-norms may contain the activation.
            setattr(parent, norm_name, getattr(norm, "act", None) or nn.Identity())


def _fold_padding(parent: nn.Module) -> None:
    """Replace convolutions that pad one side of their input more than the other, which takes a copy of it.

    Networks from TensorFlow have such padding ("SAME") in convolutions with stride 2. A kernel with a row and a column
    of zeros in front computes the same on an input that is padded equally on both sides. This holds for even heights
    and widths. All inputs of these convolutions have them, because RLN's input is a multiple of 32.
    """
    from timm.layers.conv2d_same import Conv2dSame

    for name, layer in list(parent.named_children()):
        if not isinstance(layer, Conv2dSame) or layer.stride != (2, 2) or layer.dilation != (1, 1):
            continue
        if layer.kernel_size not in ((3, 3), (5, 5)):
            continue
        side = layer.kernel_size[0] + 1
        even = nn.Conv2d(layer.in_channels, layer.out_channels, side, 2, side // 2 - 1, groups=layer.groups)
        even.weight = nn.Parameter(F.pad(layer.weight.detach(), (1, 0, 1, 0)), requires_grad=False)
        even.bias = layer.bias
        setattr(parent, name, even)
