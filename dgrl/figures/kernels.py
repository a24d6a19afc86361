"""BRN's kernels over the photo: two numbers of each kernel as colours, its mean displacement as arrows, and close-ups.

All functions are pure and give (H, W, 3) uint8 pictures in milliseconds. What is measured of a kernel stands in
`dgrl.trace.KernelField`: coefficients are signed and do not sum to 1, so its moments weigh each place of the window by
its share of Σ|v|, and say where a pixel looks, whichever way it then votes.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch.nn import functional as F

from dgrl.figures.pixels import SALIENCY, SIGNED, SPREAD, Map, colour, largest, overlay, pale, resize_map
from dgrl.images import RGB
from dgrl.trace import PixelTrace, Trace

CELL = 20
APART = 14
LENGTH = 30
EDGE = 0.2
INK = (11, 61, 145)
NARROWEST = 0.05
REACH = 7
OUTSIDE = 127


@dataclass(frozen=True)
class Scale:
    """A colour scale that fits a map of kernels: its ends and its colours."""

    low: float
    high: float
    colour_map: str

    def over(self, photo: RGB, values: Map, opacity: float = 0.75) -> RGB:
        """The map in colours over the photo (H, W, 3)."""
        height, width = photo.shape[:2]
        colours = colour(resize_map(values, height, width), self.low, self.high, self.colour_map)
        return overlay(photo, colours, opacity)


def kernel_scale(values: Map) -> Scale:
    """From the 1st to the 99th percentile, so that small differences show, but never narrower than 0.05.

    A map of both signs gets the diverging scale, white at zero.
    """
    low, high = (float(end) for end in np.percentile(values, [1, 99]))
    if low < 0 < high:
        limit = max(-low, high, NARROWEST / 2)
        return Scale(-limit, limit, SIGNED)
    missing = max(0.0, NARROWEST - (high - low)) / 2
    return Scale(low - missing, high + missing, SPREAD)


@dataclass(frozen=True)
class Arrows:
    """Where kernels near edges look: pixels of BRN's map (k,) and their mean displacements in pixels (k,)."""

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
        """The longest displacement, in pixels of BRN's map; 0 without arrows."""
        return float(self.lengths.max(initial=0))

    @property
    def unit(self) -> float:
        """The displacement that is drawn 30 pixels long: 1, 2 or 5 times a power of ten, and long for most arrows."""
        # Not the longest: one arrow far longer than the others would shrink them all to dots.
        usual = max(float(np.percentile(self.lengths, 90)), 1e-3) if len(self.x) else 1e-3
        power: float = 10.0 ** math.floor(math.log10(usual) + 1e-6)
        return next(step * power for step in (1, 2, 5, 10) if step * power >= usual * (1 - 1e-6))


def edge_arrows(trace: Trace) -> Arrows:
    """Arrows along the edges of the prior and the refined map, at least 14 pixels apart.

    Of each cell of 20×20 pixels through which an edge passes, the steepest place is a candidate: where one of the maps
    differs most within the kernel's window, and by more than 0.2. Steeper candidates come first.
    """
    maps = torch.from_numpy(np.stack([trace.prior, trace.refined]))
    steepness = (_highest(maps, trace.kernel_size) + _highest(-maps, trace.kernel_size)).amax(0)
    steepest, index = F.max_pool2d(steepness[None, None], CELL, ceil_mode=True, return_indices=True)
    order = steepest[steepest > EDGE].argsort(descending=True)
    y, x = np.unravel_index(index[steepest > EDGE][order].numpy(), trace.prior.shape)
    near = np.hypot(x[:, None] - x, y[:, None] - y) < APART
    kept: list[int] = []
    for candidate in range(len(x)):
        if not near[candidate, kept].any():
            kept.append(candidate)
    y, x = y[kept], x[kept]
    return Arrows(x, y, trace.kernel_field.shift_x[y, x], trace.kernel_field.shift_y[y, x])


