"""The recorded arrays of one forward pass over one photo, and the arithmetic of one pixel."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from dgrl.images import RGB
from dgrl.network.sizing import SIZINGS
from dgrl.places import carried, contains
from dgrl.taps import (
    BLOCKS,
    COEFFICIENTS,
    LEVELS,
    PRIOR,
    REFINED,
    feedback_name,
    logits_name,
    propagated_name,
    weight_map_name,
)

Array = NDArray[np.float32]
FORMAT = "dgrl-trace-1"
FOUND = 0.5
"""A pixel counts as salient where the map is above this value."""
SMALLEST_OBJECT = 0.001
"""Smallest object, as a share of the photo. Fewer bright pixels, in a page of text or a sky, are not an object."""


@dataclass(frozen=True)
class StepTrace:
    """One time step of RLN.

    Attributes:
        t: the time step.
        saliency: (384, 384) in [0, 1], this step's prediction.
        logits: (2, 384, 384), background and object.
        weight_maps: CWM's map by level ("conv3", "conv4", "conv5"): (h, w), positive, mean 1.
        feedback: what blocks "conv2" to "conv5" received from the step before, (C, h, w); empty at t = 0.
    """

    t: int
    saliency: Array
    logits: Array
    weight_maps: dict[str, Array]
    feedback: dict[str, Array]


@dataclass(frozen=True)
class PixelTrace:
    """The numbers from which BRN computed one pixel, in float64, computed from the trace's float32 arrays.

    Attributes:
        x, y: the requested pixel of the photo, column and row.
        column, row: the pixel of BRN's map that covers it.
        coefficients: (n, n), v.
        neighbours: (n, n), s: the propagated map (the prior, with one propagation) in the window; 0 outside the image.
        foreground_products: (n, n), v · s.
        background_products: (n, n), v · (1 − s).
        foreground, background: the sums of the products.
        prior, refined: the map at this pixel before and after; refined = sigmoid(foreground − background).
    """

    x: int
    y: int
    column: int
    row: int
    coefficients: NDArray[np.float64]
    neighbours: NDArray[np.float64]
    foreground_products: NDArray[np.float64]
    background_products: NDArray[np.float64]
    foreground: float
    background: float
    prior: float
    refined: float


@dataclass(frozen=True)
class KernelField:
    """Summary of BRN's kernels, each (H, W) of BRN's map. Each coefficient is weighted by its absolute value.

    Attributes:
        centre: the centre coefficient, signed.
        spread: root mean square distance of the weighted neighbours from the centre, in pixels.
        shift_x, shift_y: mean displacement of the weighted neighbours in pixels; right and down are positive.
    """

    centre: Array
    spread: Array
    shift_x: Array
    shift_y: Array


@dataclass(frozen=True)
class Trace:
    """Everything that one forward pass computed.

    Attributes:
        photo: (H, W, 3) uint8, the photo as it was read.
        saliency: (H, W) float32 in [0, 1], the refined map in the photo's size.
        taps: float32 arrays by tap name (`dgrl.taps.tap_names`), after edits; single channels omit the channel axis.
        prior_kind: "soft" or "binary", the kind of prior (`DGRLConfig.prior`).
        sizing: how the network's maps are resized to the photo's size (`DGRLConfig.sizing`).
    """

    photo: RGB
    saliency: Array
    taps: Mapping[str, Array]
    prior_kind: Literal["soft", "binary"] = "soft"
    sizing: Literal["smooth", "published"] = "smooth"

    @property
    def whole(self) -> bool:
        """Whether BRN has run; if not, this is the trace of RLN alone (`DGRL.trace_localised`)."""
        return REFINED in self.taps

    def found(self) -> NDArray[np.bool_]:
        """Return which of the photo's pixels (H, W) belong to the salient object; none if there is no object."""
        return found_in(self.saliency)

    def found_box(self) -> tuple[int, int, int, int] | None:
        """Return the box around the salient object as (left, top, right, bottom) in the photo's pixels, or None.

        Right and bottom are exclusive, as Pillow's `crop` takes them.
        """
        object_mask = self.found()
        if not object_mask.any():
            return None
        rows, columns = np.flatnonzero(object_mask.any(1)), np.flatnonzero(object_mask.any(0))
        return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1

    def sized(self, t: int, stretched: bool = False) -> Array:
        """Return RLN's prediction at time step `t` in the photo's size (H, W), in [0, 1], optionally stretched."""
        maps = torch.from_numpy(self.steps[t].saliency)[None, None]
        height, width = self.photo.shape[:2]
        sized: Array = SIZINGS[self.sizing]().localised(maps, height, width, stretched)[0, 0].numpy()
        return sized

    @cached_property
    def steps(self) -> list[StepTrace]:
        """The time steps t = 0 … T."""
        steps: list[StepTrace] = []
        while logits_name(len(steps)) in self.taps:
            t = len(steps)
            logits = self.taps[logits_name(t)]
            # The softmax of two classes equals the sigmoid of their difference.
            saliency = _sigmoid(logits[1] - logits[0])
            weight_maps = self._there({level: weight_map_name(level, t) for level in LEVELS})
            feedback = self._there({block: feedback_name(block, t) for block in BLOCKS})
            steps.append(StepTrace(t, saliency, logits, weight_maps, feedback))
        return steps

    def _there(self, names: dict[str, str]) -> dict[str, Array]:
        return {key: self.taps[name] for key, name in names.items() if name in self.taps}

    @property
    def prior(self) -> Array:
        """RLN's last prediction (480, 480) in [0, 1], which BRN refined."""
        return self.taps[PRIOR]

    @property
    def coefficients(self) -> Array:
        """BRN's propagation coefficients (n², 480, 480), signed; d is neighbour (d // n, d % n) of the window."""
        return self.taps[COEFFICIENTS]

    @property
    def refined(self) -> Array:
        """The map after BRN (480, 480), in [0, 1]."""
        return self.taps[REFINED]

    @property
    def kernel_size(self) -> int:
        """The side n of BRN's kernels."""
        return math.isqrt(len(self.coefficients))

    def to_map(self, x: int, y: int) -> tuple[int, int]:
        """Return the (column, row) of BRN's map that covers the photo's pixel (x, y); IndexError outside the photo."""
        height, width = self.photo.shape[:2]
        if not contains(x, y, self.photo.shape):
            raise IndexError(f"pixel ({x}, {y}) is outside the photo of {width}×{height} pixels")
        return carried(x, y, self.photo.shape, self.refined.shape)

    @cached_property
    def propagated(self) -> list[Array]:
        """The prior and the map after each propagation, (480, 480) each; the last is `refined`."""
        intermediate: list[Array] = []
        while (name := propagated_name(len(intermediate) + 1)) in self.taps:
            intermediate.append(self.taps[name])
        return [self.prior, *intermediate, self.refined]

    def pixel(self, x: int, y: int, propagation: int = -1) -> PixelTrace:
        """Return how BRN computed the photo's pixel at column `x` and row `y`, by default in the last propagation.

        Raises:
            IndexError: the pixel is outside the photo, or there is no such propagation.
        """
        column, row = self.to_map(x, y)
        n = self.kernel_size
        coefficients = self.coefficients[:, row, column].reshape(n, n).astype(np.float64)
        before, after = list(pairwise(self.propagated))[propagation]
        window = np.pad(before, n // 2)[row : row + n, column : column + n]
        neighbours = window.astype(np.float64)
        foreground = coefficients * neighbours
        background = coefficients * (1 - neighbours)
        return PixelTrace(
            x=x,
            y=y,
            column=column,
            row=row,
            coefficients=coefficients,
            neighbours=neighbours,
            foreground_products=foreground,
            background_products=background,
            foreground=float(foreground.sum()),
            background=float(background.sum()),
            prior=float(before[row, column]),
            refined=float(after[row, column]),
        )

    def most_changed(self, count: int = 3) -> list[PixelTrace]:
        """Return the photo's pixels that BRN changed most, at least an eighth of its map apart.

        Pixels whose kernel reaches outside the photo come last, because changes along the border are often artefacts.
        """
        change = self._change_under_pixels()
        distance = max(change.shape) // 8
        pixels = []
        for _ in range(count):
            row, column = np.unravel_index(int(change.argmax()), change.shape)
            if np.isneginf(change[row, column]):
                break
            pixels.append(self.pixel(*carried(int(column), int(row), change.shape, self.photo.shape)))
            top, left = max(0, row - distance), max(0, column - distance)
            change[top : row + distance + 1, left : column + distance + 1] = -np.inf
        return pixels

    def _change_under_pixels(self) -> Array:
        """Return BRN's change of its map, minus 1 along the border; −∞ where no pixel of the photo maps to.

        A photo smaller than BRN's map maps to only some of its pixels.
        """
        photo, brn, reach = self.photo.shape, self.prior.shape, self.kernel_size // 2
        rows = sorted({carried(0, y, photo, brn)[1] for y in range(photo[0])})
        columns = sorted({carried(x, 0, photo, brn)[0] for x in range(photo[1])})
        side = np.ones(brn, np.float32)
        side[reach : brn[0] - reach, reach : brn[1] - reach] = 0
        change = np.full(brn, -np.inf, np.float32)
        under = np.ix_(rows, columns)
        change[under] = (np.abs(self.refined - self.prior) - side)[under]
        return change

    @cached_property
    def kernel_field(self) -> KernelField:
        """Centre weight, spread and mean displacement of every pixel's kernel."""
        n = self.kernel_size
        offsets = np.arange(n, dtype=np.float32) - n // 2
        dy, dx = (grid.ravel()[:, None, None] for grid in np.meshgrid(offsets, offsets, indexing="ij"))
        share = np.abs(self.coefficients)
        share /= np.maximum(share.sum(0), np.finfo(np.float32).tiny)
        return KernelField(
            centre=self.coefficients[n * n // 2],
            spread=np.sqrt((share * (dx**2 + dy**2)).sum(0)),
            shift_x=(share * dx).sum(0),
            shift_y=(share * dy).sum(0),
        )

    def save(self, path: str | Path) -> None:
        """Write an `.npz` file with every tap by its name, `photo`, `saliency`, and `about` (JSON text).

        The file is not compressed. Compression would save a tenth of its size and take fifteen times as long.
        """
        settings = {"format": FORMAT, "prior": self.prior_kind}
        if self.sizing != "smooth":  # without it the file equals those of earlier versions
            settings["sizing"] = self.sizing
        description = json.dumps(settings)
        arrays: dict[str, Any] = {
            "photo": self.photo,
            "saliency": self.saliency,
            "about": np.array(description),
            **self.taps,
        }
        with Path(path).open("wb") as file:
            np.savez(file, **arrays)

    @classmethod
    def load(cls, path: str | Path) -> "Trace":
        """Read a file that `save` wrote. Nothing in it is unpickled.

        Raises:
            ValueError: the file is not a trace.
        """
        with Path(path).open("rb") as stream:
            try:
                with np.load(stream, allow_pickle=False) as file:
                    arrays = dict(file)
                description = json.loads(str(arrays.pop("about")))
                if description["format"] != FORMAT:
                    raise ValueError(f"its format is {description['format']}")
                photo, saliency = arrays.pop("photo"), arrays.pop("saliency")
                if photo.dtype != np.uint8 or photo.shape != (*saliency.shape, 3):
                    raise ValueError(f"photo {photo.shape} and map {saliency.shape} do not match")
                return cls(photo, saliency, arrays, description["prior"], description.get("sizing", "smooth"))
            # A lone array has no `with`. Damaged archives raise many undocumented errors in NumPy, zipfile and zlib.
            except Exception as error:
                reason = " ".join(str(error).split())[:200]  # NumPy quotes whole headers, damaged or not
                raise ValueError(f"{path} is not a trace: {reason or type(error).__name__}") from error


def found_in(saliency: Array) -> NDArray[np.bool_]:
    """Return which pixels of a map (H, W) are the salient object: those above one half, or none if they are too few."""
    object_mask: NDArray[np.bool_] = saliency > FOUND
    return object_mask if object_mask.mean() >= SMALLEST_OBJECT else np.zeros_like(object_mask)


def _sigmoid(values: Array) -> Array:
    return 0.5 * (1 + np.tanh(0.5 * values))
