"""Prompts: a box, a click or a mask that says which object is meant.

A prompt becomes the weight maps of time step t = 0 at every level: 90 % of a map's mass lies on the prompted area, the
rest evenly everywhere. Later time steps have maps of their own and remember the object by the feedback; where feedback
carries features without their attention (the published network), all time steps are prompted. A prompt is an edit like
any other (`dgrl.taps`): equal prompts are equal values that can be hashed and pickled.

A click is first turned into a mask: the connected part of the unprompted map, where it is above one half, that lies
under the click. Where the unprompted map shows nothing there, the mask is a disc around the click, whose result, grown
a little, is the next mask, three times.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dgrl.data.masks import read_levels
from dgrl.images import RGB, Picture
from dgrl.network.config import DGRLConfig
from dgrl.places import carried, contains, shares
from dgrl.taps import EVERY, Edit, weight_map_name
from dgrl.trace import FOUND

if TYPE_CHECKING:
    from dgrl.model import DGRL

Box = tuple[float, float, float, float]
"""Left, top, right, bottom; the right and bottom edges are outside the box, as in Pillow and NumPy slices."""
Point = tuple[float, float]
"""Column and row of a pixel."""
Mask = NDArray[np.bool_]
Find = Callable[..., NDArray[np.float32]]
"""Return RLN's last prediction (h, w) of a photo, with the edits that are given as arguments."""

SHARE = 0.9
"""Share of a weight map's mass that a prompt puts on its area."""
RADIUS = 1 / 8
"""Radius of the disc around a click, as a share of RLN's square input: 48 of 384 pixels."""
GROWTH = 1 / 32
"""Growth of a disc's result before it is the next prompt, as a share of RLN's input: 12 of 384 pixels."""
ROUNDS = 3
"""Number of times that a disc's result becomes the next prompt."""


class _Prompt(ABC):
    """A function of a `weights` edit that puts the same map in place of each weight map of a batch."""

    def __call__(self, weights: Tensor) -> Tensor:
        """Return the map that replaces `weights` (B, 1, h, w)."""
        return self.weights(weights.shape[-2], weights.shape[-1]).to(weights.device, weights.dtype).expand_as(weights)

    @abstractmethod
    def weights(self, height: int, width: int) -> Tensor:
        """Return the map (height, width), with mean 1."""


@dataclass(frozen=True)
class BoxPrompt(_Prompt):
    """Weight maps that look at a box; edges are shares of the photo's width and height. See `box_prompt`."""

    left: float
    top: float
    right: float
    bottom: float
    share: float = SHARE

    def weights(self, height: int, width: int) -> Tensor:
        """Return the map (height, width), with mean 1."""
        left, top, right, bottom = torch.tensor([self.left, self.top, self.right, self.bottom], dtype=torch.float64)
        rows, columns = _covered(top, bottom, height), _covered(left, right, width)
        return _weights_on(rows[:, None] * columns, self.share)


@dataclass(frozen=True)
class MaskPrompt(_Prompt):
    """Weight maps that look at a mask; `grey` holds its rows, one byte per pixel. See `mask_prompt`."""

    height: int
    width: int
    grey: bytes
    share: float = SHARE

    def weights(self, height: int, width: int) -> Tensor:
        """Return the map (height, width), with mean 1."""
        grey = torch.frombuffer(bytearray(self.grey), dtype=torch.uint8).view(self.height, self.width)
        rows, columns = _overlap(self.height, height), _overlap(self.width, width)
        return _weights_on(rows.T @ grey.double() @ columns, self.share)


def box_prompt(left: float, top: float, right: float, bottom: float, share: float = SHARE, t: int | str = 0) -> Edit:
    """Make the weight maps of every level look at a box.

    Args:
        left, top, right, bottom: the box's edges as shares of the photo's width and height, in [0, 1].
        share: share of a map's mass that lies on the box, in [0, 1].
        t: the time step; `dgrl.taps.EVERY` for all.

    Raises:
        ValueError: the box has no area, or lies outside the photo.
    """
    left, top, right, bottom = float(left), float(top), float(right), float(bottom)
    if not all(0 <= edge <= 1 for edge in (left, top, right, bottom)):
        raise ValueError("the edges of a prompt's box are shares of the photo's width and height, from 0 to 1")
    if not (left < right and top < bottom):
        raise ValueError("the prompt's box has no area; its edges are left, top, right, bottom")
    return Edit(weight_map_name(EVERY, t), BoxPrompt(left, top, right, bottom, _checked(share)))


