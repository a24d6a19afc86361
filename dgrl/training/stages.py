"""The stages of training as modules, which compute the loss of a batch. Each makes its data and has its parameters."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms import v2

from dgrl.data.batch import Batch
from dgrl.data.crops import CropData, cut, valid_interior
from dgrl.data.pairs import Pair, SaliencyData, augmentation, plain_resize
from dgrl.model import DGRL
from dgrl.network.brn import BRNOutput
from dgrl.taps import listening
from dgrl.training.config import TrainingConfig
from dgrl.training.losses import lean_loss, localisation_loss, refinement_loss
from dgrl.training.named import NOTHING, GivenMaps, NamedData
from dgrl.training.stored import StoredCropData, still, store_maps


class TrainingStage(nn.Module):
    """The base class of all stages. A stage's parameters are those that it trains."""

    def __init__(self, model: DGRL, config: TrainingConfig) -> None:
        super().__init__()
        self.config = config
        self.sizing = model.sizing
        self.rln_size, self.brn_size = model.config.rln_size, model.config.brn_size
        for number, block in enumerate(model.rln.backbone.children()):
            block.requires_grad_(number >= config.frozen_blocks)

    def make_data(self, pairs: Sequence[Pair]) -> SaliencyData:
        """Return the stage's data: pictures of BRN's size, with windows to cut."""
        config, size = self.config, self.brn_size
        crop = config.crop or size
        return CropData(
            pairs, transform(size, config), config.seed, crop, config.crops_per_picture, config.boundary_share
        )

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the parameters by learning rate; "peak" is the rate that the schedule scales."""
        config = self.config
        groups: dict[float, list[nn.Parameter]] = {}
        for name, parameter in self.named_parameters():
            if config.multipliers:
                base = config.learning_rate if config.stage == "brn" else config.backbone_learning_rate
                rate = base * published_multiplier(name)
            else:
                rate = config.backbone_learning_rate if name.startswith("rln.backbone.") else config.learning_rate
                rate *= config.head_rate if name.startswith("rln.heads.") else 1
            groups.setdefault(rate, []).append(parameter)
        return [{"params": parameters, "peak": rate} for rate, parameters in groups.items()]


class LocaliseStage(TrainingStage):
    """RLN with the supervision of all its time steps."""

    def __init__(self, model: DGRL, config: TrainingConfig) -> None:
        super().__init__(model, config)
        self.rln = model.rln
        # Without CWM there are no weight maps for a prompt.
        self.named_share = config.named_share if model.config.context else 0.0
        # In a list, so that the teacher's weights are not among this stage's parameters.
        self.teacher = [DGRL.from_pretrained(config.teacher)] if config.teacher else []

    def make_data(self, pairs: Sequence[Pair]) -> SaliencyData:
        """Return the stage's data: pictures of RLN's training size, some with a prompt for one of two objects."""
        config = self.config
        settings = pairs, transform(config.size, config), config.seed, config.paste_share, config.page_share
        return NamedData(*settings, self.named_share) if self.named_share else SaliencyData(*settings)

    def forward(self, batch: Batch) -> Tensor:
        """Compute the loss of a batch, in which pictures may have weight maps of their own (`dgrl.training.named`)."""
        given, places = batch.given, batch.places
        with nullcontext() if given is None or places is None else listening(GivenMaps(places, given)):
            output = self.rln(batch.images, self.config.steps)
        masks = batch.masks
        for teacher in self.teacher:
            masks = self.softened(teacher.to(masks.device), batch)
        return localisation_loss(output, masks, self.config)

    @torch.no_grad()
    def softened(self, teacher: DGRL, batch: Batch) -> Tensor:
        """Mix masks (B, 1, S, S) with the teacher's mean map of the same images and their mirror images.

        A picture without an object keeps its mask, and so does one with a prompt, because the teacher takes none.
        """
        steps, images, masks = self.config.teacher_steps, batch.images, batch.masks
        teacher_maps, mirrored = (teacher.rln(view, steps).saliency for view in (images, images.flip(3)))
        teacher_maps = (teacher_maps + mirrored.flip(3)) / 2
        counts = masks.amax((1, 2, 3), keepdim=True)
        if batch.given is not None:
            counts = counts * (batch.given == NOTHING).view(-1, 1, 1, 1)
        return masks.lerp(teacher_maps.to(masks.dtype), self.config.teacher_weight * counts)


class RefineStage(TrainingStage):
    """BRN on a fixed RLN's maps, on crops of them."""

    def __init__(self, model: DGRL, config: TrainingConfig) -> None:
        super().__init__(model, config)
        self.brn = model.brn
        # In a list, so that RLN's weights are not among this stage's parameters.
        self.fixed = [model]
        self.files: list[Path] = []
        model.rln.eval()

    def store_maps(self, pairs: Sequence[Pair], folder: Path) -> None:
        """Store RLN's maps of all pictures in `folder`; data made afterwards read them."""
        self.files = store_maps(self.fixed[0], pairs, folder, self.config.steps)

    def make_data(self, pairs: Sequence[Pair]) -> SaliencyData:
        """Return the data as in other stages, with RLN's maps if they are stored."""
        if not self.files:
            return super().make_data(pairs)
        config = self.config
        crops = config.crop or self.brn_size, config.crops_per_picture, config.boundary_share
        return StoredCropData(pairs, still(config.augment), config.seed, *crops, self.files, config.doubt_share)

    def forward(self, batch: Batch) -> Tensor:
        """Compute the loss of a batch with windows to cut, and first RLN's maps unless they are stored."""
        corners = corners_of(batch)
        images, prior = batch.images, batch.priors
        if prior is None:
            (model,) = self.fixed
            # In float32 also where training lowers precision: these maps are what BRN will see in use.
            with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
                saliency = model.localise(images, self.config.steps).saliency
                images, prior = self.sizing.for_brn(images, saliency, self.brn_size)
        return crops_loss(self.brn, images, prior, batch.masks, corners, self.config)


