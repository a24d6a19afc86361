"""Crops for training BRN. Its receptive field is small, so crops train it as well as whole pictures, much faster."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import v2

from dgrl.data.batch import Batch
from dgrl.data.pairs import Pair, SaliencyData


class CropData(SaliencyData):
    """`SaliencyData` with windows to cut: the `corners` of each item.

    Args:
        pairs: the files.
        transform: a paired v2 transform that ends with a square picture.
        seed: seed of augmentation and windows.
        crop: side of the windows in pixels.
        count: windows per picture.
        boundary_share: share of the windows on the boundary of the mask; the others lie anywhere.
    """

    def __init__(
        self, pairs: Sequence[Pair], transform: v2.Transform, seed: int, crop: int, count: int, boundary_share: float
    ) -> None:
        super().__init__(pairs, transform, seed)
        self.crop = crop
        self.count = count
        self.boundary_share = boundary_share

    def __getitem__(self, index: int) -> Batch:
        item = super().__getitem__(index)
        generator = torch.Generator().manual_seed(hash((self.seed, self.epoch, index, 1)))
        corners = windows(item.masks, self.crop, self.count, self.boundary_share, generator)
        return replace(item, corners=corners)


def windows(mask: Tensor, crop: int, count: int, boundary_share: float, generator: torch.Generator) -> Tensor:
    """Draw random squares of side `crop` in a mask (1, H, W); return their top rows and left columns (count, 2).

    The share `boundary_share` lies around random points of the mask's boundary, if it has one; the others lie anywhere.
    """
    extents = mask.shape[-2:]
    limits = torch.tensor([max(extent - crop, 0) for extent in extents])
    boundary = (F.max_pool2d(mask[None], 3, 1, 1)[0] != mask)[0].nonzero()  # (points, 2)
    corners = []
    for _ in range(count):
        # Draw up to half a crop beyond the border, then limit, so that enough crops touch the border.
        beyond = torch.where(limits > 0, crop // 2, 0)
        anywhere = (torch.rand(2, generator=generator) * (limits + 2 * beyond + 1)).long() - beyond
        anywhere = anywhere.clamp(torch.zeros_like(limits), limits)
        if len(boundary) and torch.rand((), generator=generator) < boundary_share:
            point = boundary[torch.randint(len(boundary), (1,), generator=generator)][0]
            # Shift by up to a quarter, so that boundaries are not always in the middle.
            shift = torch.randint(-(crop // 4), crop // 4 + 1, (2,), generator=generator)
            anywhere = (point + shift - crop // 2).clamp(torch.zeros_like(limits), limits)
        corners.append(anywhere)
    return torch.stack(corners)


def cut(maps: Tensor, corners: Tensor, crop: int) -> Tensor:
    """Cut the windows (B, K, 2) of maps (B, C, H, W): (B·K, C, crop, crop), or smaller if the maps are smaller."""
    pieces = [
        picture[:, top : top + crop, left : left + crop]
        for picture, places in zip(maps, corners.tolist(), strict=True)
        for top, left in places
    ]
    return torch.stack(pieces)


def valid_interior(maps: Tensor, corners: Tensor, crop: int, reach: int) -> Tensor:
    """Mark the pixels of crops whose result does not depend on pixels outside the crop.

    Args:
        maps: (B, C, H, W).
        corners: the windows' top rows and left columns, (B, K, 2).
        crop: side of the windows in pixels.
        reach: radius of the network's receptive field in pixels.

    Returns:
        (B·K, 1, crop, crop): 0 within `reach` pixels of a side inside the picture, else 1.
    """
    height, width = maps.shape[-2:]
    masks = []
    for top, left in corners.flatten(0, 1).tolist():
        bottom, right = top + crop, left + crop
        mask = torch.ones(1, min(crop, height), min(crop, width), device=maps.device)
        mask[:, : reach if top > 0 else 0] = 0
        mask[:, :, : reach if left > 0 else 0] = 0
        mask[:, crop - reach if bottom < height else crop :] = 0
        mask[:, :, crop - reach if right < width else crop :] = 0
        masks.append(mask)
    return torch.stack(masks)
