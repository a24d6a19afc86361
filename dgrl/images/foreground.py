"""The colours of an object where the old background shines through at its edge (foreground estimation).

Germer et al., "Fast Multi-Level Foreground Estimation", ICPR 2020, in pymatting.
"""

import importlib.util
import sys
import tempfile
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dgrl.images import RGB

LONGEST = 1000
"""Side at which foreground and background are estimated. Both are smooth; the photo adds the sharp details."""

_STRIP = 256  # rows that are floats at a time
_MODULE = "pymatting.foreground.estimate_foreground_ml"
# Numba's threads, where neither OpenMP nor TBB is installed, end the process if two callers meet.
_one_at_a_time = threading.Lock()


def foreground(colours: RGB, alpha: NDArray[np.uint8]) -> RGB:
    """Estimate the foreground's colours F, where the photo is α·F + (1 − α)·background.

    Foreground F and background B are estimated by pymatting on the photo reduced to `LONGEST` pixels, where the share
    of the old background in a colour hardly changes from pixel to pixel. At full size each pixel then takes the nearest
    F and B that explain the photo's colour I exactly: F + α·(I − α·F − (1 − α)·B) / (α² + (1 − α)²). Where α is 1 that
    is I itself; where it is 0, it is F, so that the file contains nothing of the old background.

    A photo of 12 megapixels takes 0.9 seconds on one core, 0.1 of them in pymatting, and some 100 MB; at full size
    pymatting alone would take 3 seconds and 1 GB. The first use on a machine compiles for six seconds, the first use in
    each process for one.

    Args:
        colours: (H, W, 3).
        alpha: (H, W), how much of each pixel is the object's, of 255.

    Returns:
        (H, W, 3).
    """
    height, width = alpha.shape
    if (alpha == 255).all() or max(height, width) < 2:
        return colours
    scale = min(1.0, LONGEST / max(height, width))
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    photo, matte = Image.fromarray(colours), Image.fromarray(alpha)
    small, small_matte = (image.resize(size, Image.Resampling.BOX) for image in (photo, matte))
    with _one_at_a_time:
        layers = _estimator()(_as_unit(small), _as_unit(small_matte), return_background=True)
    front, back = (
        Image.fromarray(np.rint(layer * 255).astype(np.uint8)).resize((width, height), Image.Resampling.BILINEAR)
        for layer in layers
    )
    result = np.asarray(front).copy()
    behind = np.asarray(back)
    for top in range(0, height, _STRIP):
        rows = slice(top, top + _STRIP)
        if not alpha[rows].any():
            continue
        share = alpha[rows, :, None].astype(np.float32) / 255
        foreground_colours, background_colours = result[rows].astype(np.float32), behind[rows].astype(np.float32)
        unexplained = colours[rows] - share * foreground_colours - (1 - share) * background_colours
        foreground_colours += share * unexplained / (share**2 + (1 - share) ** 2)
        result[rows] = np.rint(foreground_colours.clip(0, 255)).astype(np.uint8)
    return result


def _as_unit(image: Image.Image) -> NDArray[np.float32]:
    return np.asarray(image, np.float32) / np.float32(255)


@cache
def _estimator() -> Callable[..., Any]:
    """Import Pymatting's `estimate_foreground_ml` from its own file, without the package.

    Importing the package compiles all of it, which takes a minute the first time. This file alone takes six seconds the
    first time, then a fraction of one.
    """
    module = sys.modules.get(_MODULE)
    try:
        module = module or _load()
    except RuntimeError:  # Numba refuses to compile where neither the package's nor the user's folder can be written
        sys.modules["numba"].config.CACHE_DIR = tempfile.mkdtemp(prefix="dgrl-numba-")
        module = _load()
    return module.estimate_foreground_ml


def _folder() -> Path:
    package = importlib.util.find_spec("pymatting")
    if package is None or not package.submodule_search_locations:
        raise ImportError("pymatting, which cut-outs need, is not installed")
    return Path(package.submodule_search_locations[0]) / "foreground"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location(_MODULE, _folder() / "estimate_foreground_ml.py")
    assert spec is not None
    assert spec.loader is not None
    # The module keeps its own name, because Numba's cache refers to it.
    module = sys.modules[_MODULE] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[_MODULE]
        raise
    return module
