"""An altered pass beside the untouched one, in numbers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dgrl.trace import Array, Trace


@dataclass(frozen=True)
class Reading:
    """Measurements of one saliency map.

    Attributes:
        inside: mean saliency inside the found object, in [0, 1]; None if nothing was found.
        outside: mean saliency outside of it; None if the object covers the photo.
        mae: mean absolute error against the ground truth, in [0, 1]; None without one.
    """

    inside: float | None
    outside: float | None
    mae: float | None


@dataclass(frozen=True)
class Comparison:
    """Readings of the untouched pass and of the altered one; `localised` is RLN's last step, `refined` is after BRN."""

    localised: tuple[Reading, Reading]
    refined: tuple[Reading, Reading]


def compare(untouched: Trace, altered: Trace, mask: NDArray[np.uint8] | None = None) -> Comparison:
    """Compare two passes over one photo, in the photo's own size and without stretching.

    The found object is the untouched pass's, for all readings alike.

    Args:
        untouched, altered: the passes.
        mask: ground truth (H, W) of 0 and 1, the photo's size.

    Raises:
        ValueError: the passes are of different photos, or the mask has another size.
    """
    if untouched.photo.shape != altered.photo.shape:
        raise ValueError("the two passes are of different photos")
    if mask is not None and mask.shape != untouched.saliency.shape:
        (height, width), (mask_height, mask_width) = untouched.saliency.shape, mask.shape
        raise ValueError(f"the mask has {mask_width}×{mask_height} pixels and the photo {width}×{height}")
    found_object = untouched.found()
    return Comparison(
        (read(untouched.sized(-1), found_object, mask), read(altered.sized(-1), found_object, mask)),
        (read(untouched.saliency, found_object, mask), read(altered.saliency, found_object, mask)),
    )


def read(saliency: Array, found_object: NDArray[np.bool_], mask: NDArray[np.uint8] | None = None) -> Reading:
    """Measure one map (H, W) on the found object and against the ground truth (H, W)."""
    inside, outside = saliency[found_object], saliency[~found_object]
    return Reading(
        inside=float(inside.mean()) if inside.size else None,
        outside=float(outside.mean()) if outside.size else None,
        mae=None if mask is None else float(np.abs(saliency - mask).mean()),
    )
