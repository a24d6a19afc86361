"""The results of `dgrl detect` for a photo: files, and a line of JSON."""

import contextlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dgrl.commands.common import log, one_line
from dgrl.files import replacing
from dgrl.images import Photo, to_grey
from dgrl.images.cutouts import Background, binary, cut_out, largest_part, trimmed
from dgrl.images.marking import save_marked
from dgrl.images.matting import matted
from dgrl.trace import found_in

if TYPE_CHECKING:
    from typing import BinaryIO

FORMATS = {"png": "PNG", "webp": "WEBP", "jpg": "JPEG", "jpeg": "JPEG"}
"""Pillow's names of the formats that are written, by the endings of files."""
_SETTINGS: dict[str, dict[str, Any]] = {
    "PNG": {"compress_level": 3},  # level 6 takes twice as long
    "WEBP": {"quality": 90},
    "JPEG": {"quality": 92},
}


@dataclass(frozen=True)
class Targets:
    """The files of one photo's results; None for a result that is not written."""

    map: Path | None
    cutout: Path | None

    def written(self) -> list[Path]:
        """Return the files to write."""
        return [path for path in (self.map, self.cutout) if path is not None]


@dataclass(frozen=True)
class Results:
    """The results to make of each photo.

    Attributes:
        map, cutout: whether they are written.
        ground: what cut-outs are laid on.
        trim: pixels left around the object in cut-outs that are no larger than it; None for the photo's size.
        threshold: maps and cut-outs have two values only.
        largest: only the largest connected part is kept.
        invert: keep the background instead of the object.
        matting: edges follow the photo's own at its full size.
    """

    map: bool = True
    cutout: bool = False
    ground: Background | None = None
    trim: int | None = None
    threshold: float | None = None
    largest: bool = False
    invert: bool = False
    matting: bool = False

    def saliency(self, photo: Photo, prediction: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the map to write, made from the network's map; both (H, W) in [0, 1]."""
        if self.largest:
            prediction = largest_part(prediction)
        if self.matting:
            with contextlib.redirect_stdout(sys.stderr):  # pymatting prints; here go pictures and JSON
                prediction = matted(photo.seen, prediction)
        if self.threshold is not None:
            prediction = binary(prediction, self.threshold)
        return 1 - prediction if self.invert else prediction

    def picture(self, path: Path, photo: Photo, saliency: NDArray[np.float32]) -> Image.Image:
        """Return a photo's cut-out, on its background and trimmed if requested."""
        cut = cut_out(photo, saliency)
        composite = cut if self.ground is None else self.ground.under(cut, photo)
        if self.trim is None:
            return composite
        cropped = trimmed(composite, cut, self.trim)
        if cropped is None:
            log.error("dgrl: %s", one_line(f"{path}: nothing is found in it, so its cut-out is not trimmed"))
        return composite if cropped is None else cropped

    def save(self, path: Path, photo: Photo, saliency: NDArray[np.float32], targets: Targets) -> None:
        """Write the files of one photo; OSError, naming the file, if one of them cannot be written.

        `saliency` is the map that is written (see `saliency`).
        """
        if targets.map is not None:
            _write(to_grey(saliency), targets.map)
        if targets.cutout is not None:
            _write(self.picture(path, photo, saliency), targets.cutout)

    def print(self, path: Path, photo: Photo, saliency: NDArray[np.float32], stream: "BinaryIO") -> None:
        """Write the cut-out, or else the map, to a stream as PNG."""
        save_marked(self.picture(path, photo, saliency) if self.cutout else to_grey(saliency), stream)
        stream.flush()

    def summary(self, path: Path, saliency: NDArray[np.float32], targets: Targets) -> str:
        """Return one line of JSON about the written map."""
        inside = found_in(saliency)
        box = Image.fromarray(inside).getbbox()
        fields = {
            "photo": str(path),
            "map": None if targets.map is None else str(targets.map),
            "cutout": None if targets.cutout is None else str(targets.cutout),
            "width": saliency.shape[1],
            "height": saliency.shape[0],
            "box": None if box is None else list(box),
            "area": round(float(inside.mean()), 6),
            "mean_saliency": round(float(saliency.mean()), 6),
        }
        return json.dumps(fields, ensure_ascii=False)


def _write(picture: Image.Image, path: Path) -> None:
    kind = FORMATS[path.suffix.lower().removeprefix(".")]
    if kind == "JPEG" and picture.mode == "RGBA":  # a background that is transparent in places
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    with replacing(path) as partial:
        save_marked(picture, partial, kind, **_SETTINGS[kind])
