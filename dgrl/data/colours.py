"""Colours of training pictures, altered: brightness, contrast, saturation and hue in one affine map of the channels."""

import math
from typing import Any

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
"""From red, green and blue to luma and the two chromas of NTSC."""
_RGB = torch.linalg.inv(_YIQ.double()).float()


def colour_map(
    mean: Tensor, brightness: float, contrast: float, saturation: float, hue: float
) -> tuple[Tensor, Tensor]:
    """Return the matrix (3, 3) and shift (3, 1) of a change of colours; without change the factors are 1 and hue is 0.

    Contrast is to the picture's mean luma, of the mean colour `mean` (3,). Chroma is scaled and turned, luma is not. So
    defined the four commute, and nothing is cut off between them: `torchvision`'s go over HSV and take ten times as
    long.
    """
    angle = -2 * math.pi * hue  # from red to yellow, as hues are counted
    cosine, sine = saturation * math.cos(angle), saturation * math.sin(angle)
    rotation = torch.tensor([[1.0, 0.0, 0.0], [0.0, cosine, -sine], [0.0, sine, cosine]])
    luma = float(_YIQ[0] @ mean)
    shift = torch.full((3, 1), brightness * (1 - contrast) * luma)
    return brightness * contrast * (_RGB @ rotation @ _YIQ), shift


class Recolour(v2.Transform):  # type: ignore[misc]  # torchvision has no types
    """Random colours for a picture (3, H, W) uint8; masks stay unchanged.

    Args:
        strength: brightness, contrast and saturation are multiplied by 1 − strength to 1 + strength.
        hue: by how many turns at most hues go round, either way.
        grey_share: which share of the pictures loses its colours.
    """

    def __init__(self, strength: float = 0.4, hue: float = 0.05, grey_share: float = 0.05) -> None:
        super().__init__()
        self.strength = strength
        self.hue = hue
        self.grey_share = grey_share

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:  # noqa: ARG002 (torchvision's signature)
        """Draw the change of one picture and its mask, with PyTorch's current random state."""
        brightness, contrast, saturation = (1 + self.strength * (2 * torch.rand(3) - 1)).tolist()
        hue = self.hue * (2 * float(torch.rand(())) - 1)
        if torch.rand(()) < self.grey_share:
            saturation = 0.0
        return {"brightness": brightness, "contrast": contrast, "saturation": saturation, "hue": hue}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the picture in its new colours."""
        if not isinstance(inpt, tv_tensors.Image):
            return inpt
        pixels = inpt.as_subclass(Tensor).flatten(1).float()
        matrix, shift = colour_map(pixels.mean(1), **params)
        recoloured = torch.addmm(shift, matrix, pixels).round_().clamp_(0, 255).byte()
        return tv_tensors.wrap(recoloured.view(inpt.shape), like=inpt)
