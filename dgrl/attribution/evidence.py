"""The value that an attribution explains, as a function of the visible parts of the photo."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms import functional as transforms

from dgrl.attribution.question import BASELINES, Baseline, CellTarget, ObjectTarget, PixelTarget, Target
from dgrl.images import RGB, to_tensor
from dgrl.model import DGRL
from dgrl.network.brn import BRN
from dgrl.network.rln import RLNStep
from dgrl.network.sizing import Sizing
from dgrl.places import carried, contains
from dgrl.running.folding import folded
from dgrl.taps import LEVELS
from dgrl.trace import FOUND

BLUR = 1 / 20
Module = TypeVar("Module", bound=nn.Module)
Reader = Callable[[RLNStep, Tensor], Tensor]
"""Function that returns the target's value (B,) from RLN's last step and the photo's visibility (B, 1, S, S)."""


@dataclass(frozen=True)
class OfPixel:
    """RLN's evidence at one pixel of its map."""

    row: int
    column: int

    def __call__(self, last: RLNStep, _visibility: Tensor) -> Tensor:
        """See `Reader`."""
        return _log_odds(last)[:, self.row, self.column]


@dataclass(frozen=True)
class OfObject:
    """RLN's mean evidence over the object (1, 1, S, S)."""

    object: Tensor

    def __call__(self, last: RLNStep, _visibility: Tensor) -> Tensor:
        """See `Reader`."""
        return (_log_odds(last) * self.object[:, 0]).sum((1, 2)) / self.object.sum()


@dataclass(frozen=True)
class OfCell:
    """The weight of one cell of an attention map."""

    target: CellTarget

    def __call__(self, last: RLNStep, _visibility: Tensor) -> Tensor:
        """See `Reader`."""
        return last.weight_maps[self.target.level][:, 0, self.target.row, self.target.column]


@dataclass(frozen=True)
class OfRefinedPixel:
    """BRN's evidence at one pixel of its map. Only the `reach` pixels around it that influence it are computed."""

    brn: BRN
    sizing: Sizing
    photo: Tensor
    picture: Tensor
    baseline: Tensor
    row: int
    column: int

    def __call__(self, last: RLNStep, visibility: Tensor) -> Tensor:
        """See `Reader`."""
        size = self.picture.shape[-1]
        top, left = (max(place - self.brn.reach, 0) for place in (self.row, self.column))
        bottom, right = (min(place + self.brn.reach + 1, size) for place in (self.row, self.column))
        visibility = F.interpolate(visibility, (size, size), mode="bilinear", antialias=True)
        visible = self.baseline + visibility * (self.picture - self.baseline)
        prior = self.sizing.for_brn(self.photo, last.saliency, size)[1]
        output = self.brn(visible[..., top:bottom, left:right], prior[..., top:bottom, left:right])
        evidence: Tensor = output.evidence[:, 0, self.row - top, self.column - left]
        return evidence


