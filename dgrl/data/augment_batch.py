"""The training's augmentation for whole batches on their device: crops, flips and colours as in `dgrl.data.pairs`."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from dgrl.data.colours import Recolour, colour_map

RATIOS = 0.65, 1.5
"""Smallest and largest ratio of a crop's width to its height."""
FLIP_SHARE = 0.5


def augmented(images: Tensor, masks: Tensor, smallest_crop: float) -> tuple[Tensor, Tensor]:
    """Return images (B, 3, S, S) and masks (B, 1, S, S) in [0, 1], each pair cropped, flipped and recoloured at random.

    Choices follow PyTorch's current random state, and are the same on every device.

    Args:
        images: (B, 3, S, S) in [0, 1].
        masks: (B, 1, S, S) of 0 and 1; so are the returned ones.
        smallest_crop: share of a picture's area that a crop keeps at least.
    """
    grid = F.affine_grid(crops(len(images), smallest_crop).to(images.device), list(images.shape), align_corners=False)
    images = F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    masks = F.grid_sample(masks, grid, mode="nearest", padding_mode="border", align_corners=False)
    return recoloured(images), masks


def crops(count: int, smallest_crop: float) -> Tensor:
    """Return affine maps (count, 2, 3) from a crop's coordinates in [-1, 1] to the picture's; half are mirrored."""
    area = smallest_crop + (1 - smallest_crop) * torch.rand(count)
    low, high = (math.log(ratio) for ratio in RATIOS)
    ratio = torch.exp(low + (high - low) * torch.rand(count))
    width, height = ((area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1))
    across, down = ((1 - width) * (2 * torch.rand(count) - 1), (1 - height) * (2 * torch.rand(count) - 1))
    sign = 1 - 2 * (torch.rand(count) < FLIP_SHARE).float()
    zero = torch.zeros(count)
    return torch.stack([sign * width, zero, across, zero, height, down], 1).view(count, 2, 3)


def recoloured(images: Tensor) -> Tensor:
    """Return images (B, 3, S, S) in [0, 1] in random colours (see `Recolour`)."""
    recolour = Recolour()
    means = images.mean((2, 3)).cpu()
    maps = [colour_map(mean, **recolour.make_params([])) for mean in means]
    matrices, shifts = (torch.stack(parts).to(images.device) for parts in zip(*maps, strict=True))
    return torch.baddbmm(shifts, matrices, images.flatten(2)).view_as(images).clamp(0, 1)
