"""Edges at the photo's own size: alpha in the band around an object's outline, solved from the photo's colours.

Levin et al., "A Closed-Form Solution to Natural Image Matting", TPAMI 2008, in pymatting. BRN works at 480×480, so that
the edges of a larger photo's map are as soft as the enlargement makes them.
"""

import contextlib
import io
from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from dgrl.images.reading import RGB

BAND = 1.0
"""How far the band reaches beyond soft edges on both sides, in pixels of BRN's map."""
BRN_SIDE = 480
SURE = 0.05
"""A map is certain of a pixel below this value, and above one minus this value."""
TILE = 384
"""Side of a tile in pixels. Tiles are solved one at a time, which limits the memory."""
MARGIN = 24
"""Smallest margin in pixels that is solved with a tile and then removed, so that no seam is visible."""
MARGIN_REACHES = 6
"""The margin as a multiple of the band's reach: at this distance from its middle, the map is certain on both sides."""
MOST_UNKNOWN = 0.75
"""A tile with a larger share of unknown pixels stays unchanged, because its colours do not show what the object is."""

SHIFTS = (1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0)
"""Shifts of the diagonal in the incomplete Cholesky decomposition, tried in turn."""

Map = NDArray[np.float32]


def matted(photo: RGB, saliency: Map) -> Map:
    """Return a map with edges as fine as the photo's: alpha where the map is unsure, 0 or 1 elsewhere.

    Args:
        photo: (H, W, 3).
        saliency: (H, W) in [0, 1].

    Returns:
        (H, W) in [0, 1].
    """
    trimap = trimap_of(saliency)
    result = np.where(trimap == 0.5, saliency, trimap).astype(np.float32)
    margin = max(MARGIN, MARGIN_REACHES * _reach(saliency))
    for inner, outer in _tiles(saliency.shape[0], saliency.shape[1], margin):
        tile_trimap = trimap[outer]
        has_both = (tile_trimap == 0).any() and (tile_trimap == 1).any()
        unknown = tile_trimap == 0.5
        if has_both and unknown[_within(inner, outer)].any() and unknown.mean() <= MOST_UNKNOWN:
            result[inner] = _solved(photo[outer], tile_trimap)[_within(inner, outer)]
    return result


def _reach(saliency: Map) -> int:
    """Return how far the band extends beyond soft edges, in pixels."""
    return max(round(BAND * max(saliency.shape) / BRN_SIDE), 1)


def trimap_of(saliency: Map) -> Map:
    """Return (H, W): 1 where a map is surely the object, 0 where it surely is not, one half in the band between."""
    from scipy import ndimage

    size = 2 * _reach(saliency) + 1
    inside = ndimage.minimum_filter(saliency, size) > 1 - SURE
    outside = ndimage.maximum_filter(saliency, size) < SURE
    return np.where(inside, 1, np.where(outside, 0, 0.5)).astype(np.float32)


def _solved(photo: RGB, trimap: Map) -> Map:
    """Compute the alpha of a tile."""
    from pymatting import estimate_alpha_cf, ichol  # compiles for some seconds, once on a machine

    # pymatting prints each shift that fails to standard output, where a picture or JSON may go.
    solver = {"preconditioner": partial(ichol, shifts=SHIFTS), "cg_kwargs": {"rtol": 1e-6}}
    with contextlib.redirect_stdout(io.StringIO()):
        alpha: Map = estimate_alpha_cf(photo / 255, trimap.astype(np.float64), **solver).astype(np.float32)
    return alpha.clip(0, 1)


Window = tuple[slice, slice]


def _tiles(height: int, width: int, margin: int) -> Iterator[tuple[Window, Window]]:
    """Yield windows that cover the picture: each one without and with its margin."""
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            inner = slice(top, min(top + TILE, height)), slice(left, min(left + TILE, width))
            outer = tuple(
                slice(max(rows_or_columns.start - margin, 0), min(rows_or_columns.stop + margin, side))
                for rows_or_columns, side in zip(inner, (height, width), strict=True)
            )
            yield inner, (outer[0], outer[1])


def _within(inner: Window, outer: Window) -> Window:
    """Return the inner window in the coordinates of the outer one."""
    rows, columns = (
        slice(part.start - around.start, part.stop - around.start) for part, around in zip(inner, outer, strict=True)
    )
    return rows, columns
