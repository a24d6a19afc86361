"""Read masks and saliency maps from the encodings in use: brightness, alpha channel, classes, colours of objects."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dgrl.images import MAX_PIXELS, Picture, read_photo
from dgrl.images.opening import ImageError, opened
from dgrl.images.reading import as_16_bit, as_bytes, split_alpha

HALF = 127
"""Pixels of a mask brighter than this (of 255) are salient."""

BRIGHTNESS = ""
ALPHA = "an alpha channel, which is used as the mask; their colours are ignored"
CLASSES = "a palette of classes, all of which except the background count as salient"
OBJECTS = "a colour or a number for each object, of which every one but the background counts as salient"
VOID = 255  # palette index of unlabelled pixels (PASCAL VOC)

VOID_COLOUR = 224, 224, 192
"""Colour of unlabelled pixels in PASCAL VOC."""

_COLOURED = 40  # of 255: greys of a compressed file have channels that differ by less
_COLOURED_SHARE = 0.0005  # share of the pixels; a grey mask with a coloured speck has fewer coloured ones
_MOST_OBJECTS = 256  # colours or numbers of one mask
_WHITE = 255 << 8  # of 16 bits; brighter than any number that counts objects
_VARIES = 16  # of 255: less is how some programs write "opaque"


@dataclass(frozen=True)
class Levels:
    """Saliency of each pixel of a mask or map.

    Attributes:
        values: (H, W) uint8, 255 where it is most salient.
        meaning: the encoding: `BRIGHTNESS`, `ALPHA`, `CLASSES` or `OBJECTS`; all but the first are reported.
    """

    values: NDArray[np.uint8]
    meaning: str = BRIGHTNESS


def read_mask(source: Picture, max_pixels: int = MAX_PIXELS, threshold: int = HALF) -> NDArray[np.uint8]:
    """Read a ground-truth mask as (H, W) uint8 of 0 and 1; see `read_levels`."""
    return (read_levels(source, max_pixels).values > threshold).astype(np.uint8)


def read_levels(source: Picture, max_pixels: int = MAX_PIXELS, classes: bool = True) -> Levels:
    """Read a mask or map and detect its encoding.

    The levels are read from the first of these that the file has:

    - An alpha channel that varies, as in a cut-out or in white on transparency.
    - A palette of coloured classes. All are salient except the background (index 0) and unlabelled pixels (index 255).
    - A colour for each object, or a number (of 16 bits, or too dark to be a brightness). All are salient except the
      background, which is black or 0, or else the most frequent value along the sides.
    - Brightness. Masks of 0 and 1 are stretched to 0 and 255; 16-bit files that hold 8-bit numbers are read as such.

    Args:
        source: see `dgrl.images.read_image`.
        max_pixels: see there.
        classes: whether a palette, colours or numbers may mean classes or objects; in a map brightness counts.

    Raises:
        ImageError: it cannot be read, or has the colours of a photo.
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
    return _of_colours(photo.colours, "the mask", classes)


def _levels(image: Image.Image, name: str, classes: bool) -> Levels:
    if image.has_transparency_data:
        colours, alpha = split_alpha(image)
        # In a grey mask whose black is transparent, alpha and greys agree, and greys have more levels.
        black_is_transparent = image.mode in ("L", "1") and image.info.get("transparency") == 0
        if _means(np.asarray(alpha)) and not black_is_transparent:
            return Levels(np.array(alpha), ALPHA)
        image = image if image.mode == "P" else colours
    if image.mode == "P" and classes and (salient := _classes(image, name)) is not None:
        return Levels(salient, CLASSES)
    if image.mode.startswith("I"):
        return _of_numbers(as_16_bit(np.asarray(image), name), classes)
    if image.mode == "F":
        return Levels(as_bytes(np.asarray(image), name))
    return _of_colours(np.asarray(image.convert("RGB")), name, classes)


