"""Open picture files: which formats and sizes are accepted, and every error as one sentence."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pillow_heif
from PIL import ExifTags, Image, PngImagePlugin, TiffImagePlugin, UnidentifiedImageError

IMAGE_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo", ".jp2", ".j2k", ".jpx", ".jpf", ".png", ".apng", ".gif"),
        *(".bmp", ".dib", ".webp", ".avif", ".heic", ".heif", ".hif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"),
    }
)
MAX_PIXELS = 100_000_000
MAX_REDUCED_PIXELS = 250_000_000  # of a file read at reduced size: the largest sensors of phones have 200 million
MAX_SIDE = 100_000  # beyond any photograph; resizing to and from a line of a million pixels takes gigabytes
FULL_SIZE = "full_size"
ANIMATED = "animated"
ANIMATED_FORMATS = frozenset({"GIF", "WEBP", "PNG", "AVIF", "TIFF"})
"""Formats whose further pictures are frames or pages; an MPO's are the same photo in other sizes."""

pillow_heif.register_heif_opener()
# Editors keep histories of some megabytes in PNGs, and printers' profiles are as long; Pillow refuses text beyond one.
# A file's text as a whole stays bounded by 64 MB.
PngImagePlugin.MAX_TEXT_CHUNK = max(PngImagePlugin.MAX_TEXT_CHUNK, 16 * 2**20)

