"""The results of a pass as numbers and pictures for programs."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dgrl.app.passes import MAX_PIXELS
from dgrl.app.refusals import refused_picture
from dgrl.app.runs import View
from dgrl.edits import write_mask
from dgrl.evaluation.comparison import compare
from dgrl.figures import colour, resize_map
from dgrl.images import RGB, ImageError, Photo, read_photo, to_grey
from dgrl.images.cutouts import cut_out
from dgrl.images.marking import marked_png
from dgrl.images.matting import matted
from dgrl.places import inside
from dgrl.report import found
from dgrl.trace import PixelTrace


def facts(view: View) -> dict[str, Any]:
    """Describe what a pass found, in words and numbers."""
    trace = view.trace
    object_pixels = trace.found()
    rows, columns = np.nonzero(object_pixels)
    box = [int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())] if len(rows) else None
    return {
        "words": found(trace) if trace.whole else "",
        "found": bool(len(rows)),
        "share": float(object_pixels.mean()),
        "box": box,
        "size": [trace.photo.shape[1], trace.photo.shape[0]],
        "full_size": list(view.full_size) if view.full_size else None,
        "steps": len(trace.steps) - 1,
        "seconds": view.seconds,
        "machine": view.machine,
    }


def changes(view: View, changed_view: View, truth: Any = None) -> dict[str, Any]:
    """Compare a pass with edits with the original pass, in numbers."""
    compared = dataclasses.asdict(compare(view.trace, changed_view.trace, truth))
    pairs = {
        "localised": (view.trace.sized(-1), changed_view.trace.sized(-1)),
        "refined": (view.trace.saliency, changed_view.trace.saliency),
    }
    return {
        name: {
            "untouched": compared[name][0],
            "altered": compared[name][1],
            "mean_absolute_difference": float(np.abs(after - before).mean()),
        }
        for name, (before, after) in pairs.items()
    }


def saliency_of(view: View, matting: bool = False) -> NDArray[np.float32]:
    """Return the saliency map (H, W); with `matting`, with edges as fine as the photo's."""
    return matted(view.trace.photo, view.trace.saliency) if matting else view.trace.saliency


def map_file(saliency: NDArray[np.float32]) -> bytes:
    """Write a saliency map as an 8-bit grey PNG in the photo's size."""
    return marked_png(to_grey(saliency))


def cutout_file(saliency: NDArray[np.float32], photo: str) -> bytes:
    """Cut the object of this map out of the file `photo`, as an RGBA PNG in the photo's size."""
    return marked_png(cut_out(picture_of(photo), saliency))


def picture_of(photo: str) -> Photo:
    """Read a file as for its pass, with its transparency."""
    try:
        return read_photo(photo, MAX_PIXELS, reduce=True)
    except ImageError as error:
        raise refused_picture(error, photo, "This picture cannot be used") from error


def pixel_numbers(pixel: PixelTrace) -> dict[str, Any]:
    """Write a pixel's trace as JSON; arrays become lists of rows."""
    fields = dataclasses.asdict(pixel)
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in fields.items()}


def painted(path: Path) -> str:
    """Read a picture as the mask of a "paint" edit: pixels brighter than half."""
    try:
        grey = Image.fromarray(read_photo(path, MAX_PIXELS, reduce=True).seen).convert("L")
    except ImageError as error:
        raise refused_picture(error, str(path), "This painting cannot be used") from error
    grey.thumbnail((128, 128))
    return write_mask(np.asarray(grey) > 127)


def most_salient_pixel(view: View) -> tuple[int, int]:
    """Return the photo's pixel with the highest saliency at the last time step."""
    saliency = view.trace.steps[-1].saliency
    row, column = np.unravel_index(int(saliency.argmax()), saliency.shape)
    shape = view.trace.photo.shape
    return inside((column + 0.5) * shape[1] / saliency.shape[1], (row + 0.5) * shape[0] / saliency.shape[0], shape)


def rounded(values: Any) -> list[list[float]]:
    """Return a map as rows of numbers with as many digits as float32 has."""
    return [[float(f"{value:.7g}") for value in row] for row in values.tolist()]


def as_drawn(view: View, values: Any, low: float, colour_map: str) -> RGB:
    """Colour a map in the size in which the photo is drawn, from `low` to 1, or to −`low` if it is not 0."""
    height, width = view.photo.shape[:2]
    return colour(resize_map(values, height, width), low, -low if low else 1, colour_map)
