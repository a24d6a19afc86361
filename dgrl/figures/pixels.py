"""Maps as pixels: arrays (H, W, 3) uint8, drawn in milliseconds."""

import io
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional as F

from dgrl.images import RGB

# Colour maps of Matplotlib, stored in palettes.png so that maps do not need Matplotlib. All are safe for colour-blind
# people: three are monotone in lightness, the signed one is white at zero, then blue and red.
WEIGHTS = "magma"
SALIENCY = "gray"
SPREAD = "viridis"
SIGNED = "RdBu_r"
PALETTES = (WEIGHTS, SALIENCY, SPREAD, SIGNED)
"""The rows of palettes.png."""

Map = NDArray[np.floating[Any]]


def shrink(photo: RGB, longest: int) -> RGB:
    """Shrink the photo (H, W, 3) if its longer side exceeds `longest` pixels."""
    return fit(photo, longest) if max(photo.shape[:2]) > longest else photo


def fit(photo: RGB, longest: int) -> RGB:
    """Resize the photo (H, W, 3) so that its longer side has `longest` pixels."""
    height, width = photo.shape[:2]
    factor = longest / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.BILINEAR, reducing_gap=2))


def resize_map(values: Map, height: int, width: int, aligned: bool = False) -> NDArray[np.float32]:
    """Resize a map (h, w) to (height, width), bilinear.

    `aligned` puts the corner cells' centres on the corners, as RLN does with its weight maps.
    """
    maps = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))[None, None]
    if aligned:
        resized = F.interpolate(maps, size=(height, width), mode="bilinear", align_corners=True)
    else:
        resized = F.interpolate(maps, size=(height, width), mode="bilinear", antialias=True)
    array: NDArray[np.float32] = resized[0, 0].numpy()
    return array


def largest(*maps: Map) -> float:
    """Return the largest absolute value in the maps, as the common limit of a signed scale."""
    return max((float(np.abs(values).max()) for values in maps), default=0.0) or 1.0


def colour(values: Map, low: float, high: float, colour_map: str = SALIENCY) -> RGB:
    """Convert a map (H, W) to colours (H, W, 3); values outside the scale from `low` to `high` are clipped."""
    span = high - low if high > low else 1.0
    index = np.clip((values - low) * np.float32(256 / span), 0, 255).astype(np.uint8)
    colours: RGB = _palette(colour_map)[index]
    return colours


def overlay(photo: RGB, colours: RGB, opacity: float) -> RGB:
    """Draw colours (H, W, 3) over the photo in grey, so that every visible colour is the map's."""
    grey = Image.fromarray(photo).convert("L").convert("RGB")
    blended: RGB = np.asarray(Image.blend(grey, Image.fromarray(colours), opacity))
    return blended


def pale(photo: RGB) -> RGB:
    """Return the photo in light grey, to draw on."""
    return overlay(photo, photo, 0.0) // 2 + 127


def mark(picture: RGB, x: int, y: int) -> RGB:
    """Return a copy with a ring around pixel (x, y), black inside white, visible on any background."""
    height, width = picture.shape[:2]
    radius = max(6, max(height, width) // 60)
    top, left = max(y - 2 * radius, 0), max(x - 2 * radius, 0)
    marked: RGB = picture.copy()
    around = marked[top : y + 2 * radius, left : x + 2 * radius]
    rows, columns = np.ogrid[: around.shape[0], : around.shape[1]]
    distance = np.hypot(columns + left - x, rows + top - y)
    around[np.abs(distance - radius) < radius / 3] = 255
    around[np.abs(distance - radius) < radius / 7] = 0
    return marked


def number(value: float, decimals: int = 2) -> str:
    """Format a number with its decimals, never as a negative zero."""
    return f"{round(float(value), decimals) + 0.0:.{decimals}f}"


def ink_on(rgb: NDArray[np.uint8]) -> str:
    """Return black or white, whichever is legible on a colour (3,)."""
    return "black" if luminance(rgb) > 0.5 else "white"


def png_file(picture: RGB | Image.Image) -> bytes:
    """Encode the picture as PNG, fast rather than small."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    buffer = io.BytesIO()
    image.save(buffer, "png", compress_level=1)
    return buffer.getvalue()


def luminance(rgb: NDArray[np.uint8]) -> float:
    """Return the luminance of a colour (3,), in [0, 1]."""
    return float(rgb @ np.array([0.2126, 0.7152, 0.0722]) / 255)


def _palette(colour_map: str) -> NDArray[np.uint8]:
    """Return a colour map's colours, (256, 3) uint8."""
    palette: NDArray[np.uint8] = _palettes()[PALETTES.index(colour_map)]
    return palette


@cache
def _palettes() -> NDArray[np.uint8]:
    """Return the colours of all colour maps, (4, 256, 3) uint8; a test compares them with Matplotlib's."""
    file = io.BytesIO((resources.files("dgrl.figures") / "palettes.png").read_bytes())
    return np.asarray(Image.open(file).convert("RGB"))
