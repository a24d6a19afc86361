"""Numbers and colour scales as HTML, for the app and the notebook explorer (`dgrl.templates`)."""

import base64
from collections.abc import Mapping

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from dgrl.figures.kernels import Window, windows
from dgrl.figures.layers import KINDS, layer
from dgrl.figures.pixels import colour, ink_on, number
from dgrl.places import shares
from dgrl.templates import render
from dgrl.trace import PixelTrace, Trace


def legend(colour_map: str, low: float, high: float, label: str) -> Markup:
    """A colour bar with its ends and its meaning."""
    stops = [_css(rgb) for rgb in colour(np.linspace(0, 1, 17)[None], 0, 1, colour_map)[0]]
    return render("legend", stops=stops, low=number(low), high=number(high), label=label)


def embedded(image: bytes, alternative: str, kind: str = "png", **attributes: object) -> Markup:
    """An image file of `kind` (png, svg+xml) inside HTML, with words for those who cannot see it."""
    data = base64.b64encode(image).decode()
    return render("image", kind=kind, data=data, alternative=alternative, attributes=attributes)


def number_grid(window: Window) -> Markup:
    """An n×n window: every number, on its colour; offsets from the centre as headings."""
    half = len(window.values) // 2
    offsets = [f"{offset:+d}" if offset else "0" for offset in range(-half, half + 1)]
    rows = [
        [
            {"number": number(value), "ground": _css(rgb), "ink": ink_on(rgb), "centre": row == column == half}
            for column, (value, rgb) in enumerate(zip(values, colours, strict=True))
        ]
        for row, (values, colours) in enumerate(zip(window.values, window.colours, strict=True))
    ]
    return render("number_grid", title=window.title, offsets=offsets, rows=rows)


def reading_table(caption: str, columns: list[str], rows: Mapping[str, list[str]], chosen: str) -> Markup:
    """Readings, a row for each key; the chosen row is bold."""
    return render("reading_table", caption=caption, columns=columns, rows=rows, chosen=chosen)


def readings(trace: Trace, x: int, y: int, chosen: int) -> Markup:
    """All maps' values at the photo's pixel (x, y), a row for each time step; that of step `chosen` is bold."""
    across, down = shares(x, y, trace.photo.shape)
    rows = {}
    for step in trace.steps:
        layers = [layer(trace, step.t, kind) for kind in KINDS]
        rows[f"t = {step.t}"] = [number(found.at(across, down), 3) if found else "–" for found in layers]
    return reading_table(f"At column {x}, row {y} of the photo", list(KINDS), rows, f"t = {chosen}")


def pixel_tables(pixel: PixelTrace) -> Markup:
    """The pixel's n×n window: coefficients, neighbours and products, a table each."""
    return render("pixel_tables", tables=[number_grid(window) for window in windows(pixel)])


def _css(rgb: NDArray[np.uint8]) -> str:
    return "#" + bytes(rgb).hex()
