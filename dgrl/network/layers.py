"""Layers and helpers that several parts of the network use."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F


def resize(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Resize bilinearly with aligned corners, like Caffe's Interp layer. All resizing inside RLN uses it (code)."""
    return F.interpolate(maps, size=tuple(size), mode="bilinear", align_corners=True)


def fill_gaussian(convolution: nn.Conv2d, std: float) -> None:
    """Draw initial weights from a Gaussian of mean 0 and set biases to 0 (Caffe's "gaussian" filler)."""
    nn.init.normal_(convolution.weight, std=std)
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
