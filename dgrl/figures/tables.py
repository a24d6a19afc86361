"""Numbers and colour scales as HTML, for the app and the notebook explorer. Each brings its own style sheet."""

import base64
import html
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dgrl.figures.kernels import Window, windows
from dgrl.figures.layers import KINDS, layer
from dgrl.figures.pixels import colour, ink_on, number
from dgrl.places import shares
from dgrl.trace import PixelTrace, Trace


def legend(colour_map: str, low: float, high: float, label: str) -> str:
    """A colour bar with its ends and its meaning."""
    stops = ",".join(_css(rgb) for rgb in colour(np.linspace(0, 1, 17)[None], 0, 1, colour_map)[0])
    middle = f"<span>{html.escape(label)}</span>"
    bar = f'<span class="legend-bar" style="background:linear-gradient(to right,{stops})"></span>'
    return f'<div class="legend"><span>{number(low)}</span>{bar}<span>{number(high)}</span>{middle}</div>'


def embedded(image: bytes, alternative: str, attributes: str = "", kind: str = "png") -> str:
    """An image file of `kind` (png, svg+xml) inside HTML, with words for those who cannot see it."""
    data = base64.b64encode(image).decode()
    return f'<img src="data:image/{kind};base64,{data}" alt="{html.escape(alternative)}" {attributes}>'


def number_grid(window: Window) -> str:
    """An n×n window: every number, on its colour; offsets from the centre as headings."""
    half = len(window.values) // 2
    offsets = [f"{offset:+d}" if offset else "0" for offset in range(-half, half + 1)]
    colours = window.colours
    rows = ["<tr><th></th>" + "".join(f'<th scope="col">{offset}</th>' for offset in offsets) + "</tr>"]
    for row, offset in enumerate(offsets):
        cells = []
        for column, value in enumerate(window.values[row]):
            centre = ' class="centre"' if row == column == half else ""
            style = f"background:{_css(colours[row, column])};color:{ink_on(colours[row, column])}"
            cells.append(f'<td{centre} style="{style}">{number(value)}</td>')
        rows.append(f'<tr><th scope="row">{offset}</th>{"".join(cells)}</tr>')
    return f'<table class="numbers"><caption>{html.escape(window.title)}</caption>{"".join(rows)}</table>'


def reading_table(caption: str, columns: list[str], rows: Mapping[str, list[str]], chosen: str) -> str:
    """Readings, a row for each key; the chosen row is bold."""
    head = "".join(f'<th scope="col">{html.escape(column)}</th>' for column in columns)
    body = []
    for name, cells in rows.items():
        mark = ' class="chosen"' if name == chosen else ""
        values = "".join(f"<td>{cell}</td>" for cell in cells)
        body.append(f'<tr{mark}><th scope="row">{html.escape(name)}</th>{values}</tr>')
    table = f"<caption>{html.escape(caption)}</caption><tr><th></th>{head}</tr>{''.join(body)}"
    return f'<div class="scroll"><table class="numbers">{table}</table></div>'


def readings(trace: Trace, x: int, y: int, chosen: int) -> str:
    """All maps' values at the photo's pixel (x, y), a row for each time step; that of step `chosen` is bold."""
    across, down = shares(x, y, trace.photo.shape)
    rows = {}
    for step in trace.steps:
        layers = [layer(trace, step.t, kind) for kind in KINDS]
        rows[f"t = {step.t}"] = [number(found.at(across, down), 3) if found else "–" for found in layers]
    return reading_table(f"At column {x}, row {y} of the photo", list(KINDS), rows, f"t = {chosen}")


def pixel_tables(pixel: PixelTrace) -> str:
    """The pixel's n×n window: coefficients, neighbours and products, a table each."""
    return f'<div class="tables">{"".join(number_grid(window) for window in windows(pixel))}</div>'


def _css(rgb: NDArray[np.uint8]) -> str:
    return "#" + bytes(rgb).hex()