class Evidence:
    """Computes the target's value from the visibility of each part of the photo.

    Visibility (B, 1, S, S) over RLN's square input is 1 where the photo is visible and 0 where the baseline is; values
    between blend them: x = baseline + visibility · (photo − baseline). Attribution to visibility equals attribution to
    the photo with its three channels added: ∂F/∂visibility = Σ_c ∂F/∂x_c · (photo_c − baseline_c). RLN and BRN read the
    photo in different sizes; visibility is resized for both.

    The networks are copies, so the model is not changed and can be used at the same time. RLN's copy is folded and
    channels-last, because attribution runs it dozens of times.

    Args:
        model: the network.
        photo: (H, W, 3) uint8.
        target: what to compute.
        steps: T of the pass; None for `config.steps`.
        baseline: what replaces hidden parts: the photo strongly blurred, its mean grey, or black.

    Attributes:
        side: S.
        step: the target's time step t; later steps are not computed.
        reader: the function that reads the target.

    Raises:
        ValueError: the target is not in this pass, or the baseline is unknown; the message says what is allowed.
        FloatingPointError: the network returns NaN or infinite values.
    """

    def __init__(
        self, model: DGRL, photo: RGB, target: Target, steps: int | None = None, baseline: Baseline = "blurred"
    ) -> None:
        self.target = target
        self.step = _step(target, model.config.steps if steps is None else steps)
        self.side = model.config.rln_size
        self.rln = _frozen(model.rln)
        self.rln.backbone = folded(self.rln.backbone)
        self.rln = self.rln.to(memory_format=torch.channels_last)  # type: ignore[call-overload, unused-ignore]
        self.photo = to_tensor(photo)
        self.sizing = model.sizing
        self.picture = self.sizing.for_rln(self.photo, self.side).to(model.device)  # (1, 3, 384, 384)
        self.baseline = _baseline(self.picture, baseline)
        last = self._rln(self.all_visible(1.0))
        if not torch.isfinite(last.logits).all():
            raise FloatingPointError("the network returned NaN or infinite values, because of its weights")
        self.reader = self._reader(model, baseline, last)

    def all_visible(self, share: float) -> Tensor:
        """Return the same visibility everywhere (1, 1, S, S)."""
        return torch.full((1, 1, self.side, self.side), share, device=self.picture.device)

    @torch.no_grad()
    def value(self, share: float) -> float:
        """Return the target's value with the same visibility everywhere: 1 is the photo, 0 the baseline."""
        return float(self(self.all_visible(share)))

    def __call__(self, visibility: Tensor) -> Tensor:
        """Return the target's value (B,) for visibilities (B, 1, S, S)."""
        return self.reader(self._rln(visibility), visibility)

    @torch.no_grad()
    def values(self, shares: Sequence[float], batch_size: int) -> list[float]:
        """Return the target's values for several shares (see `value`), in batches."""
        values: list[float] = []
        for start in range(0, len(shares), batch_size):
            batch = torch.tensor(shares[start : start + batch_size], device=self.picture.device).view(-1, 1, 1, 1)
            values += self(batch.expand(-1, 1, self.side, self.side)).tolist()
        return values

    def with_random_heads(self, seed: int) -> "Evidence":
        """Return the evidence with randomised heads (CWM, side outputs, fusion; for a refined pixel also BRN).

        Each tensor's weights are shuffled, which keeps their distribution (Adebayo et al., 2018).
        """
        randomised = copy.copy(self)
        randomised.rln = _frozen(self.rln)
        shuffle(randomised.rln.heads, seed)
        if isinstance(self.reader, OfRefinedPixel):
            randomised.reader = replace(self.reader, brn=_frozen(self.reader.brn))
            shuffle(randomised.reader.brn, seed)
        return randomised

    def _rln(self, visibility: Tensor) -> RLNStep:
        visible = self.baseline + visibility * (self.picture - self.baseline)
        return self.rln.last(visible, self.step)

    def _reader(self, model: DGRL, baseline: Baseline, last: RLNStep) -> Reader:
        """Return the target's reader; ValueError if the target does not exist. `last` is RLN's step on the photo."""
        target, shape = self.target, self.photo.shape[-2:]
        if isinstance(target, CellTarget):
            _check_cell(target, last)
            return OfCell(target)
        if isinstance(target, ObjectTarget):
            object_mask = (last.saliency > FOUND).float()  # (1, 1, 384, 384)
            if not object_mask.any():
                raise ValueError(f"nothing stands out at t = {self.step}, so there is no object to explain")
            return OfObject(object_mask)
        if not contains(target.x, target.y, shape):
            raise ValueError(f"pixel ({target.x}, {target.y}) is outside the photo of {shape[1]}×{shape[0]} pixels")
        size = model.config.brn_size if target.refined else self.side
        column, row = carried(target.x, target.y, shape, (size, size))
        if not target.refined:
            return OfPixel(row, column)
        picture = self.sizing.for_brn(self.photo, last.saliency, size)[0].to(model.device)
        seen_nowhere = _baseline(picture, baseline)
        return OfRefinedPixel(_frozen(model.brn), self.sizing, self.photo, picture, seen_nowhere, row, column)


def _log_odds(last: RLNStep) -> Tensor:
    """Return RLN's logits, object minus background (B, S, S)."""
    return last.logits[:, 1] - last.logits[:, 0]


def _frozen(module: Module) -> Module:
    """Return a copy in evaluation mode that shares the weights but computes no gradients for them."""
    shared: dict[int, object] = {id(buffer): buffer for buffer in module.buffers()}
    shared |= {id(p): nn.Parameter(p.detach(), requires_grad=False) for p in module.parameters()}
    return copy.deepcopy(module, shared).eval()


def shuffle(module: nn.Module, seed: int) -> None:
    """Shuffle each tensor of a module's weights, in place."""
    generator = torch.Generator().manual_seed(seed)
    for parent in module.modules():
        for name, parameter in list(parent.named_parameters(recurse=False)):
            order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
            shuffled = parameter.detach().flatten()[order].view_as(parameter)
            setattr(parent, name, nn.Parameter(shuffled, requires_grad=False))


def _step(target: Target, last: int) -> int:
    if isinstance(target, PixelTarget) and target.refined and target.step is not None:
        raise ValueError("the refined map follows the last time step, so no other can be chosen for it")
    step = last if target.step is None else target.step
    if not 0 <= step <= last:
        raise ValueError(f"there is no time step {step}: this pass has t = 0 to {last}")
    return step


def _check_cell(target: CellTarget, last: RLNStep) -> None:
    if target.level not in LEVELS:
        raise ValueError(f"there is no level {target.level!r}: weight maps are at {', '.join(LEVELS)}")
    if target.level not in last.weight_maps:
        raise ValueError("this network has no Contextual Weighting Module, so there are no weight maps")
    rows, columns = last.weight_maps[target.level].shape[-2:]
    if not (0 <= target.row < rows and 0 <= target.column < columns):
        place = f"row {target.row}, column {target.column}"
        raise ValueError(f"{place} is outside {target.level}'s weight map of {columns}×{rows} cells")


def blurred(pictures: Tensor, deviation: float) -> Tensor:
    """Blur pictures (..., H, W) with a Gaussian of this standard deviation in pixels, truncated at three of them."""
    width = 2 * round(3 * deviation) + 1
    return transforms.gaussian_blur(pictures, [width, width], [deviation, deviation])


def _baseline(picture: Tensor, kind: Baseline) -> Tensor:
    """Return the baseline of a picture (1, 3, S, S), in that shape or one that broadcasts to it."""
    if kind == "blurred":
        return blurred(picture, picture.shape[-1] * BLUR)
    if kind == "grey":
        return picture.mean().expand_as(picture)
    if kind == "black":
        return torch.zeros_like(picture)
    raise ValueError(f"there is no baseline {kind!r}: choose {', '.join(BASELINES)}")
