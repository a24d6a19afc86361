"""The maps that can be laid over the photo at a time step: their colours, and the values shown for a pixel."""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dgrl.figures.pixels import SALIENCY, SIGNED, WEIGHTS, colour, largest, overlay, resize_map
from dgrl.images import RGB
from dgrl.taps import LEVELS
from dgrl.trace import Trace

PREDICTION, CHANGE = "prediction", "change"
REFINED, REFINEMENT = "after BRN", "change by BRN"
KINDS = (*LEVELS, PREDICTION, CHANGE)


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
        """Draw the map in colours over the photo."""
        height, width = photo.shape[:2]
        values = resize_map(self.values, height, width, self.aligned)
        return overlay(photo, colour(values, self.low, self.high, self.colour_map), opacity)

    def at(self, x: float, y: float) -> float:
        """Return the map's value at a point of the photo, coordinates from 0 to 1, bilinear as in the drawing."""
        height, width = self.values.shape
        column, row = (x * (width - 1), y * (height - 1)) if self.aligned else (x * width - 0.5, y * height - 0.5)
        column, row = min(max(column, 0), width - 1), min(max(row, 0), height - 1)
        left, top = int(column), int(row)
        corners = self.values[top : top + 2, left : left + 2]
        across = np.array([1 - (column - left), column - left])[: corners.shape[1]]
        down = np.array([1 - (row - top), row - top])[: corners.shape[0]]
        return float(down @ corners @ across)


def layer(trace: Trace, t: int, kind: str) -> Layer | None:
    """Return a map of time step `t`, or None: there is no change before t = 1, and no weight map without CWM.

    `kind` is one of `KINDS`, or `REFINED` or `REFINEMENT`, which follow the last step and are the same for every `t`.
    """
    step = trace.steps[t]
    if kind == PREDICTION:
        return Layer(step.saliency, 0, 1, SALIENCY, f"prediction at t = {t}")
    if kind == CHANGE:
        return _signed(changes(trace), t - 1, f"t = {t} minus t = {t - 1}") if t > 0 else None
    if kind == REFINED:
        return Layer(trace.refined, 0, 1, SALIENCY, "saliency after BRN")
    if kind == REFINEMENT:
        return _signed([trace.refined - trace.prior], 0, "after BRN minus before")
    if kind not in step.weight_maps:
        return None
    height, width = step.weight_maps[kind].shape
    label = f"weight at {kind}, t = {t} ({width}×{height}, mean 1)"
    return Layer(step.weight_maps[kind], 0, weight_limit(trace, kind), WEIGHTS, label, aligned=True)


def weight_limit(trace: Trace, level: str) -> float:
    """Return the largest weight of a level over all time steps, for one scale that makes steps comparable."""
    return largest(*(step.weight_maps[level] for step in trace.steps))


def changes(trace: Trace) -> list[NDArray[np.float32]]:
    """Return each time step's prediction minus the one before, for t = 1 … T, in [−1, 1]."""
    predictions = [step.saliency for step in trace.steps]
    return [after - before for before, after in itertools.pairwise(predictions)]


def _signed(maps: list[NDArray[np.float32]], index: int, label: str) -> Layer:
    limit = largest(*maps)
    return Layer(maps[index], -limit, limit, SIGNED, label)
