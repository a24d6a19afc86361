"""The mark in maps and cut-outs by which they are known as such, so that none is ever taken for a photo."""

import io
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image
from PIL.PngImagePlugin import PngInfo

_KEY, _VALUE = "Software", "DGRL saliency"
_HEAD = 4096  # bytes; what Pillow writes before the mark is shorter


def save_marked(image: Image.Image, file: Path | BinaryIO, **settings: Any) -> None:
    """Write a map or cut-out as PNG, with the mark."""
    text = PngInfo()
    text.add_text(_KEY, _VALUE)
    image.save(file, "PNG", pnginfo=text, **settings)


def marked_png(image: Image.Image) -> bytes:
    """The file that `save_marked` writes, fast rather than small."""
    buffer = io.BytesIO()
    save_marked(image, buffer, compress_level=1)
    return buffer.getvalue()


def is_marked(path: Path) -> bool:
    """Whether a file was written by `save_marked`; False for whatever cannot be read."""
    try:
        if not path.is_file():  # opening a pipe would wait for ever
            return False
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except (OSError, ValueError):
        return False
    return head.startswith(b"\x89PNG") and f"tEXt{_KEY}\0{_VALUE}".encode() in head