# Pillow hands these to other programs or to loaders that are not there.
_FOREIGN_FORMATS = frozenset({"EPS", "WMF"})
_TURNS: dict[Any, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The operation that makes a picture upright, by its EXIF orientation."""
_DIVISORS = (2, 4, 8)  # JPEG's; JPEG 2000 could do more
_LARGEST_16_BIT = 65535
_pillow_limit = threading.Lock()


class ImageError(ValueError):
    """A picture cannot be used; the message is one sentence that names it and says why."""


@contextmanager
def opened(
    source: Path | io.BytesIO, max_pixels: int, reduce: bool = False, name: str = "the picture"
) -> Iterator[Image.Image]:
    """Open a file's first frame, decoded and upright, without converting its colours.

    Its `info[FULL_SIZE]` is the upright picture's width and height in the file if it was read at reduced size;
    `info[ANIMATED]` is there if the file has more frames.

    Args:
        source: a path, or the bytes of a file.
        max_pixels: largest number of pixels accepted (and no side may be longer than `MAX_SIDE`), checked before
            anything is decoded.
        reduce: return larger pictures at a half, a quarter or an eighth of their width and height. Formats that can be
            decoded at this size are accepted up to `MAX_REDUCED_PIXELS`, all others up to `MAX_PIXELS`.
        name: what errors call the bytes of a file.

    Raises:
        ImageError: the file cannot be read, or the code inside the context fails.
    """
    name = str(source) if isinstance(source, Path) else name
    try:
        with _file(source) as file, _open(file) as image:
            if image.format in _FOREIGN_FORMATS:
                raise ImageError(f"{name}: {image.format} files are drawings, not pictures")
            if isinstance(image, TiffImagePlugin.TiffImageFile):
                _mend_planes(image)
            full_size = image.size
            size, divisor = _reduce(image, max_pixels) if reduce else (full_size, 1)
            check_size(size, name, max_pixels if divisor == 1 else MAX_PIXELS)
            animated = image.format in ANIMATED_FORMATS and getattr(image, "is_animated", False)
            white_is_zero = isinstance(image, TiffImagePlugin.TiffImageFile) and _is_white_zero(image)
            upright = decoded(image, name)
            if white_is_zero:
                upright = _inverted(upright, name)
            is_turned = upright.size != image.size
            if divisor > 1:
                upright = _smaller(upright, divisor)
            if divisor > 1 or image.size != full_size:
                upright.info[FULL_SIZE] = full_size[::-1] if is_turned else full_size
            if animated:
                upright.info[ANIMATED] = True
            yield upright
    except FileNotFoundError as error:
        link = isinstance(source, Path) and source.is_symlink()
        reason = "this is a link to a file that is not there" if link else "there is no such file"
        raise ImageError(f"{name}: {reason}") from error
    except PermissionError as error:
        raise ImageError(f"{name}: it may not be read (permission denied)") from error
    except UnidentifiedImageError as error:
        empty = source.stat().st_size == 0 if isinstance(source, Path) else not source.getbuffer().nbytes
        reason = "the file is empty" if empty else _unknown(source)
        raise ImageError(f"{name}: {reason}") from error
    except ImageError:
        raise
    # Pillow raises errors of many kinds on damaged headers, and paths can be impossible.
    except Exception as error:
        raise ImageError(f"{name}: it cannot be read ({_reason(error)})") from error


def decoded(image: Image.Image, name: str) -> Image.Image:
    """Decode the picture and turn it by its EXIF data; raise ImageError if it is damaged."""
    try:
        image.load()
    # Decoders raise errors of many kinds on damaged files.
    except Exception as error:
        raise ImageError(f"{name}: the picture is damaged ({_reason(error)})") from error
    return upright(image)


def upright(image: Image.Image) -> Image.Image:
    """Turn and mirror the picture by its EXIF orientation; return it unchanged if there is none that can be read.

    `ImageOps.exif_transpose` also rewrites the EXIF block, which fails for values that Pillow reads but cannot
    write.
    """
    try:
        transposition = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation))
    except Exception:  # damaged EXIF data; Pillow's errors are of many kinds
        transposition = None
    return image if transposition is None else image.transpose(transposition)


def _unknown(source: Path | io.BytesIO) -> str:
    """Say why a file cannot be read as a picture."""
    with _file(source) as file:
        head = file.read(4)
    if head in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF files with this kind of pixels cannot be read"
    return "this is not a picture of any kind known here"


def _mend_planes(image: TiffImagePlugin.TiffImageFile) -> None:
    """Have 16-bit colours in separate, uncompressed planes decoded; Pillow takes their planes for 8-bit ones."""
    tags = image.tag_v2
    bits = tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,))
    planes = tags.get(TiffImagePlugin.PLANAR_CONFIGURATION, 1) == 2 and len(bits) > 1
    if planes and set(bits) == {16} and all(tile.codec_name == "raw" for tile in image.tile):
        order = "L" if tags.prefix == b"II" else "B"
        image.tile = [
            tile._replace(args=(f"{tile.args[0]};16{order}", *tile.args[1:]))
            for tile in image.tile
            if isinstance(tile.args, tuple)
        ]


def _is_white_zero(image: TiffImagePlugin.TiffImageFile) -> bool:
    """Say whether 0 means white in a file, which Pillow only handles up to 8 bits."""
    photometric = image.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION)
    return photometric == 0 and (image.mode.startswith("I") or image.mode == "F")


def _inverted(image: Image.Image, name: str) -> Image.Image:
    """Invert 16-bit grey, or floats in [0, 1], from white-is-zero to black-is-zero; keep the picture's `info`."""
    values = np.asarray(image)
    if image.mode == "F":
        inverted = Image.fromarray(1 - values)
    elif values.min() >= 0 and values.max() <= _LARGEST_16_BIT:
        inverted = Image.fromarray((_LARGEST_16_BIT - values).astype(np.uint16))
    else:
        raise ImageError(f"{name}: TIFF files that count from white and have more than 16 bits cannot be read")
    inverted.info |= image.info
    return inverted


def check_size(size: tuple[int, int], name: str, max_pixels: int) -> None:
    """Raise ImageError unless both sides are from 1 to `MAX_SIDE` and their product is at most `max_pixels`."""
    width, height = size
    if width == 0 or height == 0:
        raise ImageError(f"{name}: it is empty ({width}×{height} pixels)")
    if max(width, height) > MAX_SIDE:
        raise ImageError(f"{name}: it has {width:,}×{height:,} pixels, and no side may be longer than {MAX_SIDE:,}")
    if width * height > max_pixels:
        raise ImageError(f"{name}: it has {width:,}×{height:,} pixels, more than the limit of {max_pixels:,}")


@contextmanager
def _file(source: Path | io.BytesIO) -> Iterator[BinaryIO]:
    if isinstance(source, io.BytesIO):
        source.seek(0)
        yield source
        return
    if source.is_dir():
        raise ImageError(f"{source}: this is a folder, not a picture")
    if source.exists() and not source.is_file():  # opening a pipe would block until another process writes
        raise ImageError(f"{source}: this is a device or a pipe, not a picture")
    with source.open("rb") as file:
        yield file


def _open(file: BinaryIO) -> Image.Image:
    """Read the header. Pillow's own limit on pixels, a warning and an error, is off meanwhile: ours decides."""
    with _pillow_limit:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(file)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _reduce(image: Image.Image, max_pixels: int) -> tuple[tuple[int, int], int]:
    """Have a larger picture decoded at the largest size that fits: that size, and what divides it afterwards."""
    width, height = image.size
    if not max_pixels < width * height <= MAX_REDUCED_PIXELS:
        return image.size, 1
    sizes = [(-(-width // divisor), -(-height // divisor)) for divisor in _DIVISORS]
    halvings, size = next((n, s) for n, s in enumerate(sizes, 1) if s[0] * s[1] <= max_pixels or n == len(sizes))
    if image.format in ("JPEG", "MPO"):
        image.draft(None, (width // _DIVISORS[halvings - 1], height // _DIVISORS[halvings - 1]))
    elif image.format == "JPEG2000":
        image.reduce = halvings  # type: ignore[assignment,method-assign]
    elif size[0] * size[1] <= max_pixels:
        return image.size, _DIVISORS[halvings - 1]
    else:
        return image.size, 1
    return size, 1


def _smaller(image: Image.Image, divisor: int) -> Image.Image:
    """Shrink the picture by the mean of squares with this side, in a mode that has means."""
    modes = {"1": "L", "P": "RGBA" if image.has_transparency_data else "RGB", "PA": "RGBA", "La": "LA", "RGBa": "RGBA"}
    mode = "I" if image.mode.startswith("I;") else modes.get(image.mode, image.mode)
    if mode != image.mode:
        image = image.convert(mode)
    return image.reduce(divisor)


def _reason(error: Exception) -> str:
    """Return an error's message in one line."""
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__
