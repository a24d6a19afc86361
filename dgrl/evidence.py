"""What an attribution explains: one number that the network computes, given how much of the photo it sees."""

import copy
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms import functional as transforms

from dgrl.images import RGB, to_tensor
from dgrl.model import DGRL
from dgrl.places import carried, contains
from dgrl.rln import RLNStep
from dgrl.taps import LEVELS
from dgrl.trace import FOUND

Baseline = Literal["blurred", "grey", "black"]
BASELINES: tuple[Baseline, ...] = ("blurred", "grey", "black")
BLUR = 1 / 20
Module = TypeVar("Module", bound=nn.Module)


@dataclass(frozen=True)
class PixelTarget:
    """How much the network takes one pixel for the object.

    Attributes:
        x, y: the photo's pixel, column and row.
        step: the time step t of RLN whose logits are meant, object minus background; None for the last.
        refined: BRN's evidence instead, foreground minus background (section 4 of the paper). It follows RLN's last
            step, so `step` must be None.
    """

    x: int
    y: int
    step: int | None = None
    refined: bool = False


@dataclass(frozen=True)
class ObjectTarget:
    """How much RLN takes the object for one: the mean difference of its logits over the object.

    The object is where the prediction of this very time step, on the whole photo, is above one half.

    Attributes:
        step: the time step t; None for the last.
    """

    step: int | None = None


@dataclass(frozen=True)
class CellTarget:
    """One weight of a Contextual Weighting Module.

    Attributes:
        level: "conv3", "conv4" or "conv5".
        row, column: the cell of the level's weight map.
        step: the time step t; None for the last.
    """

    level: str
    row: int
    column: int
    step: int | None = None


Target = PixelTarget | ObjectTarget | CellTarget


