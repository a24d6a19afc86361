"""What a person may alter in a pass, by name: `model.trace(photo, edits=[flatten_map("conv4"), identity_kernels()])`.

These edits are values. Equal settings give equal edits, so a pass can be kept under them; and they can be pickled, so
that the pass may run in another process. Edits of the same tap are applied in the order in which they are given.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from dgrl.taps import Edit

EVERY = "*"


def flatten_map(level: str, t: int | str = EVERY) -> Edit:
    """Make CWM's weight map at `level` ("conv3", "conv4", "conv5") weigh every place alike, at step `t` or at all."""
    return Edit(f"rln.t{t}.{level}.weight_map", 1.0)


def paint_map(level: str, painting: ArrayLike, strength: float, t: int | str = EVERY) -> Edit:
    """Multiply CWM's weight map at `level` where somebody has painted, at step `t` or at all.

    With p the share of a cell that is painted and m the weight there, the cell gets m · (1 + (strength − 1) · p). Then
    the map is divided by its mean, which is 1 again. To paint on an even map, flatten it first.

    Args:
        level: "conv3", "conv4" or "conv5".
        painting: (H, W) in [0, 1], 1 is painted, stretched over the photo; kept in 8 bits.
        strength: 0 takes the weight away, 1 changes nothing, 4 makes it four times as large.
        t: the time step.

    Raises:
        ValueError: the painting is no such map, or the strength is negative or not finite; in the pass, a strength of
            0 leaves no weight anywhere.
    """
    values = np.asarray(painting, dtype=np.float32)
    if values.ndim != 2 or values.size == 0:
        raise ValueError(f"a painting has rows and columns; this one's shape is {values.shape}")
    if not (values.min() >= 0 and values.max() <= 1):
        raise ValueError("a painting holds values from 0 to 1")
    if not (math.isfinite(strength) and strength >= 0):
        raise ValueError(f"the strength of a painting is 0 or more, not {strength}")
    grey = np.rint(values * 255).astype(np.uint8)
    return Edit(f"rln.t{t}.{level}.weight_map", Paint(grey.shape[0], grey.shape[1], grey.tobytes(), float(strength)))


def scale_feedback(block: str, factor: float, t: int | str = EVERY) -> Edit:
    """Multiply the feedback that enters `block` ("conv2" to "conv5"); a factor of 0 cuts it."""
    return Edit(f"rln.t{t}.{block}.feedback", Scale(float(factor)))


def identity_kernels() -> Edit:
    """Replace every BRN kernel by the untrained one: 1 at the centre, 0 elsewhere."""
    return Edit("brn.coefficients", Identity())


def mean_kernels() -> Edit:
    """Replace every BRN kernel by the mean of all kernels of the picture: one fixed filter instead of one per pixel."""
    return Edit("brn.coefficients", Mean())


@dataclass(frozen=True)
class Scale:
    """Times `factor`."""

    factor: float

    def __call__(self, value: Tensor) -> Tensor:
        """The value of any shape, scaled."""
        return value * self.factor


@dataclass(frozen=True)
class Paint:
    """See `paint_map`; `grey` holds the painting's rows, a byte for each of the `height` × `width` pixels."""

    height: int
    width: int
    grey: bytes
    strength: float

    def __call__(self, weights: Tensor) -> Tensor:
        """The weight map (B, 1, h, w), painted, with a mean of 1."""
        grey = torch.frombuffer(bytearray(self.grey), dtype=torch.uint8).view(self.height, self.width)
        rows, columns = (_averaging(*sizes).to(weights) for sizes in zip(grey.shape, weights.shape[-2:], strict=True))
        share = rows @ (grey.to(weights) / 255) @ columns.T  # (h, w) in [0, 1]
        painted = weights * (1 + (self.strength - 1) * share)
        mean = painted.mean((-2, -1), keepdim=True)
        if not (mean > 0).all():
            raise ValueError("the painting leaves no weight anywhere: leave a place unpainted, or raise the strength")
        return painted / mean


@dataclass(frozen=True)
class Identity:
    """See `identity_kernels`."""

    def __call__(self, coefficients: Tensor) -> Tensor:
        """Kernels of the shape of `coefficients` (B, n², H, W)."""
        kernels = torch.zeros_like(coefficients)
        kernels[:, coefficients.shape[1] // 2] = 1
        return kernels


@dataclass(frozen=True)
class Mean:
    """See `mean_kernels`."""

    def __call__(self, coefficients: Tensor) -> Tensor:
        """The mean over the picture, at every pixel of `coefficients` (B, n², H, W)."""
        return coefficients.mean((-2, -1), keepdim=True).expand_as(coefficients)


def _averaging(pixels: int, cells: int) -> Tensor:
    """(cells, pixels): each cell's mean over the pixels that are nearer to its centre than to another's.

    The first and the last cell lie on the picture's edges, as in every resizing of RLN (aligned corners).
    """
    # A painting coarser than the map has no pixel of its own for every cell: its pixels are cut into pieces.
    pieces = math.ceil(2 * cells / pixels)
    place = (torch.arange(pixels * pieces, dtype=torch.float64) + 0.5) / (pixels * pieces)
    nearest = (place * (cells - 1) + 0.5).long()
    member = torch.zeros(cells, pixels * pieces, dtype=torch.float64)
    member[nearest, torch.arange(pixels * pieces)] = 1
    shares: Tensor = member.view(cells, pixels, pieces).sum(2) / member.sum(1)[:, None]
    return shares
