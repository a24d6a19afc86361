"""Pictures: reading and checking them, sizing them for the networks, and the way back."""

import threading
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torchvision.transforms.v2 import functional as transforms

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".avif"})
MAX_PIXELS = 100_000_000
MAX_SIDE = 100_000  # beyond any photograph; resizing to and from a line of a million pixels takes gigabytes

Picture = str | Path | Image.Image | NDArray[np.generic] | Tensor
RGB = NDArray[np.uint8]

# Pillow hands these to other programs or to loaders that are not there.
_FOREIGN_FORMATS = frozenset({"EPS", "WMF"})
_pillow_limit = threading.Lock()


class ImageError(ValueError):
    """A picture cannot be used; the message is one sentence that names it and says why."""


def read_image(source: Picture, max_pixels: int = MAX_PIXELS) -> RGB:
    """Any picture as RGB, the way a person sees it.

    EXIF rotation is applied; transparency is laid over white; palette, CMYK, LAB, grey and 16-bit pictures become 8-bit
    RGB (16 bits by their full range: 65535 is white); of an animated file the first frame is taken.

    Args:
        source: a path, a PIL image, an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) of bool, of uint8, of uint16 by
            its full range, of other integers in [0, 255], or of floats in [0, 1], or a tensor (1, H, W), (3, H, W) or
            (4, H, W) likewise.
        max_pixels: largest number of pixels accepted (and no side may be longer than `MAX_SIDE`); a file's size is
            checked before anything is decoded.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ImageError: it cannot be read, is empty, is too large, or holds values outside its range.
    """
    if isinstance(source, (str, Path)):
        return _read_file(Path(source), max_pixels)
    if isinstance(source, Image.Image):
        _check_size(source.size, "the picture", max_pixels)
        return _decode(source, "the picture")
    if isinstance(source, Tensor):
        if source.dim() != 3 or source.shape[0] not in (1, 3, 4):
            raise ImageError(f"the tensor's shape {tuple(source.shape)} is not (1, H, W), (3, H, W) or (4, H, W)")
        source = source.detach().cpu().permute(1, 2, 0)
        # NumPy has no bfloat16.
        return _from_array((source.float() if source.is_floating_point() else source).numpy(), "the tensor", max_pixels)
    if not isinstance(source, np.ndarray):
        raise ImageError(f"a picture is a path, a PIL image, an array or a tensor, not a {type(source).__name__}")
    return _from_array(source, "the array", max_pixels)