class Evidence:
    """The target's value, given how visible each place of the photo is.

    Visibility (B, 1, S, S) over RLN's square is 1 where the photo is seen, 0 where the baseline is, and between them
    their blend: x = baseline + visibility · (photo − baseline). Attribution to visibility is attribution to the
    picture, its three channels added: ∂F/∂visibility = Σ_c ∂F/∂x_c · (photo_c − baseline_c). RLN and BRN read the photo
    in different sizes, and visibility is the same for both.

    The networks in it are copies that share the model's weights, so the model can work meanwhile and stays as it is.

    Args:
        model: the network.
        photo: (H, W, 3) uint8.
        target: what to compute.
        steps: T of the pass; None for the number trained.
        baseline: what is seen where nothing is: the photo blurred beyond recognition, its mean grey, or black.

    Attributes:
        side: S.
        step: the time step t that the target reads; nothing runs beyond it.

    Raises:
        ValueError: the target is not in this pass, or the baseline is unknown; the message says what there is.
        FloatingPointError: the network gives NaN or infinite values.
    """

    def __init__(
        self, model: DGRL, photo: RGB, target: Target, steps: int | None = None, baseline: Baseline = "blurred"
    ) -> None:
        self.target = target
        self.step = _step(target, model.config.steps if steps is None else steps)
        self.side = model.config.rln_size
        self.rln = _frozen(model.rln)
        self.photo = to_tensor(photo).to(model.device)
        self.sizing = model.sizing
        self.picture = self.sizing.for_rln(self.photo, self.side)  # (1, 3, 384, 384)
        self.baseline = _baseline(self.picture, baseline)
        last = self._rln(self.all_visible(1.0))
        if not torch.isfinite(last.logits).all():
            raise FloatingPointError("the network gave NaN or infinite values; its weights are at fault")
        if isinstance(target, PixelTarget):
            self._aim_at_pixel(model, target, baseline, last)
        elif isinstance(target, ObjectTarget):
            self.object = (last.saliency > FOUND).float()  # (1, 1, 384, 384)
            if not self.object.any():
                raise ValueError(f"nothing stands out at t = {self.step}, so there is no object to explain")
        else:
            _check_cell(target, last)

    def all_visible(self, share: float) -> Tensor:
        """(1, 1, S, S): the same visibility everywhere."""
        return torch.full((1, 1, self.side, self.side), share, device=self.photo.device)

    @torch.no_grad()
    def value(self, share: float) -> float:
        """The target's value with the same visibility everywhere: 1 is the photo, 0 the baseline."""
        return float(self(self.all_visible(share)))

    def __call__(self, visibility: Tensor) -> Tensor:
        """The target's value (B,) for visibilities (B, 1, S, S)."""
        last = self._rln(visibility)
        target = self.target
        if isinstance(target, CellTarget):
            return last.weight_maps[target.level][:, 0, target.row, target.column]
        if isinstance(target, PixelTarget) and target.refined:
            return self._refined(visibility, last.saliency)
        evidence = last.logits[:, 1] - last.logits[:, 0]  # (B, 384, 384)
        if isinstance(target, ObjectTarget):
            return (evidence * self.object[:, 0]).sum((1, 2)) / self.object.sum()
        return evidence[:, self.row, self.column]

    def _rln(self, visibility: Tensor) -> RLNStep:
        visible = self.baseline + visibility * (self.picture - self.baseline)
        return self.rln(visible, self.step).steps[-1]

    def _refined(self, visibility: Tensor, saliency: Tensor) -> Tensor:
        """BRN's evidence at the pixel. BRN sees `reach` pixels far, so it computes no more than that neighbourhood."""
        top, bottom, left, right = self.window
        size = self.brn_picture.shape[-1]
        visibility = F.interpolate(visibility, (size, size), mode="bilinear", antialias=True)
        visible = self.brn_baseline + visibility * (self.brn_picture - self.brn_baseline)
        prior = self.sizing.for_brn(self.photo, saliency, size)[1]
        output = self.brn(visible[..., top:bottom, left:right], prior[..., top:bottom, left:right])
        return output.evidence[:, 0, self.row - top, self.column - left]

    def _aim_at_pixel(self, model: DGRL, target: PixelTarget, baseline: Baseline, last: RLNStep) -> None:
        """Find the target's pixel in RLN's map, or in BRN's with the window that BRN needs for it."""
        height, width = self.photo.shape[-2:]
        if not contains(target.x, target.y, (height, width)):
            raise ValueError(f"pixel ({target.x}, {target.y}) is outside the photo of {width}×{height} pixels")
        size = model.config.brn_size if target.refined else self.side
        self.column, self.row = carried(target.x, target.y, (height, width), (size, size))
        if target.refined:
            self.brn = _frozen(model.brn)
            self.brn_picture = self.sizing.for_brn(self.photo, last.saliency, size)[0]
            self.brn_baseline = _baseline(self.brn_picture, baseline)
            reach = self.brn.reach
            self.window = (
                *(max(self.row - reach, 0), min(self.row + reach + 1, size)),
                *(max(self.column - reach, 0), min(self.column + reach + 1, size)),
            )


def _frozen(module: Module) -> Module:
    """A copy in evaluation mode that shares the weights but collects no gradients for them."""
    shared: dict[int, object] = {id(buffer): buffer for buffer in module.buffers()}
    shared |= {id(p): nn.Parameter(p.detach(), requires_grad=False) for p in module.parameters()}
    return copy.deepcopy(module, shared).eval()


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
    """Pictures (..., H, W) under a Gaussian of this standard deviation in pixels, cut at three of them."""
    width = 2 * round(3 * deviation) + 1
    return transforms.gaussian_blur(pictures, [width, width], [deviation, deviation])


def _baseline(picture: Tensor, kind: Baseline) -> Tensor:
    """(1, 3, S, S), or what broadcasts to it: what is seen of a picture (1, 3, S, S) where nothing is."""
    if kind == "blurred":
        return blurred(picture, picture.shape[-1] * BLUR)
    if kind == "grey":
        return picture.mean().expand_as(picture)
    if kind == "black":
        return torch.zeros_like(picture)
    raise ValueError(f"there is no baseline {kind!r}: choose {', '.join(BASELINES)}")