def mask_prompt(mask: Picture, share: float = SHARE, t: int | str = 0) -> Edit:
    """Make the weight maps of every level look at a mask, which is stretched over the photo.

    Args:
        mask: an array (H, W) of bool, or of floats in [0, 1], or anything else that `dgrl.data.masks` reads: white, or
            the alpha channel, is the object that is meant.
        share: share of a map's mass that lies on the mask, in [0, 1].
        t: the time step; `dgrl.taps.EVERY` for all.

    Raises:
        ValueError: the mask is empty, or cannot be read.
    """
    grey = read_levels(mask).values
    if not grey.any():
        raise ValueError("the prompt's mask has no area: nothing in it is white")
    return Edit(weight_map_name(EVERY, t), MaskPrompt(grey.shape[0], grey.shape[1], grey.tobytes(), _checked(share)))


def prompt_edits(
    model: "DGRL",
    photo: RGB,
    box: Box | None = None,
    point: Point | None = None,
    prompt: Picture | None = None,
    steps: int | None = None,
    edits: Sequence[Edit] = (),
) -> tuple[Edit, ...]:
    """Return the edits that stand for a prompt of one photo: none for no prompt, else a single one.

    Args:
        model: the network; a click asks it what it finds without a prompt.
        photo: (H, W, 3) uint8.
        box: (left, top, right, bottom) in the photo's pixels; what reaches over the photo's edges is cut off.
        point: (column, row) of one of the photo's pixels.
        prompt: a mask of the object that is meant (see `mask_prompt`).
        steps: T of the pass.
        edits: other edits of the pass, which are applied when a click is resolved.

    Raises:
        ValueError: more than one prompt is given, it lies outside the photo or has no area, or the network has no
            weight maps.
    """

    def find(*prompts: Edit) -> NDArray[np.float32]:
        return model.trace_localised(photo, steps, [*prompts, *edits]).steps[-1].saliency

    return resolved_prompt(model.config, photo.shape, find, box, point, prompt)


def resolved_prompt(
    config: DGRLConfig,
    shape: tuple[int, ...],
    find: Find,
    box: Box | None = None,
    point: Point | None = None,
    prompt: Picture | None = None,
) -> tuple[Edit, ...]:
    """Return the edits that stand for a prompt of a photo of this shape (H, W, …), as `prompt_edits` does.

    Args:
        config: of the network.
        shape: the photo's.
        find: runs RLN; a click needs it.
        box, point, prompt: see `prompt_edits`.
    """
    names = [name for name, value in (("box", box), ("point", point), ("prompt", prompt)) if value is not None]
    if not names:
        return ()
    if len(names) > 1:
        raise ValueError(f"a pass takes one prompt: give {' or '.join(names)}, not both")
    if not config.context:
        raise ValueError("this network has no weight maps (context is off), so it takes no prompt")
    t = _prompted_steps(config)
    if box is not None:
        return (box_prompt(*box_shares(box, shape), t=t),)
    if prompt is None:
        assert point is not None
        x, y = _numbers("point", point, "column, row")
        prompt = _clicked(find, (x, y), shape, t)
    return (mask_prompt(prompt, t=t),)


def box_shares(box: Box, shape: tuple[int, ...]) -> Box:
    """Convert a box in pixels of a photo of this shape (H, W, …) to shares of its width and height.

    Raises:
        ValueError: the box has no area, or none of it lies on the photo.
    """
    height, width = shape[:2]
    left, top, right, bottom = _numbers("box", box, "left, top, right, bottom")
    prompt = f"the prompt's box {left:g},{top:g},{right:g},{bottom:g}"
    if not (left < right and top < bottom):  # which NaN is not either
        raise ValueError(f"{prompt} has no area; its edges are left, top, right, bottom")
    if left >= width or top >= height or right <= 0 or bottom <= 0:
        raise ValueError(f"{prompt} lies outside the photo of {width}×{height} pixels")
    return max(left / width, 0.0), max(top / height, 0.0), min(right / width, 1.0), min(bottom / height, 1.0)