class JointStage(TrainingStage):
    """RLN and BRN together: BRN's error reaches RLN through the map that it refines."""

    def __init__(self, model: DGRL, config: TrainingConfig) -> None:
        super().__init__(model, config)
        self.rln = model.rln
        self.brn = model.brn

    def forward(self, batch: Batch) -> Tensor:
        """Compute the loss of a batch with windows to cut."""
        corners = corners_of(batch)
        images, masks = batch.images, batch.masks
        localised = self.rln(self.sizing.for_rln(images, self.rln_size), self.config.steps)
        loss = localisation_loss(localised, F.interpolate(masks, (self.rln_size, self.rln_size)), self.config)
        images, prior = self.sizing.for_brn(images, localised.saliency, self.brn_size)
        return loss + crops_loss(self.brn, images, prior, masks, corners, self.config)


def corners_of(batch: Batch) -> Tensor:
    """Choose the windows to cut, (B, K, 2), on the CPU, before a GPU has work that it would have to finish first."""
    if batch.corners is None:
        raise ValueError("this stage is trained on crops: its batches need `corners`")
    return batch.corners.cpu()


def crops_loss(
    brn: nn.Module, images: Tensor, prior: Tensor, masks: Tensor, corners: Tensor, config: TrainingConfig
) -> Tensor:
    """Compute BRN's loss in the windows at `corners` (B, K, 2), where the window's edge does not change the result."""
    crop = config.crop or max(masks.shape[-2:])
    counted = valid_interior(masks, corners, crop, brn.reach)  # type: ignore[arg-type]
    images, prior, masks = (cut(maps, corners, crop) for maps in (images, prior, masks))
    output: BRNOutput = brn(images, prior)
    loss = refinement_loss(output.evidence, masks, counted, config)
    if config.lean_weight:
        loss = loss + config.lean_weight * lean_loss(output.coefficients, masks, counted)
    return loss


def make_stage(model: DGRL, config: TrainingConfig) -> TrainingStage:
    """Return the stage that `config` names."""
    kinds: dict[str, type[TrainingStage]] = {"rln": LocaliseStage, "brn": RefineStage, "joint": JointStage}
    return kinds[config.stage](model, config)


def transform(size: int, config: TrainingConfig) -> v2.Transform:
    """Return the transform that makes a picture and its mask squares of `size`, augmented or unchanged."""
    return augmentation(size, config.smallest_crop) if config.augment else plain_resize(size)


def published_multiplier(name: str) -> int:
    """Return the factor of a parameter's learning rate in the published network (code: `lr_mult`).

    Convolutions of the heads have 10, their biases 20; the backbone's biases, of batch-norms too, 2; everything else 1:
    the feedback, the learned scales of the context features, and BRN, weights and biases alike.
    """
    is_bias = name.endswith(".bias")
    if name.startswith("rln.heads.") and not name.endswith(".scale"):
        return 20 if is_bias else 10
    return 2 if name.startswith("rln.backbone.") and is_bias else 1
