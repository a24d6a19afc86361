"""Crops that teach BRN: it sees a few pixels far, so crops teach it as much as whole pictures, many times cheaper."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import v2

from dgrl.data.pairs import Pair, SaliencyData


class CropData(SaliencyData):
    """`SaliencyData` with windows to cut: also (count, 2) int64, the top row and left column of each.

    Args:
        pairs: the files.
        transform: a paired v2 transform that ends with a square picture.
        seed: seed of augmentation and windows.
        crop: side of the windows in pixels.
        count: windows per picture.
        boundary_share: which share of them lies on the boundary of the mask; the others lie anywhere.
    """

    def __init__(
        self, pairs: Sequence[Pair], transform: v2.Transform, seed: int, crop: int, count: int, boundary_share: float
    ) -> None:
        super().__init__(pairs, transform, seed)
        self.crop = crop
        self.count = count
        self.boundary_share = boundary_share

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        image, mask, *rest = super().__getitem__(index)
        generator = torch.Generator().manual_seed(hash((self.seed, self.epoch, index, 1)))
        return image, mask, windows(mask, self.crop, self.count, self.boundary_share, generator), *rest


def windows(mask: Tensor, crop: int, count: int, boundary_share: float, generator: torch.Generator) -> Tensor:
    """Top row and left column, (count, 2), of random squares of side `crop` in a mask (1, H, W).

    A share of them lies around random points of the mask's boundary, where there is one, the others anywhere.
    """
    extents = mask.shape[-2:]
    limits = torch.tensor([max(extent - crop, 0) for extent in extents])
    boundary = (F.max_pool2d(mask[None], 3, 1, 1)[0] != mask)[0].nonzero()  # (points, 2)
    corners = []
    for _ in range(count):
        # Beyond the sides by up to half a crop, and back: else hardly a crop would touch one, which BRN must know.
        beyond = torch.where(limits > 0, crop // 2, 0)
        anywhere = (torch.rand(2, generator=generator) * (limits + 2 * beyond + 1)).long() - beyond
        anywhere = anywhere.clamp(torch.zeros_like(limits), limits)
        if len(boundary) and torch.rand((), generator=generator) < boundary_share:
            point = boundary[torch.randint(len(boundary), (1,), generator=generator)][0]
            # Off the centre by up to a quarter, so that boundaries do not always stand in the middle.
            shift = torch.randint(-(crop // 4), crop // 4 + 1, (2,), generator=generator)
            anywhere = (point + shift - crop // 2).clamp(torch.zeros_like(limits), limits)
        corners.append(anywhere)
    return torch.stack(corners)


def cut(maps: Tensor, corners: Tensor, crop: int) -> Tensor:
    """The windows (B, K, 2) of a batch of maps (B, C, H, W), stacked: (B·K, C, crop, crop), smaller if the maps are."""
    pieces = [
        picture[:, top : top + crop, left : left + crop]
        for picture, places in zip(maps, corners.tolist(), strict=True)
        for top, left in places
    ]
    return torch.stack(pieces)


def as_in_the_whole(maps: Tensor, corners: Tensor, crop: int, reach: int) -> Tensor:
    """Where a network that sees `reach` pixels far computes in a crop what it computes in the whole picture.

    1 there, 0 within `reach` pixels of a side that was cut, for the windows (B, K, 2) of maps (B, C, H, W):
    (B·K, 1, crop, crop). A side that is the picture's own counts as in the whole: the network sees it there too.
    """
    height, width = maps.shape[-2:]
    inside = []
    for top, left in corners.flatten(0, 1).tolist():
        bottom, right = top + crop, left + crop
        known = torch.ones(1, min(crop, height), min(crop, width), device=maps.device)
        known[:, : reach if top > 0 else 0] = 0
        known[:, :, : reach if left > 0 else 0] = 0
        known[:, crop - reach if bottom < height else crop :] = 0
        known[:, :, crop - reach if right < width else crop :] = 0
        inside.append(known)
    return torch.stack(inside)
