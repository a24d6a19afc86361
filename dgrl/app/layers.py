"""The maps of RLN over the photo, as the Localise tab shows them: what there is, how it is coloured, what it reads."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dgrl.app.parts import photo_point, picture_file, reading_table
from dgrl.app.passes import View
from dgrl.figures import (
    SALIENCY,
    SIGNED,
    WEIGHTS,
    changes,
    colour,
    largest,
    overlay,
    pale,
    resize_map,
    shrink,
    weight_limit,
)
from dgrl.images import RGB
from dgrl.rln import LEVELS
from dgrl.trace import Trace

PREDICTION, CHANGE = "prediction", "change"
KINDS = (*LEVELS, PREDICTION, CHANGE)
THUMBNAIL = 240


@dataclass(frozen=True)
class Layer:
    """One map and how it is coloured; `aligned` says how it is sized up (see `resize_map`)."""

    values: NDArray[np.float32]
    low: float
    high: float
    colour_map: str
    label: str
    aligned: bool = False

    def over(self, photo: RGB, opacity: float) -> RGB:
        """The map in colours over the photo."""
        height, width = photo.shape[:2]
        values = resize_map(self.values, height, width, self.aligned)
        return overlay(photo, colour(values, self.low, self.high, self.colour_map), opacity)

    def at(self, x: float, y: float) -> float:
        """The map's value at a point of the photo, both coordinates from 0 to 1; bilinear, as the map is drawn."""
        height, width = self.values.shape
        column, row = (x * (width - 1), y * (height - 1)) if self.aligned else (x * width - 0.5, y * height - 0.5)
        column, row = min(max(column, 0), width - 1), min(max(row, 0), height - 1)
        left, top = int(column), int(row)
        corners = self.values[top : top + 2, left : left + 2]
        along = np.array([1 - (column - left), column - left])[: corners.shape[1]]
        down = np.array([1 - (row - top), row - top])[: corners.shape[0]]
        return float(down @ corners @ along)


def layer(trace: Trace, t: int, kind: str) -> Layer | None:
    """A map of time step `t`; None where there is none: no change before t = 1, no weight maps without CWM."""
    step = trace.steps[t]
    if kind == PREDICTION:
        return Layer(step.saliency, 0, 1, SALIENCY, f"prediction at t = {t}")
    if kind == CHANGE:
        if t == 0:
            return None
        differences = changes(trace)
        limit = largest(*differences)
        return Layer(differences[t - 1], -limit, limit, SIGNED, f"t = {t} minus t = {t - 1}")
    if kind not in step.weight_maps:
        return None
    height, width = step.weight_maps[kind].shape
    label = f"weight at {kind}, t = {t} ({width}×{height}, mean 1)"
    return Layer(step.weight_maps[kind], 0, weight_limit(trace, kind), WEIGHTS, label, aligned=True)


def grid(view: View, opacity: float) -> list[tuple[str, str]]:
    """Every map of every step over the photo: (file, caption), row by row, as many as there are kinds in a row."""
    photo = shrink(view.photo, THUMBNAIL)
    pictures = []
    for step in view.trace.steps:
        for kind in KINDS:
            found = layer(view.trace, step.t, kind)
            drawn = found.over(photo, opacity) if found else pale(photo)
            caption = f"t = {step.t} · {kind}" if found else f"t = {step.t} · no {kind}"
            pictures.append((picture_file(drawn, f"t{step.t}_{kind}"), caption))
    return pictures


def readings(view: View, x: int, y: int, chosen: int) -> str:
    """A table of all maps' values at the photo's pixel (x, y)."""
    height, width = view.trace.photo.shape[:2]
    across, down = (x + 0.5) / width, (y + 0.5) / height
    rows = {}
    for step in view.trace.steps:
        layers = [layer(view.trace, step.t, kind) for kind in KINDS]
        rows[f"t = {step.t}"] = [f"{found.at(across, down):.3f}" if found else "–" for found in layers]
    return reading_table(f"At column {x}, row {y} of the photo", list(KINDS), rows, f"t = {chosen}")


def brightest(view: View) -> tuple[int, int]:
    """The photo's pixel that the last time step is surest of."""
    saliency = view.trace.steps[-1].saliency
    row, column = np.unravel_index(int(saliency.argmax()), saliency.shape)
    return photo_point(view, (column, row), saliency.shape)
