"""Masks, and maps to be measured: which pixels a file means, however it says so."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dgrl.images import MAX_PIXELS, Picture, read_photo
from dgrl.images.opening import ImageError, opened
from dgrl.images.reading import as_16_bit, as_bytes, split_alpha

HALF = 127
"""Pixels of a mask brighter than this, of 255, are salient."""

BRIGHTNESS = ""
ALPHA = "an alpha channel, which is taken for the mask; their colours do not count"
CLASSES = "a palette of classes, of which every one but the background counts as salient"
VOID = 255  # a palette's index for pixels that were not labelled (PASCAL VOC)

_VARIES = 16  # of 255: less is how some programs write "opaque"


@dataclass(frozen=True)
class Levels:
    """How salient a mask or map calls each pixel.

    Attributes:
        values: (H, W) uint8, 255 where it is most salient.
        meaning: where they are from: `BRIGHTNESS`, `ALPHA` or `CLASSES`, the latter two to be told.
    """

    values: NDArray[np.uint8]
    meaning: str = BRIGHTNESS


def read_mask(source: Picture, max_pixels: int = MAX_PIXELS, threshold: int = HALF) -> NDArray[np.uint8]:
    """A ground-truth mask as (H, W) uint8 of 0 and 1; see `read_levels`."""
    return (read_levels(source, max_pixels).values > threshold).astype(np.uint8)


def read_levels(source: Picture, max_pixels: int = MAX_PIXELS, classes: bool = True) -> Levels:
    """A mask or map by its meaning.

    If it has an alpha channel that varies (a cut-out, white on transparency), that is what it means. Of a palette of
    coloured classes every one but the background (index 0) is salient, and what was not labelled (index 255) is not.
    Else brightness counts, of the numbers as they stand in the file; masks of 0 and 1 are stretched to 0 and 255, and
    16-bit files that hold 8-bit numbers are read as such.

    Args:
        source: see `dgrl.images.read_image`.
        max_pixels: see there.
        classes: whether a palette may mean classes; in a map it is only a way to write greys.

    Raises:
        ImageError: it cannot be read.
    """
    if isinstance(source, str):
        source = Path(source)
    if isinstance(source, Path):
        with opened(source, max_pixels) as image:
            return _levels(image, str(source), classes)
    if isinstance(source, Image.Image):
        return _levels(source, "the mask", classes)
    photo = read_photo(source, max_pixels)
    if photo.alpha is not None and _means(photo.alpha):
        return Levels(photo.alpha, ALPHA)
    return Levels(_stretched(np.asarray(Image.fromarray(photo.colours).convert("L"))))


def _levels(image: Image.Image, name: str, classes: bool) -> Levels:
    if image.has_transparency_data:
        colours, alpha = split_alpha(image)
        # In a grey mask whose black is marked as transparent both say the same, and greys say it better.
        black_is_transparent = image.mode in ("L", "1") and image.info.get("transparency") == 0
        if _means(np.asarray(alpha)) and not black_is_transparent:
            return Levels(np.array(alpha), ALPHA)
        image = image if image.mode == "P" else colours
    if image.mode == "P" and classes and (salient := _classes(image, name)) is not None:
        return Levels(salient, CLASSES)
    if image.mode.startswith("I"):
        numbers = as_16_bit(np.asarray(image), name)
        if numbers.max() > 255:
            return Levels((numbers >> 8).astype(np.uint8))
        return Levels(_stretched(numbers.astype(np.uint8)))
    if image.mode == "F":
        return Levels(as_bytes(np.asarray(image), name))
    return Levels(_stretched(np.asarray(image.convert("RGB").convert("L"))))


def _means(alpha: NDArray[np.uint8]) -> bool:
    """Whether an alpha channel says something: that of a cut-out varies, or is 0 where nothing was found."""
    return int(alpha.max()) - int(alpha.min()) >= _VARIES or not alpha.any()


def _stretched(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Masks of 0 and 1 as 0 and 255; others as they are."""
    return grey * np.uint8(255) if grey.max() == 1 else grey


def _classes(image: Image.Image, name: str) -> NDArray[np.uint8] | None:
    """255 where a palette picture shows a class; None if its palette is a scale of greys, whose brightness counts."""
    indices = np.asarray(image)
    colours = np.zeros((256, 3), np.uint8)
    palette = np.asarray(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    colours[: len(palette)] = palette
    used = np.flatnonzero(np.bincount(indices.ravel(), minlength=256))
    grey = colours[used, 0]
    if (colours[used] == grey[:, None]).all():
        bright = used[grey > HALF]
        # Numbers of classes come as greys too, but then nothing is bright, or only what is not labelled.
        if bright.size and ((bright != VOID).any() or not ((grey > 0) & (grey <= HALF)).any()):
            return None
        if bright.size:
            raise ImageError(f"{name}: its palette of greys has dark ones and 255: brightness, or classes and void?")
    black = used[~colours[used].any(1)]
    background = int(black[0]) if colours[0].any() and black.size else 0
    others = np.setdiff1d(used, [background, VOID])
    # Without other classes a white 255 is the object; what was not labelled is drawn in another colour.
    void = VOID if others.size or colours[VOID].tolist() != [255, 255, 255] else background
    return np.where((indices == background) | (indices == void), 0, 255).astype(np.uint8)
