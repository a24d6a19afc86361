"""The mark in maps, cut-outs and videos by which they are known as such, so that none is ever taken for a photo."""

import io
import os
from pathlib import Path
from typing import Any, BinaryIO

from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

_KEY, MARK = "Software", "DGRL saliency"
_NEAR = 4096  # bytes from the file's start or end; what Pillow writes before or after the mark is shorter


def save_marked(image: Image.Image, file: Path | BinaryIO, kind: str = "PNG", **settings: Any) -> None:
    """Write a map or cut-out with the mark: as text in a PNG, as EXIF data in a JPEG or WebP."""
    if kind == "PNG":
        text = PngInfo()
        text.add_text(_KEY, MARK)
        image.save(file, kind, pnginfo=text, **settings)
        return
    exif = Image.Exif()
    exif[ExifTags.Base.Software] = MARK
    image.save(file, kind, exif=exif, **settings)


def marked_png(image: Image.Image) -> bytes:
    """Encode the file that `save_marked` writes, fast rather than small."""
    buffer = io.BytesIO()
    save_marked(image, buffer, compress_level=1)
    return buffer.getvalue()


def _tail(file: BinaryIO) -> bytes:
    """Read the last bytes of a file."""
    file.seek(max(file.seek(0, os.SEEK_END) - _NEAR, 0))
    return file.read()


def is_marked(path: Path) -> bool:
    """Return whether `save_marked`, or the writer of videos, wrote a file; False if it cannot be read."""
    try:
        if not path.is_file():  # opening a pipe would wait for ever
            return False
        with path.open("rb") as file:
            head = file.read(_NEAR)
            if head.startswith(b"RIFF") and head[8:12] == b"WEBP":  # its EXIF data come last
                return MARK.encode() in _tail(file)
            if head.startswith(b"\x1aE\xdf\xa3") or head[4:8] == b"ftyp":  # WebM, MP4
                return MARK.encode() in head + _tail(file)
    except (OSError, ValueError):
        return False
    if head.startswith(b"\xff\xd8"):
        return MARK.encode() in head
    return head.startswith(b"\x89PNG") and f"tEXt{_KEY}\0{MARK}".encode() in head
