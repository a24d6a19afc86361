"""The two stages of training as modules: pictures and masks in, the loss to minimise out."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dgrl.losses import localisation_loss, refinement_loss
from dgrl.model import DGRL
from dgrl.training_config import TrainingConfig


class LocaliseStage(nn.Module):
    """RLN with the supervision of all its time steps."""

    def __init__(self, model: DGRL, config: TrainingConfig) -> None:
        super().__init__()
        self.rln = model.rln
        self.config = config

    def forward(self, images: Tensor, masks: Tensor, seed: int) -> Tensor:  # noqa: ARG002
        """The loss of a batch: images (B, 3, S, S) in [0, 1], masks (B, 1, S, S) of 0 and 1; `seed` is not used."""
        output = self.rln(images, self.config.steps)
        return localisation_loss(output, masks, self.config.region_weight, self.config.attention_weight)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The pre-trained blocks and the new layers, each with its peak learning rate."""
        new = [*self.rln.recurrent_step.parameters(), *self.rln.heads.parameters()]
        return [
            {"params": list(self.rln.backbone.parameters()), "peak": self.config.backbone_learning_rate},
            {"params": new, "peak": self.config.learning_rate},
        ]


class RefineStage(nn.Module):
    """BRN on crops of a fixed RLN's maps. BRN sees 7 pixels far, so crops teach it as much as whole pictures."""

    def __init__(self, model: DGRL, config: TrainingConfig) -> None:
        super().__init__()
        self.brn = model.brn
        # In a list, so that RLN's weights are not among this stage's parameters.
        self.fixed = [model.rln.eval()]
        self.sizing = model.sizing
        self.rln_size, self.brn_size = model.config.rln_size, model.config.brn_size
        self.config = config

    def forward(self, images: Tensor, masks: Tensor, seed: int) -> Tensor:
        """The loss of a batch: images (B, 3, S, S) in [0, 1], masks (B, 1, S, S); `seed` places the crops."""
        with torch.no_grad():
            saliency = self.fixed[0](self.sizing.for_rln(images, self.rln_size), self.config.steps).saliency
            images, prior = self.sizing.for_brn(images, saliency, self.brn_size)
        windows = boundary_windows(masks, self.config, torch.Generator().manual_seed(seed))
        images, prior, masks = (cut(maps, windows) for maps in (images, prior, masks))
        return refinement_loss(self.brn(images, prior).refined, masks, self.config.region_weight)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """BRN's layers with their peak learning rate."""
        return [{"params": list(self.brn.parameters()), "peak": self.config.learning_rate}]


Window = tuple[int, int, int, int]
"""A square in a batch: picture, top row, left column, side."""


def boundary_windows(masks: Tensor, config: TrainingConfig, generator: torch.Generator) -> list[Window]:
    """Random squares of side `config.crop` around points of the boundaries of masks (B, 1, H, W).

    `config.crops_per_picture` of each picture; where a mask has no boundary, anywhere.
    """
    height, width = masks.shape[-2:]
    side = min(config.crop, height, width)
    boundary = (F.max_pool2d(masks, 3, 1, 1) != masks)[:, 0].cpu()  # (B, H, W)
    windows: list[Window] = []
    for picture, edge in enumerate(boundary):
        points = edge.nonzero()
        for _ in range(config.crops_per_picture):
            if len(points):
                row, column = points[torch.randint(len(points), (1,), generator=generator)][0].tolist()
            else:
                row, column = (int(torch.randint(extent, (1,), generator=generator)) for extent in (height, width))
            # Off the centre by up to a quarter, so that boundaries do not always stand in the middle.
            down, right = torch.randint(-(side // 4), side // 4 + 1, (2,), generator=generator).tolist()
            top = min(max(row + down - side // 2, 0), height - side)
            left = min(max(column + right - side // 2, 0), width - side)
            windows.append((picture, top, left, side))
    return windows


def cut(maps: Tensor, windows: list[Window]) -> Tensor:
    """The windows of a batch (B, C, H, W), stacked: (len(windows), C, side, side)."""
    return torch.stack([maps[i, :, top : top + side, left : left + side] for i, top, left, side in windows])