def _of_numbers(numbers: NDArray[np.uint16], classes: bool) -> Levels:
    """Return the levels of a 16-bit file, which holds 8-bit numbers, numbers of objects, or brightness."""
    if numbers.max() <= 255:
        return _of_greys(numbers.astype(np.uint8), classes)
    if classes and numbers.max() < _WHITE and 1 < len(np.unique(numbers)) <= _MOST_OBJECTS:
        return Levels(_but_background(numbers), OBJECTS)
    return Levels((numbers >> 8).astype(np.uint8))


def _of_greys(grey: NDArray[np.uint8], classes: bool) -> Levels:
    """Read 8-bit greys as brightness, or as numbers of objects if no pixel is bright."""
    if classes and 1 < grey.max() <= HALF and 0 in grey:
        return Levels(_but_background(grey), OBJECTS)
    return Levels(_stretched(grey))


def _of_colours(colours: NDArray[np.uint8], name: str, classes: bool) -> Levels:
    """Return the levels of an RGB picture (H, W, 3): objects if it has colours, else brightness."""
    grey = np.asarray(Image.fromarray(colours).convert("L"))
    colourfulness = colours.max(2).astype(np.int16) - colours.min(2)
    if not classes or (colourfulness >= _COLOURED).mean() <= _COLOURED_SHARE:
        return _of_greys(grey, classes)
    red, green, blue = (colours[:, :, channel].astype(np.uint32) for channel in range(3))
    packed = red << 16 | green << 8 | blue
    distinct = np.unique(packed)
    if len(distinct) > _MOST_OBJECTS:
        raise ImageError(
            f"{name}: a mask of {len(distinct):,} colours, too many for one for each object "
            "(is it a photo, or saved as JPEG?)"
        )
    values = _but_background(packed)
    void = VOID_COLOUR[0] << 16 | VOID_COLOUR[1] << 8 | VOID_COLOUR[2]
    if len(distinct) > 2:
        values[packed == void] = 0
    return Levels(values, OBJECTS)


def _but_background(numbers: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
    """Return 255 where the numbers (H, W) differ from the background's: 0, or else the most frequent on the border."""
    background = 0
    if 0 not in numbers:
        sides = np.concatenate([numbers[0], numbers[-1], numbers[:, 0], numbers[:, -1]])
        numbers_on_sides, counts = np.unique(sides, return_counts=True)
        background = numbers_on_sides[counts.argmax()]
    return np.where(numbers == background, 0, 255).astype(np.uint8)


def _means(alpha: NDArray[np.uint8]) -> bool:
    """Return whether an alpha channel is a mask: it varies, or is 0 everywhere because nothing was found."""
    return int(alpha.max()) - int(alpha.min()) >= _VARIES or not alpha.any()


def _stretched(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert masks of 0 and 1 to 0 and 255; leave others unchanged."""
    return grey * np.uint8(255) if grey.max() == 1 else grey


def _classes(image: Image.Image, name: str) -> NDArray[np.uint8] | None:
    """Return 255 where a palette picture shows a class; None if its palette is a grey scale, read as brightness."""
    indices = np.asarray(image)
    colours = np.zeros((256, 3), np.uint8)
    palette = np.asarray(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    colours[: len(palette)] = palette
    indices_present = np.flatnonzero(np.bincount(indices.ravel(), minlength=256))
    grey = colours[indices_present, 0]
    if (colours[indices_present] == grey[:, None]).all():
        bright = indices_present[grey > HALF]
        # Class numbers may also be drawn as greys; then no pixel is bright, or only unlabelled ones.
        if bright.size and ((bright != VOID).any() or not ((grey > 0) & (grey <= HALF)).any()):
            return None
        if bright.size:
            raise ImageError(f"{name}: its grey palette may mean brightness, or numbers of classes and 255 for void")
    black = indices_present[~colours[indices_present].any(1)]
    background = int(black[0]) if colours[0].any() and black.size else 0
    classes = np.setdiff1d(indices_present, [background, VOID])
    # Without other classes, a white 255 is the object; unlabelled pixels have another colour.
    void = VOID if classes.size or colours[VOID].tolist() != [255, 255, 255] else background
    return np.where((indices == background) | (indices == void), 0, 255).astype(np.uint8)
