"""BRN's kernels over the photo: two numbers of each kernel as colours, its mean displacement as arrows.

All functions are pure. What is measured of a kernel stands in
`dgrl.trace.KernelField`: coefficients are signed and do not sum to 1, so its moments weigh each place of the window by
its share of Σ|v|, and say where a pixel looks, whichever way it then votes.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from dgrl.figures.pixels import SALIENCY, SIGNED, SPREAD, Map, colour, largest, overlay, resize_map
from dgrl.images import RGB
from dgrl.trace import PixelTrace, Trace

CELL = 20
APART = 14
EDGE = 0.2
NARROWEST = 0.05


@dataclass(frozen=True)
class Scale:
    """A colour scale that fits a map of kernels: its ends and its colours."""

    low: float
    high: float
    colour_map: str

    def over(self, photo: RGB, values: Map, opacity: float = 0.75) -> RGB:
        """Return the map in colours over the photo (H, W, 3)."""
        height, width = photo.shape[:2]
        colours = colour(resize_map(values, height, width), self.low, self.high, self.colour_map)
        return overlay(photo, colours, opacity)


def kernel_scale(values: Map) -> Scale:
    """Return the 1st and 99th percentile, so that small differences show, but a range of at least 0.05.

    A map of both signs gets the diverging scale, white at zero.
    """
    low, high = (float(end) for end in np.percentile(values, [1, 99]))
    if low < 0 < high:
        limit = max(-low, high, NARROWEST / 2)
        return Scale(-limit, limit, SIGNED)
    margin = max(0.0, NARROWEST - (high - low)) / 2
    return Scale(low - margin, high + margin, SPREAD)


@dataclass(frozen=True)
class Arrows:
    """Pixels of BRN's map near edges (k,), and the mean displacements of their kernels in pixels (k,)."""

    x: NDArray[np.intp]
    y: NDArray[np.intp]
    shift_x: NDArray[np.float32]
    shift_y: NDArray[np.float32]

    @property
    def lengths(self) -> NDArray[np.float32]:
        """(k,), in pixels of BRN's map."""
        return np.hypot(self.shift_x, self.shift_y)

    @property
    def longest(self) -> float:
        """Return the longest displacement, in pixels of BRN's map; 0 without arrows."""
        return float(self.lengths.max(initial=0))

    @property
    def unit(self) -> float:
        """Return the displacement that is drawn 30 pixels long: 1, 2 or 5 times a power of ten."""
        # Not the longest: one arrow far longer than the others would shrink them all to dots.
        long_arrow = max(float(np.percentile(self.lengths, 90)), 1e-3) if len(self.x) else 1e-3
        power: float = 10.0 ** math.floor(math.log10(long_arrow) + 1e-6)
        return next(step * power for step in (1, 2, 5, 10) if step * power >= long_arrow * (1 - 1e-6))


def edge_arrows(trace: Trace) -> Arrows:
    """Return arrows along the edges of the prior and the refined map, at least 14 pixels apart.

    Of each cell of 20×20 pixels through which an edge passes, the steepest place is a candidate: where one of the maps
    differs most within the kernel's window, and by more than 0.2. Steeper candidates come first.
    """
    maps = torch.from_numpy(np.stack([trace.prior, trace.refined]))
    steepness = (_highest(maps, trace.kernel_size) + _highest(-maps, trace.kernel_size)).amax(0)
    steepest, index = F.max_pool2d(steepness[None, None], CELL, ceil_mode=True, return_indices=True)
    order = steepest[steepest > EDGE].argsort(descending=True)
    y, x = np.unravel_index(index[steepest > EDGE][order].numpy(), trace.prior.shape)
    is_near = np.hypot(x[:, None] - x, y[:, None] - y) < APART
    chosen: list[int] = []
    for candidate in range(len(x)):
        if not is_near[candidate, chosen].any():
            chosen.append(candidate)
    y, x = y[chosen], x[chosen]
    return Arrows(x, y, trace.kernel_field.shift_x[y, x], trace.kernel_field.shift_y[y, x])


def _highest(maps: torch.Tensor, n: int) -> torch.Tensor:
    """Return the highest value in the n×n window around each pixel of maps (k, H, W): by rows, then by columns."""
    by_rows = F.max_pool2d(maps, (1, n), 1, (0, n // 2))
    return F.max_pool2d(by_rows, (n, 1), 1, (n // 2, 0))


@dataclass(frozen=True)
class Window:
    """One quantity in a pixel's n×n window: its values (n, n), what they are, and their colours."""

    title: str
    unit: str
    values: NDArray[np.float64]
    scale: Scale

    @property
    def colours(self) -> RGB:
        """(n, n, 3)."""
        return colour(self.values, self.scale.low, self.scale.high, self.scale.colour_map)


def windows(pixel: PixelTrace) -> list[Window]:
    """Draw the pixel's window: coefficients, neighbours and both products; the three signed ones share one scale."""
    limit = largest(pixel.coefficients)
    signed, saliency = Scale(-limit, limit, SIGNED), Scale(0, 1, SALIENCY)
    return [
        Window("coefficients v", "coefficient", pixel.coefficients, signed),
        Window("neighbours s", "saliency", pixel.neighbours, saliency),
        Window("foreground v · s", "product", pixel.foreground_products, signed),
        Window("background v · (1 − s)", "product", pixel.background_products, signed),
    ]