def read_mask(source: Picture, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """A ground-truth mask as (H, W) uint8 of 0 and 1; a pixel is salient where it is brighter than half."""
    grey = np.asarray(Image.fromarray(read_image(source, max_pixels)).convert("L"))
    return (grey > 127).astype(np.uint8)


def to_tensor(image: RGB) -> Tensor:
    """(H, W, 3) uint8 to (1, 3, H, W) uint8, without a copy; `square` and `as_float` make floats of it."""
    return torch.from_numpy(image).permute(2, 0, 1)[None]


def as_float(images: Tensor) -> Tensor:
    """Images of uint8 in [0, 255] as float in [0, 1]; float images as they are."""
    return images if images.is_floating_point() else images.float() / 255


def square(images: Tensor, size: int) -> Tensor:
    """Images (B, 3, H, W) to (B, 3, size, size), bilinear with anti-aliasing; the aspect ratio is not kept (paper).

    `images` is float in [0, 1] or uint8 in [0, 255]; the result is float in [0, 1]. Bytes are resized as bytes: a large
    photo is then ready in milliseconds and never exists as floats. The two ways differ by less than 1/255.
    """
    return as_float(transforms.resize(images, [size, size], antialias=True))


def to_size(maps: Tensor, height: int, width: int) -> Tensor:
    """Maps (B, 1, h, w) in [0, 1] to (B, 1, height, width), bilinear, anti-aliased when they shrink."""
    return transforms.resize(maps, [height, width], antialias=True).clamp(0, 1)


def cutout(image: RGB, saliency: NDArray[np.float32]) -> Image.Image:
    """The picture with its saliency map as transparency: an RGBA image."""
    return Image.fromarray(np.dstack([image, np.asarray(to_grey(saliency))]))


def to_grey(saliency: NDArray[np.float32]) -> Image.Image:
    """A map in [0, 1] as an 8-bit grey image."""
    return Image.fromarray(np.rint(saliency * 255).astype(np.uint8))


def _read_file(path: Path, max_pixels: int) -> RGB:
    try:
        if path.is_dir():
            raise ImageError(f"{path}: this is a folder, not a picture")
        if path.exists() and not path.is_file():  # to open a pipe would wait for somebody to write to it
            raise ImageError(f"{path}: this is a device or a pipe, not a picture")
        with path.open("rb") as file, _open(file) as image:
            _check_size(image.size, str(path), max_pixels)
            if image.format in _FOREIGN_FORMATS:
                raise ImageError(f"{path}: {image.format} files are drawings, not pictures")
            return _decode(image, str(path))
    except FileNotFoundError as error:
        raise ImageError(f"{path}: there is no such file") from error
    except PermissionError as error:
        raise ImageError(f"{path}: it may not be read (permission denied)") from error
    except UnidentifiedImageError as error:
        reason = "the file is empty" if path.stat().st_size == 0 else "this is not a picture of any kind known here"
        raise ImageError(f"{path}: {reason}") from error
    except ImageError:
        raise
    # Pillow raises errors of many kinds on damaged headers, and paths can be impossible.
    except Exception as error:
        raise ImageError(f"{path}: it cannot be read ({_reason(error)})") from error


def _open(file: BinaryIO) -> Image.Image:
    """Read the header. Pillow's own limit on pixels, a warning and an error, is off meanwhile: ours decides."""
    with _pillow_limit:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(file)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _check_size(size: tuple[int, int], name: str, max_pixels: int) -> None:
    width, height = size
    if width == 0 or height == 0:
        raise ImageError(f"{name}: it is empty ({width}×{height} pixels)")
    if max(width, height) > MAX_SIDE:
        raise ImageError(f"{name}: it has {width:,}×{height:,} pixels, and no side may be longer than {MAX_SIDE:,}")
    if width * height > max_pixels:
        raise ImageError(f"{name}: it has {width:,}×{height:,} pixels, more than the limit of {max_pixels:,}")


def _decode(image: Image.Image, name: str) -> RGB:
    try:
        image.load()
        image = _upright(image)
        if image.mode.startswith("I"):  # Pillow carries 16-bit grey as "I;16", in some formats as 32-bit "I"
            return _from_array(_as_16_bit(np.asarray(image), name), name)
        if image.mode == "F":
            return _from_array(np.asarray(image), name)
        if image.has_transparency_data:
            return _over_white(image)
        return np.array(image.convert("RGB"))
    except ImageError:
        raise
    # Decoders raise errors of many kinds on damaged files.
    except Exception as error:
        raise ImageError(f"{name}: the picture is damaged ({_reason(error)})") from error


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # the pixels are sound: damaged EXIF data only means that nobody knows of a rotation
        return image


def _over_white(image: Image.Image) -> RGB:
    if image.mode == "La":  # Pillow converts it to nothing else
        image = image.convert("LA")
    rgba = image.convert("RGBA")
    white = Image.new("RGB", rgba.size, "white")
    white.paste(rgba, mask=rgba)
    return np.array(white)


def _as_16_bit(values: NDArray[np.generic], name: str) -> NDArray[np.uint16]:
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise ImageError(f"{name}: its values, {low} to {high}, are beyond 16 bits")
    return values.astype(np.uint16)


def _from_array(array: NDArray[np.generic], name: str, max_pixels: int | None = None) -> RGB:
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise ImageError(f"{name}: its shape {array.shape} is not (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)")
    if max_pixels is not None:
        _check_size((array.shape[1], array.shape[0]), name, max_pixels)
    values = _as_bytes(array, name)
    if values.shape[2] == 4:
        return _over_white(Image.fromarray(values))
    return np.array(np.broadcast_to(values, (*values.shape[:2], 3)))


def _as_bytes(array: NDArray[np.generic], name: str) -> NDArray[np.uint8]:
    kind = array.dtype.kind
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array, dtype=np.uint8)
    if kind == "b":
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype == np.uint16:
        return (array.astype(np.uint16) >> 8).astype(np.uint8)  # as Pillow does for 16-bit colour
    if kind not in "iuf":
        raise ImageError(f"{name}: {array.dtype} values are not a picture's")
    low, high = array.min(), array.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ImageError(f"{name}: it holds NaN or infinite values")
    limit = 1 if kind == "f" else 255
    if low < 0 or high > limit:
        raise ImageError(f"{name}: its {array.dtype} values must be in [0, {limit}]; they are in [{low:g}, {high:g}]")
    return (np.rint(array * 255) if kind == "f" else array).astype(np.uint8)


def _reason(error: Exception) -> str:
    """An error's message in one line."""
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__
