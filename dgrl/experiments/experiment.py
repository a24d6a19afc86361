"""One experiment as data: the change, the photo, the question, and how its effect is shown and measured."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dgrl.experiments.effects import Numbers, heaviest_cell
from dgrl.experiments.passes import UNTOUCHED, Passes, Places, Setting
from dgrl.experiments.sizes import Sizes
from dgrl.files import EXAMPLES
from dgrl.model import DGRL
from dgrl.places import pixel_at
from dgrl.trace import Trace

GRID = 120
"""Rows and columns of a painted mask."""
ZOOM = 0.2
"""Side of the zoomed part of the photo, as a share of the photo's sides."""
LAST = 99
"""Stands for the last step in a frame."""


@dataclass(frozen=True)
class Ellipse:
    """A region of a photo, in shares of its width and height."""

    x: float
    y: float
    radius_x: float
    radius_y: float

    @cached_property
    def places(self) -> Places:
        """Return which cells (GRID, GRID) of the photo lie within."""
        y, x = (np.mgrid[:GRID, :GRID] + 0.5) / GRID
        inside: Places = ((x - self.x) / self.radius_x) ** 2 + ((y - self.y) / self.radius_y) ** 2 < 1
        return inside

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Return x0, y0, x1, y1 of the box around it, in shares of the photo."""
        x0, x1 = max(self.x - self.radius_x, 0), min(self.x + self.radius_x, 1)
        y0, y1 = max(self.y - self.radius_y, 0), min(self.y + self.radius_y, 1)
        return tuple(round(value, 4) for value in (x0, y0, x1, y1))  # type: ignore[return-value]


@dataclass(frozen=True)
class Unit:
    """The unit of an effect, which is written multiplied by `scale` and with a number of decimals."""

    word: str
    scale: float = 100
    decimals: int = 1

    def write(self, value: float) -> str:
        """Write a value, for example "+12.0 percentage points"."""
        return typeset(f"{value * self.scale:+.{self.decimals}f} {self.word}".strip())


POINTS = Unit("percentage points")
PERCENT = Unit("%", decimals=0)
PIXELS = Unit("pixels", 1, 2)
NUMBER = Unit("", 1, 2)


@dataclass(frozen=True)
class Frame:
    """One of the pictures on the stage.

    Attributes:
        map: "prediction", "conv3" …, see `dgrl.page`.
        title: the caption.
        step: time step; `LAST` for the last.
        slot: 0 for the first pass, 1 for the second.
    """

    map: str
    title: str
    step: int = LAST
    slot: int = 0


@dataclass(frozen=True)
class Show:
    """The pictures on the stage that show an experiment's effect.

    Attributes:
        map: the map of both passes, if there are no frames.
        arrangement: of two pictures: "beside", "wipe", "difference" or "alternate".
        frames: pictures side by side.
        pixel: pin the pixel that BRN changed most.
        zoom: zoom to the part of the photo where BRN changes most.
        arrows: draw arrows along the outline, from where kernels take their values.
        kernel: show the pixel's window, kernel and sums.
        own: the tool for "on my photo": none, the same edit, a brush, or a box.
    """

    map: str = "prediction"
    arrangement: str = "beside"
    frames: tuple[Frame, ...] = ()
    pixel: bool = False
    zoom: bool = False
    arrows: bool = False
    kernel: bool = False
    own: Literal["none", "photo", "brush", "box"] = "photo"


@dataclass(frozen=True)
class Experiment:
    """A demonstration of one property of the network.

    Attributes:
        key: its name in links.
        title: a few words.
        photo: an example photograph, by its stem.
        question: what to ask before the effect is shown.
        choices: the answers to choose from, for an effect that is there, too small to see, or reversed.
        story: the statement of the paper, or the usual expectation.
        outcome: one sentence that says what happened, with the effect's numbers in braces.
        effect: what is measured, a few words for the caption of the dot plot.
        measure: returns the effect's numbers on a picture; "effect" is its size.
        unit: the unit of that size.
        least: the smallest size that counts as an effect.
        first, second: the settings of the passes to compare; `second` may be None.
        show: how the stage shows the effect.
        painted, other: for experiments that choose an object, its region and that of the other object.
        cell: explain the coarse attention cell with the largest weight, by Occlusion.
        refines: the effect is BRN's.
        variants: rows of the table of parts that the answer quotes, and what the answer calls them.
    """

    key: str
    title: str
    photo: str
    question: str
    choices: tuple[str, str, str]
    story: str
    outcome: str
    effect: str
    measure: Callable[[Passes], Numbers | None]
    unit: Unit
    least: float
    first: Setting = UNTOUCHED
    second: Setting | None = None
    show: Show = field(default_factory=Show)
    painted: Ellipse | None = None
    other: Ellipse | None = None
    cell: bool = False
    refines: bool = False
    variants: tuple[tuple[str, str], ...] = ()

    @property
    def path(self) -> Path:
        """The photo's file."""
        return EXAMPLES / f"{self.photo}.jpg"

    def passes(self, model: DGRL) -> Passes:
        """Return the passes over its photo."""
        painted, other = (None if ellipse is None else ellipse.places for ellipse in (self.painted, self.other))
        return Passes(model, self.path, painted, other)

    def traces(self, passes: Passes) -> list[Trace]:
        """Return the one or two passes to show."""
        return [passes.whole(setting) for setting in (self.first, self.second) if setting is not None]

    def place(self, passes: Passes) -> Numbers:
        """Return the pinned pixel "x", "y", and the zoom's corner "zoom_x", "zoom_y", where the experiment has them."""
        numbers: Numbers = {}
        if self.cell:
            cell, trace = heaviest_cell(passes), passes.localised()
            rows, columns = trace.steps[-1].weight_maps[cell.level].shape
            x, y = pixel_at(cell.column / (columns - 1), cell.row / (rows - 1), trace.photo.shape)  # corners aligned
            numbers |= {"x": float(x), "y": float(y)}
        if self.show.pixel:
            pixel = passes.whole(self.first).most_changed(count=1)[0]
            numbers |= {"x": float(pixel.x), "y": float(pixel.y)}
        if self.show.zoom:
            numbers |= zoom_of(passes.whole(), numbers)
        return numbers

    def verdict(self, effect: float) -> int:
        """Return the index of the right choice for an effect of this size."""
        return 1 if abs(effect) < self.least else 0 if effect > 0 else 2

    def happened(self, numbers: Numbers) -> str:
        """Say what happened on a picture, with its numbers."""
        return typeset(self.outcome.format(**numbers))

    def answer(self, numbers: Numbers, sizes: Sizes | None) -> str:
        """Say what happened, how large the effect is here and over a data set, and the usual expectation."""
        return f"{self.happened(numbers)} {self.size(numbers, sizes)} {self.story}"

    def size(self, numbers: Numbers, sizes: Sizes | None) -> str:
        """Say how large the effect is here and over a data set, and what that leaves to say (`remarks`)."""
        text = f"The {self.effect}: here {self.unit.write(numbers['effect'])}"
        if sizes is None or self.key not in sizes.experiments:
            return f"{text}. With this checkpoint it was not measured over a data set."
        effects = sizes.experiments[self.key]["effect"]
        text += f"; median of {effects.pictures} pictures of {sizes.data} {self.unit.write(effects.median)}."
        return " ".join([text, *self.remarks(numbers, sizes)])

    def remarks(self, numbers: Numbers, sizes: Sizes) -> list[str]:
        """Say whether the data set's pictures behave as expected and as this photo does, and what the part is worth."""
        remarks = []
        usual_verdict, own_verdict = (
            self.verdict(sizes.experiments[self.key]["effect"].median),
            self.verdict(numbers["effect"]),
        )
        if usual_verdict:
            remarks.append(f"On most pictures it is different: {self.choices[usual_verdict]}.")
        if own_verdict != usual_verdict:
            remarks.append(f"This photo is an exception: {self.choices[own_verdict]}.")
        costs = [f"{name} {changes(sizes.variants[row])}" for row, name in self.variants if row in sizes.variants]
        if costs:
            remarks.append(f"Error against true masks: {', '.join(costs)}.")
        return remarks


