"""Paintings of the What if tab: from the editor to a grey picture, and from a picture to numbers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from dgrl.app.parts import picture_file, refusal
from dgrl.app.passes import MAX_PIXELS
from dgrl.app.runs import DRAWN_LENGTH
from dgrl.figures import shrink
from dgrl.images import RGB, ImageError, read_image

BRUSH = "#e69f00"
BRUSH_OPACITY = 0.6
Canvas = dict[str, Any]


def canvas(photo: RGB, painted: NDArray[np.bool_] | None = None) -> Canvas:
    """What the editor shows: the photo, and on it whatever is painted, (H, W) of the photo's size."""
    layers = []
    if painted is not None:
        drawn = np.zeros((*painted.shape, 4), np.uint8)
        drawn[painted] = (*ImageColor.getrgb(BRUSH), round(255 * BRUSH_OPACITY))
        layers.append(picture_file(Image.fromarray(drawn), "painting"))
    return {"background": picture_file(photo, "photo", "jpeg"), "layers": layers, "composite": None}


def painting_file(editor: Canvas | None) -> str | None:
    """What is painted in the editor as a grey picture, white where the brush has been; None if nothing is."""
    layers = [np.asarray(drawn.convert("RGBA"))[:, :, 3] for drawn in (editor or {}).get("layers", [])]
    if not any(alpha.any() for alpha in layers):
        return None
    covered = np.maximum.reduce(layers) / (255 * BRUSH_OPACITY)
    return picture_file(Image.fromarray(np.rint(covered.clip(0, 1) * 255).astype(np.uint8)), "painting")


def read_painting(path: str) -> NDArray[np.float32]:
    """A picture as a painting, (H, W) in [0, 1], at most 800 pixels long; a message to the visitor if it is none."""
    try:
        picture = shrink(read_image(path, MAX_PIXELS), DRAWN_LENGTH)
    except ImageError as error:
        raise refusal(error, path, "This painting cannot be used") from error
    return np.asarray(Image.fromarray(picture).convert("L"), dtype=np.float32) / np.float32(255)
