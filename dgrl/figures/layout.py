"""Helpers of all Matplotlib figures: a grid in the photo's proportions, colour bars, captions, and files."""

import io
import textwrap
import threading
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dgrl.figures.pixels import Map, colour, resize_map
from dgrl.images import RGB

DRAWN_LENGTH = 480
# Inches. Matplotlib's own layouts put pictures of one row at different heights if only some have a colour bar below.
CELL, GAP, TITLE, SIDE, BAR, CAPTION = 2.6, 0.08, 0.32, 0.32, 0.66, 0.36
BAR_BESIDE = 0.95
BAR_BELOW = 0.24
# Text in a PDF or SVG stays text: it can be searched, copied and edited, and journals accept its fonts.
VECTOR_TEXT: Any = {"pdf.fonttype": 42, "ps.fonttype": 42, "svg.fonttype": "none"}
QUICK = 2
"""PNG compression level of at most 9. Higher ones take a fifth of the drawing time and save a tenth to a sixth."""
_settings = threading.Lock()


def grid(
    photo: RGB, rows: int, columns: int, bar_beside: bool = False, row_titles: float = 0.0
) -> tuple[Figure, NDArray[np.object_]]:
    """Create a figure whose axes (rows, columns) have the photo's shape, with room for colour bars below or beside.

    `row_titles` is the height in inches of titles above the second row and those below it.
    """
    # A very long picture gets a figure of bounded size.
    cell_height = CELL * float(np.clip(photo.shape[0] / photo.shape[1], 0.2, 3))
    below = CAPTION + (0 if bar_beside else BAR)
    width = SIDE + columns * (CELL + GAP) + (BAR_BESIDE if bar_beside else 0)
    height = TITLE + rows * (cell_height + GAP) + (rows - 1) * row_titles + below
    figure = Figure(figsize=(width, height))
    axes = np.empty((rows, columns), object)
    for row, column in np.ndindex(rows, columns):
        left = SIDE + column * (CELL + GAP)
        bottom = height - TITLE - row * (cell_height + GAP + row_titles) - cell_height
        box = (left / width, bottom / height, CELL / width, cell_height / height)
        axes[row, column] = figure.add_axes(box, xticks=[], yticks=[])
    return figure, axes


def show(ax: Axes, picture: RGB, title: str = "") -> None:
    """Draw a picture (H, W, 3) without ticks."""
    ax.imshow(picture)
    ax.set(xticks=[], yticks=[])
    if title:
        ax.set_title(title, fontsize="medium")


def show_map(ax: Axes, values: Map, photo: RGB, low: float, high: float, colour_map: str, title: str = "") -> None:
    """Draw a map in the photo's proportions."""
    show(ax, colour(resize_map(values, *photo.shape[:2]), low, high, colour_map), title)


def colour_bar(
    figure: Figure,
    axes: Any,
    colour_map: str,
    low: float,
    high: float,
    label: str,
    beside: bool = False,
    below: float = BAR_BELOW,
) -> None:
    """Draw a colour bar with its unit, at a distance in inches below or beside one or several axes of a `grid`."""
    boxes = [ax.get_position(original=True) for ax in np.ravel(axes)]
    left, right = min(box.x0 for box in boxes), max(box.x1 for box in boxes)
    bottom, top = min(box.y0 for box in boxes), max(box.y1 for box in boxes)
    width, height = figure.get_size_inches()
    if beside:
        place = (right + 0.12 / width, bottom + 0.05 * (top - bottom), 0.12 / width, 0.9 * (top - bottom))
    else:
        place = (left + 0.05 * (right - left), bottom - below / height, 0.9 * (right - left), 0.12 / height)
    scale = ScalarMappable(Normalize(low, high), colour_map)
    label = label if beside else textwrap.fill(label, max(20, int(14 * (right - left) * width)))
    figure.colorbar(scale, cax=figure.add_axes(place), orientation="vertical" if beside else "horizontal", label=label)


def caption(figure: Figure, text: str) -> None:
    """Write a caption below the figure, so that it is clear by itself."""
    width, height = figure.get_size_inches()
    lines = textwrap.fill(text, int(width * 14))
    figure.text(0.5, 0.06 / height, lines, ha="center", va="bottom", fontsize=8.5, color="0.25")


def message(text: str) -> Figure:
    """Create a figure with a text that says why there is nothing to draw."""
    figure = Figure(figsize=(6, 1.2))
    figure.text(0.5, 0.5, text, ha="center", va="center")
    return figure


def png(figure: Figure, dpi: int = 130) -> bytes:
    """Encode the figure as PNG."""
    return _file(figure, "png", dpi=dpi, pil_kwargs={"compress_level": QUICK})


def jpeg(figure: Figure, dpi: int = 80) -> bytes:
    """Encode the figure as JPEG, a fifth of the PNG's size for photographs."""
    return _file(figure, "jpeg", dpi=dpi, pil_kwargs={"quality": 88})


def svg(figure: Figure) -> bytes:
    """Encode the figure as SVG."""
    return _file(figure, "svg", metadata={"Date": None})


def _file(figure: Figure, kind: str, **settings: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, **settings)
    return buffer.getvalue()


def save(figure: Figure, path: str | Path, dpi: int = 300) -> None:
    """Write the figure for a publication: PDF, SVG, EPS or PNG, by the path's ending. Text stays text.

    Raises:
        ValueError: the ending names no format that Matplotlib writes.
    """
    # Matplotlib takes these settings from its global ones only.
    with _settings, matplotlib.rc_context(VECTOR_TEXT):
        figure.savefig(path, dpi=dpi)