def changes(variant: dict[str, float]) -> str:
    """Write the change of a variant's error: "+31 %"."""
    return typeset(f"{round(100 * (variant['error'] - 1)) or 0:+d}%")


def typeset(text: str) -> str:
    """Write minus signs before numbers, and a space that does not break before the sign of per cent."""
    return re.sub(r"(?<![\w.])-(?=\d)", "−", re.sub(r"(?<=\d)%", "\u00a0%", text))


def zoom_of(trace: Trace, pixel: Numbers) -> Numbers:
    """Return the corner of a square of the photo with side ZOOM: around a pixel, or where BRN changes most."""
    height, width = trace.photo.shape[:2]
    if "x" in pixel:
        middle = (pixel["x"] + 0.5) / width, (pixel["y"] + 0.5) / height
    else:
        change = np.abs(trace.refined - trace.prior)
        side = max(1, round(ZOOM * len(change)))
        sums = np.pad(change.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
        windows = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
        row, column = np.unravel_index(int(windows.argmax()), windows.shape)
        middle = (column + side / 2) / len(change), (row + side / 2) / len(change)
    x, y = (float(np.clip(value - ZOOM / 2, 0, 1 - ZOOM)) for value in middle)
    return {"zoom_x": round(x, 4), "zoom_y": round(y, 4)}


def as_scene(values: dict[str, Any]) -> dict[str, Any]:
    """Leave out fields that are None, so that the page uses its defaults."""
    return {key: value for key, value in values.items() if value is not None}