def _numbers(name: str, values: Sequence[float], parts: str) -> tuple[float, ...]:
    """Return a prompt's numbers; ValueError if they are not as many numbers as its `parts`."""
    try:
        numbers = () if isinstance(values, str) else tuple(float(value) for value in values)
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) != len(parts.split(", ")):
        raise ValueError(f"{name} is ({parts}) in pixels of the photo, not {values!r}")
    return numbers


def part_at(saliency: NDArray[np.float32], x: float, y: float, shape: tuple[int, ...]) -> Mask | None:
    """Return the connected part of a map (h, w) above one half that lies at a pixel of the photo of this shape.

    Pixels are connected to those above, below and beside them.

    Returns:
        (h, w); None if the map is not above one half there.

    Raises:
        ValueError: the pixel lies outside the photo.
    """
    from scipy import ndimage  # half a second

    if not contains(x, y, shape):
        raise ValueError(f"the prompt's point {x:g},{y:g} lies outside the photo of {shape[1]}×{shape[0]} pixels")
    column, row = carried(int(x), int(y), shape, saliency.shape)
    parts, _ = ndimage.label(saliency > FOUND)
    part: Mask = parts == parts[row, column]
    return part if parts[row, column] else None


def disc_at(x: float, y: float, shape: tuple[int, ...], size: tuple[int, int]) -> Mask:
    """Return a disc of `RADIUS` around a pixel of the photo of this shape, as a mask of `size` (h, w)."""
    across, down = shares(int(x), int(y), shape)
    rows, columns = ((np.arange(side) + 0.5) / side for side in size)
    disc: Mask = (rows[:, None] - down) ** 2 + (columns - across) ** 2 < RADIUS**2
    return disc


def grown(mask: Mask) -> Mask:
    """Dilate a mask (h, w) by `GROWTH`."""
    from scipy import ndimage

    sampling = [1 / side for side in mask.shape]
    wider: Mask = ndimage.distance_transform_edt(~mask, sampling=sampling) <= GROWTH
    return wider


def _prompted_steps(config: DGRLConfig) -> int | str:
    """Return the prompted time steps: t = 0, or all if the network's feedback does not carry attention onwards."""
    return 0 if config.feedback == "attended" else EVERY


def _clicked(find: Find, point: Point, shape: tuple[int, ...], t: int | str) -> Mask:
    """Return the mask that a click selects."""
    saliency = find()
    part = part_at(saliency, *point, shape)
    if part is not None:
        return part
    mask = disc_at(*point, shape, (saliency.shape[0], saliency.shape[1]))
    for _ in range(ROUNDS):
        result = find(mask_prompt(mask, t=t)) > FOUND
        if not result.any():
            break
        mask = grown(result)
    return mask


def _checked(share: float) -> float:
    if not 0 <= share <= 1:
        raise ValueError(f"the share of a prompt is from 0 to 1, not {share}")
    return float(share)


def _weights_on(area: Tensor, share: float) -> Tensor:
    """Return a map with `share` of its mass on `area` (h, w), of any scale, and the rest everywhere; its mean is 1."""
    return (1 - share + share * area / area.mean()).float()


def _covered(start: Tensor, end: Tensor, cells: int) -> Tensor:
    """Return how much of each cell (…, cells) lies between `start` and `end` (…), from 0 to 1 along the row.

    Cells are equal parts of the photo, as in training (`dgrl.training.losses.mask_as_map`).
    """
    edges = torch.linspace(0, 1, cells + 1, dtype=torch.float64)
    return (edges[1:].minimum(end[..., None]) - edges[:-1].maximum(start[..., None])).clamp(min=0) * cells


def _overlap(pixels: int, cells: int) -> Tensor:
    """Return each cell's share (pixels, cells) that each pixel covers."""
    edges = torch.linspace(0, 1, pixels + 1, dtype=torch.float64)
    return _covered(edges[:-1], edges[1:], cells)
