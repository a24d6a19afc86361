"""Pictures that are transparent already: what they are laid on for the networks, which know nothing of transparency."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BACKGROUNDS = (255, 0, 128)
"""White, then black, then grey: the first on which a picture stands out."""

_STANDS_OUT = 64  # of 255, in any of the three colours
_NEARLY = 0.9  # white is kept unless another ground shows clearly more
_SAMPLE = 300  # rows and columns that are looked at


def lay_on_ground(colours: Image.Image, alpha: Image.Image) -> NDArray[np.uint8]:
    """Lay an RGB picture with its alpha channel ("L") on the background on which it is visible; return (H, W, 3)."""
    ground = Image.new("RGB", colours.size, (ground_for(colours, alpha),) * 3)
    ground.paste(colours, mask=alpha)
    return np.array(ground)


def ground_for(colours: Image.Image, alpha: Image.Image) -> int:
    """Return which of `BACKGROUNDS` suits a picture, so that white logos and dark ones are visible."""
    step = [max(side // _SAMPLE, 1) for side in (colours.height, colours.width)]
    visible = np.asarray(alpha)[:: step[0], :: step[1]].astype(np.float64)
    pixels = np.asarray(colours)[:: step[0], :: step[1]].astype(np.int16)
    amounts = [float((visible * (np.abs(pixels - ground).max(2) >= _STANDS_OUT)).sum()) for ground in BACKGROUNDS]
    return next(ground for ground, amount in zip(BACKGROUNDS, amounts, strict=True) if amount >= _NEARLY * max(amounts))