def _highest(maps: torch.Tensor, n: int) -> torch.Tensor:
    """The highest value in the n×n window around each pixel of maps (k, H, W): by rows, then by columns."""
    by_rows = F.max_pool2d(maps, (1, n), 1, (0, n // 2))
    return F.max_pool2d(by_rows, (n, 1), 1, (n // 2, 0))


def arrow_picture(trace: Trace, photo: RGB) -> tuple[RGB, Arrows]:
    """The arrows on the pale photo (H, W, 3), with a key that shows their scale; a dot is where an arrow starts."""
    arrows = edge_arrows(trace)
    height, width = photo.shape[:2]
    across, down = width / trace.prior.shape[1], height / trace.prior.shape[0]
    stretch = LENGTH / arrows.unit
    image = Image.fromarray(pale(photo))
    pen = ImageDraw.Draw(image)
    thick = max(1, round(max(height, width) / 400))
    starts = np.stack([(arrows.x + 0.5) * across, (arrows.y + 0.5) * down], 1)
    ends = starts + np.stack([arrows.shift_x * across, arrows.shift_y * down], 1) * stretch
    # A white edge first, so that arrows are seen on anything; all edges before any ink.
    for ink, extra in (("white", thick), (INK, 0)):
        for start, end in zip(starts, ends, strict=True):
            _arrow(pen, start, end, ink, thick, extra)
    if len(starts):
        _key(pen, height, LENGTH * across, f"{arrows.unit:g} px", thick)
    return np.asarray(image), arrows


def _arrow(pen: ImageDraw.ImageDraw, start: Map, end: Map, ink: str | tuple[int, ...], thick: int, extra: int) -> None:
    """A dot, a line, and a head that is never longer than half of the line."""
    line = end - start
    length = float(np.hypot(*line))
    radius = thick + extra
    pen.ellipse([*(start - radius), *(start + radius)], fill=ink)
    if length < 2 * thick:
        return
    along = line / length
    aside = np.array([-along[1], along[0]])
    head = min(6.0 * thick, length / 2)
    neck = end - along * head
    half = head * 0.4 + extra
    pen.line([*start, *neck], fill=ink, width=thick + 2 * extra)
    corners = [end + along * extra * 1.5, neck + aside * half - along * extra, neck - aside * half - along * extra]
    pen.polygon([(float(x), float(y)) for x, y in corners], fill=ink)


def _key(pen: ImageDraw.ImageDraw, height: int, length: float, text: str, thick: int) -> None:
    """In the lower left corner: an arrow, and the displacement that it stands for."""
    font = ImageFont.load_default(size=max(10, 10 * thick))
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    room = 3 * thick
    box = [0, height - (bottom + 2 * room), length + right + 4 * room, height]
    pen.rectangle(box, fill="white", outline=INK)
    middle = (box[1] + box[3]) / 2
    start = np.array([room, middle])
    _arrow(pen, start, start + np.array([length, 0.0]), INK, thick, 0)
    pen.text((length + 3 * room - left, middle - (top + bottom) / 2), text, fill=INK, font=font)


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
    """The pixel's window: coefficients, neighbours and both products; the three that are signed share one scale."""
    limit = largest(pixel.coefficients)
    signed, saliency = Scale(-limit, limit, SIGNED), Scale(0, 1, SALIENCY)
    return [
        Window("coefficients v", "coefficient", pixel.coefficients, signed),
        Window("neighbours s", "saliency", pixel.neighbours, saliency),
        Window("foreground v · s", "product", pixel.foreground_products, signed),
        Window("background v · (1 − s)", "product", pixel.background_products, signed),
    ]


@dataclass(frozen=True)
class Surroundings:
    """A pixel's surroundings, 15×15 pixels of BRN's map enlarged; the window is outlined, the pixel itself too.

    Attributes:
        photo: (S, S, 3), the photo as BRN sees it, made square; grey where there is none.
        prior, refined: (S, S, 3), the maps before and after; before is 0 outside the photo, as BRN takes it.
    """

    photo: RGB
    prior: RGB
    refined: RGB


def surroundings(trace: Trace, pixel: PixelTrace, enlarged: int = 16) -> Surroundings:
    """Close-ups around `pixel`, each pixel of BRN's map drawn as a square of `enlarged` pixels."""
    map_height, map_width = trace.prior.shape
    height, width = trace.photo.shape[:2]
    places = (np.arange((2 * REACH + 1) * enlarged) + 0.5) / enlarged - REACH
    rows, columns = pixel.row + places, pixel.column + places  # of BRN's map, with fractions
    there = ((rows >= 0) & (rows < map_height))[:, None] & ((columns >= 0) & (columns < map_width))

    def cut(picture: NDArray[Any], across: float, down: float) -> NDArray[Any]:
        nearest_row = np.clip((rows * down).astype(int), 0, picture.shape[0] - 1)
        nearest_column = np.clip((columns * across).astype(int), 0, picture.shape[1] - 1)
        return picture[nearest_row[:, None], nearest_column]

    photo = np.where(there[:, :, None], cut(trace.photo, width / map_width, height / map_height), np.uint8(OUTSIDE))
    prior = colour(np.where(there, cut(trace.prior, 1, 1), 0), 0, 1, SALIENCY)
    refined = np.where(there[:, :, None], colour(cut(trace.refined, 1, 1), 0, 1, SALIENCY), np.uint8(OUTSIDE))
    window = trace.kernel_size // 2
    return Surroundings(*(_outlined(picture, enlarged, window) for picture in (photo, prior, refined)))


def _outlined(picture: RGB, enlarged: int, window: int) -> RGB:
    """With the kernel's window and the pixel in its middle outlined, black in white."""
    image = Image.fromarray(picture)
    pen = ImageDraw.Draw(image)
    for half in (window, 0):
        start, end = (REACH - half) * enlarged, (REACH + half + 1) * enlarged - 1
        pen.rectangle([start - 1, start - 1, end + 1, end + 1], outline="white")
        pen.rectangle([start, start, end, end], outline="black")
    return np.asarray(image)
