"""Fold batch-norms into the convolutions before them, so that inference reads and writes features less often."""

import copy
from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from dgrl.network.backbone import Backbone

PROBE_SIDE = 64


def folded(backbone: Backbone) -> Backbone:
    """Return a copy for inference in which each batch-norm after a convolution is part of it; the rest is shared.

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
    with torch.inference_mode():
        for theirs, ours in zip(backbone(probe), lighter(probe), strict=True):
            if not torch.allclose(theirs, ours, rtol=1e-3, atol=1e-4 * float(theirs.abs().max())):
                return backbone
    return lighter


def _fold_children(parent: nn.Module) -> None:
    for (name, convolution), (norm_name, norm) in pairwise(list(parent.named_children())):
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(parent, name, fuse_conv_bn_eval(convolution, norm))
            # timm's batch-norms may contain the activation.
            setattr(parent, norm_name, getattr(norm, "act", None) or nn.Identity())
