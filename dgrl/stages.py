"""The stages of training as modules: a batch in, the loss to minimise out."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dgrl.brn import BRNOutput
from dgrl.crops import CropData, as_in_the_whole, cut
from dgrl.data import Pair, SaliencyData, augmentation, plain_resize
from dgrl.losses import lean_loss, localisation_loss, refinement_loss
from dgrl.model import DGRL
from dgrl.named import GivenMaps, NamedData
from dgrl.stored import StoredCropData, still, store_maps
from dgrl.taps import listening
from dgrl.training_config import TrainingConfig


class LocaliseStage(nn.Module):
    """RLN with the supervision of all its time steps."""

    def __init__(self, model: DGRL, config: TrainingConfig) -> None:
        super().__init__()
        self.rln = model.rln
        self.config = config

    def forward(self, images: Tensor, masks: Tensor, given: Tensor | None = None) -> Tensor:
        """The loss of a batch: images (B, 3, S, S) in [0, 1], masks (B, 1, S, S) of 0 and 1.

        `given` (B,) says which pictures come with weight maps of their own (`dgrl.named`).
        """
        with nullcontext() if given is None else listening(GivenMaps(masks, given)):
            output = self.rln(images, self.config.steps)
        return localisation_loss(output, masks, self.config)


class RefineStage(nn.Module):
    """BRN on a fixed RLN's maps, on crops of them."""

    def __init__(self, model: DGRL, config: TrainingConfig) -> None:
        super().__init__()
        self.brn = model.brn
        # In a list, so that RLN's weights are not among this stage's parameters.
        self.fixed = [model]
        model.rln.eval()
        self.config = config

    def forward(self, images: Tensor, masks: Tensor, corners: Tensor, prior: Tensor | None = None) -> Tensor:
        """The loss of a batch: images (B, 3, S, S), masks (B, 1, S, S), and the windows to cut of each (B, K, 2).

        `prior` (B, 1, S, S) is RLN's map where it is stored.
        """
        if prior is None:
            (model,) = self.fixed
            with torch.no_grad():
                saliency = model.localise(images, self.config.steps).saliency
                images, prior = model.sizing.for_brn(images, saliency, model.config.brn_size)
        return crops_loss(self.brn, images, prior, masks, corners, self.config)


class JointStage(nn.Module):
    """RLN and BRN together: BRN's error reaches RLN through the map that it refines."""

    def __init__(self, model: DGRL, config: TrainingConfig) -> None:
        super().__init__()
        self.rln = model.rln
        self.brn = model.brn
        self.sizing = model.sizing
        self.sizes = model.config.rln_size, model.config.brn_size
        self.config = config

    def forward(self, images: Tensor, masks: Tensor, corners: Tensor) -> Tensor:
        """The loss of a batch: images (B, 3, S, S), masks (B, 1, S, S), and the windows to cut of each (B, K, 2)."""
        rln_size, brn_size = self.sizes
        localised = self.rln(self.sizing.for_rln(images, rln_size), self.config.steps)
        loss = localisation_loss(localised, F.interpolate(masks, (rln_size, rln_size)), self.config)
        images, prior = self.sizing.for_brn(images, localised.saliency, brn_size)
        return loss + crops_loss(self.brn, images, prior, masks, corners, self.config)


TrainingStage = LocaliseStage | RefineStage | JointStage


def crops_loss(
    brn: nn.Module, images: Tensor, prior: Tensor, masks: Tensor, corners: Tensor, config: TrainingConfig
) -> Tensor:
    """BRN's loss on the windows `corners` (B, K, 2); it counts where a crop gives what the whole picture would."""
    crop = config.crop or max(masks.shape[-2:])
    counted = as_in_the_whole(masks, corners, crop, brn.reach)  # type: ignore[arg-type]
    images, prior, masks = (cut(maps, corners, crop) for maps in (images, prior, masks))
    output: BRNOutput = brn(images, prior)
    loss = refinement_loss(output.evidence, masks, counted, config)
    if config.lean_weight:
        loss = loss + config.lean_weight * lean_loss(output.coefficients, masks, counted)
    return loss


def make_stage(model: DGRL, config: TrainingConfig) -> TrainingStage:
    """The stage that `config` names."""
    kinds: dict[str, type[TrainingStage]] = {"rln": LocaliseStage, "brn": RefineStage, "joint": JointStage}
    for number, block in enumerate(model.rln.backbone.children()):
        block.requires_grad_(number >= config.frozen_blocks)
    return kinds[config.stage](model, config)


def make_data(model: DGRL, pairs: Sequence[Pair], config: TrainingConfig, maps: Path | None = None) -> SaliencyData:
    """What the stage reads: pictures of RLN's training size, or pictures of BRN's size with windows to cut.

    `maps` is the folder of RLN's maps where they are stored.
    """
    size = config.size if config.stage == "rln" else model.config.brn_size
    transform = augmentation(size, config.smallest_crop) if config.augment else plain_resize(size)
    if config.stage == "rln":
        kind = NamedData if config.named_share else SaliencyData
        data = kind(pairs, transform, config.seed, config.paste_share, config.page_share)
        if isinstance(data, NamedData):
            data.named_share = config.named_share
        return data
    crops = config.crop or size, config.crops_per_picture, config.boundary_share
    if config.stage == "brn" and config.stored_maps and maps is not None:
        stored = StoredCropData(pairs, still(config.augment), config.seed, *crops)
        stored.files = store_maps(model, pairs, maps, config.steps)
        return stored
    return CropData(pairs, transform, config.seed, *crops)


def parameter_groups(stage: nn.Module, config: TrainingConfig) -> list[dict[str, Any]]:
    """The stage's parameters by learning rate; "peak" is the rate that the schedule scales."""
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in stage.named_parameters():
        if config.multipliers:
            base = config.learning_rate if config.stage == "brn" else config.backbone_learning_rate
            rate = base * published_multiplier(name)
        else:
            rate = config.backbone_learning_rate if name.startswith("rln.backbone.") else config.learning_rate
        groups.setdefault(rate, []).append(parameter)
    return [{"params": parameters, "peak": rate} for rate, parameters in groups.items()]


def published_multiplier(name: str) -> int:
    """By how much the published network multiplies the learning rate of a parameter (code: `lr_mult`).

    Convolutions of the heads have 10, their biases 20; the backbone's biases, of batch-norms too, 2; everything else 1:
    the feedback, the learned scales of the context features, and BRN, weights and biases alike.
    """
    is_bias = name.endswith(".bias")
    if name.startswith("rln.heads.") and not name.endswith(".scale"):
        return 20 if is_bias else 10
    return 2 if name.startswith("rln.backbone.") and is_bias else 1
