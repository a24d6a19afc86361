"""The photos that requests name: the app's examples, and uploads of sessions.

A reference is text. `example/NAME` is one of the app's photos, `upload/ID` one that was sent to `/photos`. The ID
is computed from the file's name and content: a photo that is sent again has the same ID, also after a restart.
"""

import hashlib
import io
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from dgrl.app.files import SessionFiles
from dgrl.app.passes import MAX_PIXELS
from dgrl.app.refusals import PHOTO_GONE, Refused, refused_picture
from dgrl.figures import shrink
from dgrl.images import RGB, ImageError, read_image, read_photo

THUMBNAIL, PREVIEW = 200, 1280
"""Longest side of an upload's thumbnail and preview, in pixels."""
ORIGINAL = "original"
"""Folder of the uploaded file; thumbnail and preview are beside the folder."""
UPLOAD = "upload"
EXAMPLE = "example"
GONE = "The server does not have this photo (any more). Please send it again."
LONGEST_NAME = 100


@dataclass(frozen=True)
class Example:
    """A photo that the app offers.

    Attributes:
        name: how links refer to it.
        path: the photo's file.
        mask: the file of its ground truth, if there is one.
        thumbnail: a JPEG.
    """

    name: str
    path: Path
    mask: Path | None
    thumbnail: bytes


class Photos:
    """Finds photos by reference, and stores new ones.

    Args:
        examples: photos to offer; if PHOTO.jpg has a mask, it is masks/PHOTO.png beside it.
        files: where uploads are stored, and which sessions use them.
    """

    def __init__(self, examples: Sequence[str | Path], files: SessionFiles) -> None:
        self.examples = {example.name: example for example in map(read_example, map(Path, examples))}
        self._files = files
        self._uploads: dict[str, Path] = {}

    def path(self, reference: Any, session: str) -> Path:
        """Return the file of a photo, and note that the session uses it.

        Raises:
            Refused: there is no such example, or the upload is gone (kind PHOTO_GONE).
        """
        kind, _, name = reference.partition("/") if isinstance(reference, str) else ("", "", "")
        if kind == EXAMPLE and name in self.examples:
            return self.examples[name].path
        path = self._uploads.get(name) if kind == UPLOAD else None
        if path is not None and self._files.knows(str(path)):
            self._files.hold(path, session)
            return path
        self._uploads.pop(name, None)
        if kind == UPLOAD:
            raise Refused(GONE, "Photo gone", PHOTO_GONE, 410)
        raise Refused("Choose a photo first: an example of the app or an upload.", "No photo", status=404)

    async def receive(self, content: AsyncIterator[bytes], name: str) -> tuple[Path, str]:
        """Write an upload to a file; return it and the photo's ID. No session knows the file yet."""
        safe_name = plain_name(name)
        digest = hashlib.sha256(f"{safe_name}\0".encode())
        partial = self._files.new_file()
        with partial.open("wb") as file:
            async for piece in content:
                digest.update(piece)
                file.write(piece)
        identity = digest.hexdigest()[:32]
        path = self._files.folder / f"photo-{identity}" / ORIGINAL / safe_name
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.replace(path)
        return path, identity

    def add(self, path: Path, identity: str, session: str) -> dict[str, Any]:
        """Add a received file to the photos.

        Returns:
            The photo's reference, name, width and height in pixels, and the addresses of thumbnail and preview.

        Raises:
            Refused: it is not a readable picture; the file is deleted.
        """
        try:
            photo = read_photo(path, MAX_PIXELS, reduce=True)
        except ImageError as error:
            path.unlink(missing_ok=True)
            raise refused_picture(error, str(path), "This picture cannot be used") from error
        pictures = {"thumbnail": THUMBNAIL, "preview": PREVIEW}
        for kind, longest in pictures.items():
            small = path.parents[1] / f"{kind}.jpeg"
            Image.fromarray(shrink(photo.seen, longest)).save(small, "jpeg", quality=88)
            self._files.hold(small, session)
        self._files.hold(path, session)
        self._uploads[identity] = path
        width, height = photo.full_size or photo.seen.shape[1::-1]
        reference = f"{UPLOAD}/{identity}"
        addresses = {kind: f"photo/{reference}/{kind}" for kind in pictures}
        return {"id": reference, "name": path.stem, "width": width, "height": height, **addresses}

    def picture(self, identity: str, kind: str, session: str) -> Path:
        """Return the thumbnail or preview of an upload; raise as `path` does."""
        small = self.path(f"{UPLOAD}/{identity}", session).parents[1] / f"{kind}.jpeg"
        if not self._files.knows(str(small)):
            raise Refused(GONE, "Photo gone", PHOTO_GONE, 410)
        self._files.hold(small, session)
        return small


def read_example(path: Path) -> Example:
    """Read the parts of an example that the page shows."""
    mask = path.parent / "masks" / f"{path.stem}.png"
    return Example(path.stem, path, mask if mask.is_file() else None, thumbnail(read_image(path)))


def thumbnail(photo: RGB) -> bytes:
    """Return a photo as a small JPEG."""
    file = io.BytesIO()
    Image.fromarray(shrink(photo, THUMBNAIL)).save(file, "jpeg", quality=88)
    return file.getvalue()


def plain_name(name: str) -> str:
    """Return a file name without folders, control characters and excessive length; its ending is kept."""
    last = re.split(r"[/\\]", name)[-1]
    last = "".join(letter for letter in last if letter.isprintable()).strip(". ") or "photo"
    stem, dot, ending = last.rpartition(".")
    if not dot or len(ending) > 8:
        stem, dot, ending = last, "", ""
    while len(stem.encode()) > LONGEST_NAME:
        stem = stem[:-1]
    return f"{stem}{dot}{ending}"
