"""Pictures: reading and checking them, sizing them for the networks, and the way back."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torchvision.transforms.v2 import functional as transforms

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".avif"})
MAX_PIXELS = 100_000_000

Picture = str | Path | Image.Image | NDArray[np.generic] | Tensor
RGB = NDArray[np.uint8]


class ImageError(ValueError):
    """A picture cannot be used; the message is one sentence that names it and says why."""


def read_image(source: Picture, max_pixels: int = MAX_PIXELS) -> RGB:
    """Any picture as RGB, the way a person sees it.

    EXIF rotation is applied; transparency is laid over white; palette, CMYK, 16-bit and grey pictures become 8-bit RGB;
    of an animated file the first frame is taken.

    Args:
        source: a path, a PIL image, an array (H, W), (H, W, 3) or (H, W, 4) of uint8 in [0, 255] or floats in [0, 1],
            or a tensor (3, H, W) or (1, H, W) likewise.
        max_pixels: largest number of pixels accepted.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ImageError: it cannot be read, is empty, or is too large.
    """
    if isinstance(source, (str, Path)):
        return _read_file(Path(source), max_pixels)
    if isinstance(source, Image.Image):
        _check_size(source.size, "the picture", max_pixels)
        return _to_rgb(source)
    if isinstance(source, Tensor):
        if source.dim() != 3 or source.shape[0] not in (1, 3):
            raise ImageError(f"the tensor's shape {tuple(source.shape)} is not (3, H, W) or (1, H, W)")
        source = source.detach().cpu().permute(1, 2, 0).float().numpy() if source.is_floating_point() else (
            source.detach().cpu().permute(1, 2, 0).numpy()
        )
    return _from_array(np.asarray(source), max_pixels)


def read_mask(source: Picture, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """A ground-truth mask as (H, W) uint8 of 0 and 1; a pixel is salient where it is brighter than half."""
    grey = np.asarray(Image.fromarray(read_image(source, max_pixels)).convert("L"))
    return (grey > 127).astype(np.uint8)


def to_tensor(image: RGB) -> Tensor:
    """(H, W, 3) uint8 to (1, 3, H, W) float32 in [0, 1]."""
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255


def square(images: Tensor, size: int) -> Tensor:
    """Images (B, 3, H, W) to (B, 3, size, size), bilinear with anti-aliasing; the aspect ratio is not kept (paper)."""
    return transforms.resize(images, [size, size], antialias=True)


def to_size(maps: Tensor, height: int, width: int) -> Tensor:
    """Maps (B, 1, h, w) in [0, 1] to (B, 1, height, width), bilinear, anti-aliased when they shrink."""
    return transforms.resize(maps, [height, width], antialias=True).clamp(0, 1)


def cutout(image: RGB, saliency: NDArray[np.float32]) -> Image.Image:
    """The picture with its saliency map as transparency: an RGBA image."""
    alpha = np.rint(saliency * 255).astype(np.uint8)
    return Image.fromarray(np.dstack([image, alpha]), "RGBA")


def to_grey(saliency: NDArray[np.float32]) -> Image.Image:
    """A map in [0, 1] as an 8-bit grey image."""
    return Image.fromarray(np.rint(saliency * 255).astype(np.uint8), "L")


def _read_file(path: Path, max_pixels: int) -> RGB:
    try:
        with Image.open(path) as image:
            _check_size(image.size, str(path), max_pixels)
            return _to_rgb(image)
    except FileNotFoundError as error:
        raise ImageError(f"{path}: there is no such file") from error
    except IsADirectoryError as error:
        raise ImageError(f"{path}: this is a folder, not a picture") from error
    except PermissionError as error:
        raise ImageError(f"{path}: it may not be read (permission denied)") from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"{path}: it has more than {max_pixels:,} pixels") from error
    except UnidentifiedImageError as error:
        empty = path.stat().st_size == 0
        raise ImageError(f"{path}: {'the file is empty' if empty else 'this is not a picture'}") from error
    except ImageError:
        raise
    # Pillow's decoders raise many kinds of error on damaged files: all of them mean the same to the caller.
    except Exception as error:
        raise ImageError(f"{path}: the picture is damaged ({error})") from error


def _check_size(size: tuple[int, int], name: str, max_pixels: int) -> None:
    width, height = size
    if width == 0 or height == 0:
        raise ImageError(f"{name}: it is empty ({width}×{height} pixels)")
    if width * height > max_pixels:
        raise ImageError(f"{name}: it has {width:,}×{height:,} pixels, more than the limit of {max_pixels:,}")


def _to_rgb(image: Image.Image) -> RGB:
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _from_array(np.asarray(image), image.width * image.height)
    image = ImageOps.exif_transpose(image)
    if "A" in image.getbands() or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        image = Image.alpha_composite(white, rgba)
    return np.array(image.convert("RGB"))


def _from_array(array: NDArray[np.generic], max_pixels: int) -> RGB:
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise ImageError(f"the array's shape {array.shape} is not (H, W), (H, W, 3) or (H, W, 4)")
    _check_size((array.shape[1], array.shape[0]), "the array", max_pixels)
    if array.dtype == bool:
        array = array * np.uint8(255)
    elif np.issubdtype(array.dtype, np.floating):
        if not np.isfinite(array).all():
            raise ImageError("the array holds NaN or infinite values")
        if array.min() < 0 or array.max() > 1:
            raise ImageError(f"float arrays must be in [0, 1]; this one is in [{array.min():g}, {array.max():g}]")
        array = np.rint(array * 255).astype(np.uint8)
    elif array.dtype != np.uint8:
        array = (array.astype(np.uint32) >> 8).astype(np.uint8) if array.max() > 255 else array.astype(np.uint8)
    if array.shape[2] == 4:
        return _to_rgb(Image.fromarray(array.astype(np.uint8), "RGBA"))
    return np.ascontiguousarray(np.broadcast_to(array, (*array.shape[:2], 3)).astype(np.uint8))
