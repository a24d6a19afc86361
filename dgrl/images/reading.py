"""Pictures: reading and checking them, sizing them for the networks, and the way back."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from dgrl.images.opening import ANIMATED, FULL_SIZE, MAX_PIXELS, ImageError, check_size, decoded, opened
from dgrl.images.profiles import to_srgb
from dgrl.images.transparency import lay_on_ground

Picture = str | Path | bytes | BinaryIO | Image.Image | NDArray[np.generic] | Tensor
RGB = NDArray[np.uint8]


@dataclass(frozen=True)
class Photo:
    """A picture as the networks see it, and what a cut-out keeps of it.

    Attributes:
        seen: (H, W, 3) uint8, opaque sRGB.
        colours: the same; of a transparent picture its own colours, not those of the ground it is laid on.
        alpha: (H, W) uint8, 255 where it is opaque; None if it is so everywhere.
        full_size: width and height of the file, if it was read at reduced size.
        animated: whether the file has more frames, or pages, than the one that was read.
    """

    seen: RGB
    colours: RGB
    alpha: NDArray[np.uint8] | None = None
    full_size: tuple[int, int] | None = None
    animated: bool = False


def read_image(source: Picture, max_pixels: int = MAX_PIXELS) -> RGB:
    """Read any picture as upright RGB in sRGB.

    EXIF rotation is applied, and colours of other profiles are converted to sRGB. Transparent pictures are laid over
    white, or over black or grey if they would be invisible on white. Palette, CMYK, LAB, grey and 16-bit pictures
    become 8-bit RGB, where 65535 in 16 bits is white. Of an animated file the first frame is read.

    Args:
        source: a path, the bytes of a file, a file open for reading in binary mode, a PIL image, an array or a tensor.
            An array is (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), a tensor (1, H, W), (3, H, W) or (4, H, W). Values
            are bool, uint8, uint16 by its full range, other integers in [0, 255], or floats in [0, 1].
        max_pixels: largest number of pixels accepted (and no side may be longer than `MAX_SIDE`); a file's size is
            checked before anything is decoded.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ImageError: it cannot be read, is empty, is too large, or holds values outside its range.
    """
    return read_photo(source, max_pixels).seen


def read_photo(source: Picture, max_pixels: int = MAX_PIXELS, reduce: bool = False, name: str = "the picture") -> Photo:
    """Read a picture like `read_image`, with what a cut-out also needs.

    Args:
        source: see `read_image`.
        max_pixels: see `read_image`.
        reduce: read a file that has more pixels at a half, a quarter or an eighth of its width and height (see
            `dgrl.images.opening.opened`).
        name: what errors call a picture that is given as bytes or as an open file.

    Raises:
        ImageError: see `read_image`.
    """
    file = _file(source)
    if file is not None:
        with opened(file, max_pixels, reduce, name) as image:
            return _photo(image, str(file) if isinstance(file, Path) else name)
    if isinstance(source, Image.Image):
        check_size(source.size, "the picture", max_pixels)
        return _photo(decoded(source, "the picture"), "the picture")
    if isinstance(source, Tensor):
        if source.dim() != 3 or source.shape[0] not in (1, 3, 4):
            raise ImageError(f"the tensor's shape {tuple(source.shape)} is not (1, H, W), (3, H, W) or (4, H, W)")
        source = source.detach().cpu().permute(1, 2, 0)
        # NumPy has no bfloat16.
        return _from_array((source.float() if source.is_floating_point() else source).numpy(), "the tensor", max_pixels)
    if not isinstance(source, np.ndarray):
        kinds = "a path, bytes, an open file, a PIL image, an array or a tensor"
        raise ImageError(f"a picture is {kinds}, not a {type(source).__name__}")
    return _from_array(source, "the array", max_pixels)


def _file(source: object) -> Path | io.BytesIO | None:
    """Return the path of a file, or its bytes, if `source` is one of these; None for a decoded picture."""
    if isinstance(source, (str, Path)):
        return Path(source)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return io.BytesIO(source)
    if isinstance(source, io.BytesIO) or not callable(read_content := getattr(source, "read", None)):
        return source if isinstance(source, io.BytesIO) else None
    content = read_content()
    if not isinstance(content, bytes):
        raise ImageError("a picture's file must be open in binary mode, not as text")
    return io.BytesIO(content)


def to_tensor(image: RGB) -> Tensor:
    """Convert (H, W, 3) uint8 to (1, 3, H, W) uint8, without a copy; `square` and `as_float` make floats of it."""
    return torch.from_numpy(image).permute(2, 0, 1)[None]


def as_float(images: Tensor) -> Tensor:
    """Convert uint8 images in [0, 255] to float in [0, 1]; return float images unchanged."""
    return images if images.is_floating_point() else images.float() / 255


def square(images: Tensor, size: int) -> Tensor:
    """Resize images (B, 3, H, W) to (B, 3, size, size), bilinear with anti-aliasing, ignoring the aspect ratio (paper).

    `images` is float in [0, 1] or uint8 in [0, 255]; the result is float in [0, 1]. Bytes are resized as bytes: a large
    photo is then ready in milliseconds and never exists as floats. The two ways differ by less than 1/255.
    """
    return as_float(_resized(images, size, size))


def to_size(maps: Tensor, height: int, width: int) -> Tensor:
    """Resize maps (B, 1, h, w) in [0, 1] to (B, 1, height, width), bilinear, anti-aliased when they shrink."""
    return _resized(maps, height, width).clamp(0, 1)


def _resized(images: Tensor, height: int, width: int) -> Tensor:
    # torchvision takes as long to import as PyTorch itself (it loads PyTorch's compiler): not before it is needed.
    from torchvision.transforms.v2 import functional as transforms

    resized: Tensor = transforms.resize(images, [height, width], antialias=True)
    return resized


def to_grey(saliency: NDArray[np.float32]) -> Image.Image:
    """Convert a map in [0, 1] to an 8-bit grey image."""
    return Image.fromarray(np.rint(saliency * 255).astype(np.uint8))


def _photo(image: Image.Image, name: str) -> Photo:
    """Convert a decoded picture."""
    profile, full_size = image.info.get("icc_profile"), image.info.get(FULL_SIZE)
    animated = image.info.get(ANIMATED, False)
    alpha = None
    try:
        if image.mode.startswith("I"):  # Pillow carries 16-bit grey as "I;16", in some formats as 32-bit "I"
            image = Image.fromarray(as_bytes(as_16_bit(np.asarray(image), name), name))
        elif image.mode == "F":
            image = Image.fromarray(as_bytes(np.asarray(image), name))
        elif image.has_transparency_data:
            image, alpha = split_alpha(image)
        return _laid(to_srgb(image, profile), alpha, full_size, animated)
    except ImageError:
        raise
    # Pillow's conversions raise errors of many kinds on damaged files.
    except Exception as error:
        raise ImageError(f"{name}: the picture is damaged ({error})") from error


def split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image]:
    """Return colours ("L" or "RGB") and alpha channel ("L") of a picture with transparency of any kind."""
    if image.mode == "La":  # Pillow converts it to nothing else
        image = image.convert("LA")
    grey = image.mode in ("LA", "L", "1")
    rgba = image.convert("LA" if image.mode == "LA" else "RGBA")
    return rgba.convert("L" if grey else "RGB"), rgba.getchannel("A")


def _laid(
    colours: Image.Image,
    alpha: Image.Image | None,
    full_size: tuple[int, int] | None = None,
    animated: bool = False,
) -> Photo:
    if alpha is None or alpha.getextrema()[0] == 255:
        picture = np.array(colours)
        return Photo(picture, picture, None, full_size, animated)
    return Photo(lay_on_ground(colours, alpha), np.array(colours), np.array(alpha), full_size, animated)


def as_16_bit(values: NDArray[np.generic], name: str) -> NDArray[np.uint16]:
    """Convert integers of any type to uint16; raise ImageError if they do not fit."""
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise ImageError(f"{name}: its values, {low} to {high}, are beyond 16 bits")
    return values.astype(np.uint16)


def _from_array(array: NDArray[np.generic], name: str, max_pixels: int) -> Photo:
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise ImageError(f"{name}: its shape {array.shape} is not (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)")
    check_size((array.shape[1], array.shape[0]), name, max_pixels)
    values = as_bytes(array, name)
    if values.shape[2] == 4:
        return _laid(Image.fromarray(values[:, :, :3].copy()), Image.fromarray(values[:, :, 3].copy()))
    picture = np.array(np.broadcast_to(values, (*values.shape[:2], 3)))
    return Photo(picture, picture)


def as_bytes(array: NDArray[np.generic], name: str) -> NDArray[np.uint8]:
    """Convert numbers of any type, in the ranges of `read_image`, to bytes; raise ImageError outside them."""
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
