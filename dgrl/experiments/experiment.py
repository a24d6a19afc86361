"""One experiment as data: what is done to which photo, what to look at, what to ask, and how its effect is measured."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from dgrl.experiments.effects import Numbers, explained_cell
from dgrl.experiments.passes import UNTOUCHED, Passes, Places, Setting
from dgrl.experiments.sizes import Sizes
from dgrl.files import EXAMPLES
from dgrl.model import DGRL
from dgrl.places import pixel_at
from dgrl.trace import Trace

GRID = 120
"""Rows and columns of a painting."""


@dataclass(frozen=True)
class Ellipse:
    """A place on a photo, in shares of its width and height."""

    x: float
    y: float
    radius_x: float
    radius_y: float

    @cached_property
    def places(self) -> Places:
        """(GRID, GRID): which cells of the photo lie within."""
        y, x = (np.mgrid[:GRID, :GRID] + 0.5) / GRID
        inside: Places = ((x - self.x) / self.radius_x) ** 2 + ((y - self.y) / self.radius_y) ** 2 < 1
        return inside


@dataclass(frozen=True)
class Unit:
    """How an effect is told: times `scale`, with so many decimals and a word behind."""

    word: str
    scale: float = 100
    decimals: int = 1

    def told(self, value: float) -> str:
        """ "+12.0 points", say."""
        return f"{value * self.scale:+.{self.decimals}f} {self.word}"


POINTS = Unit("percentage points")
PERCENT = Unit("%", decimals=0)
PIXELS = Unit("px", 1, 2)


@dataclass(frozen=True)
class View:
    """Where the explorer begins, in the words of its `state.js`.

    Attributes:
        map: "prediction", "conv3" …
        step: the time step; None for the last.
        arrangement: of two passes: "beside", "wipe" or "difference".
        pixel: whether the pixel that BRN changed most is pinned.
    """

    map: str = "prediction"
    step: int | None = None
    arrangement: str = "beside"
    pixel: bool = False

    def state(self, trace: Trace, pixel: tuple[int, int] | None) -> dict[str, Any]:
        """The same as the explorer's state, for a pass and the pixel that is pinned."""
        state: dict[str, Any] = {"map": self.map, "arrangement": self.arrangement}
        state["step"] = len(trace.steps) - 1 if self.step is None else self.step
        return state if pixel is None else state | {"x": pixel[0], "y": pixel[1], "pinned": True}


@dataclass(frozen=True)
class Experiment:
    """A demonstration of one thing that the network does, or does not do.

    Attributes:
        key: its name in links.
        title: in a few words.
        photo: an example photograph, by its stem.
        question: what to ask before it is run.
        choices: the answers to choose from: the effect is there, it is too small to see, it is the other way round.
        story: what the paper says, or what one would think.
        told: what happened, a sentence with the effect's numbers in braces.
        measure: the effect's numbers on a picture; "effect" is its size.
        unit: of that size.
        least: from which size on the effect counts as there.
        first, second: the passes to set beside each other; the second may be none.
        view: where the explorer begins.
        painted, other: for those that paint, where, and the object that is not painted.
        cell: whether the heaviest cell of conv5 is explained (by Occlusion).
        refines: whether its effect is BRN's.
        variants: of the table of parts, what else to tell, by what it is called there.
    """

    key: str
    title: str
    photo: str
    question: str
    choices: tuple[str, str, str]
    story: str
    told: str
    measure: Callable[[Passes], Numbers | None]
    unit: Unit
    least: float
    first: Setting = UNTOUCHED
    second: Setting | None = None
    view: View = field(default_factory=View)
    painted: Ellipse | None = None
    other: Ellipse | None = None
    cell: bool = False
    refines: bool = False
    variants: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """The photo's file."""
        return EXAMPLES / f"{self.photo}.jpg"

    def passes(self, model: DGRL) -> Passes:
        """The passes over its photo."""
        painted, other = (None if ellipse is None else ellipse.places for ellipse in (self.painted, self.other))
        return Passes(model, self.path, painted, other)

    def traces(self, passes: Passes) -> list[Trace]:
        """The one or two whole passes that are shown."""
        return [passes.whole(setting) for setting in (self.first, self.second) if setting is not None]

    def pinned(self, passes: Passes) -> tuple[int, int] | None:
        """The photo's pixel (x, y) to look at, if any: the one that BRN changed most, or the explained cell's."""
        if self.cell:
            cell, trace = explained_cell(passes), passes.localised()
            rows, columns = trace.steps[-1].weight_maps[cell.level].shape
            return pixel_at(cell.column / (columns - 1), cell.row / (rows - 1), trace.photo.shape)  # corners aligned
        if not self.view.pixel:
            return None
        changed = passes.whole(self.first).most_changed(count=1)[0]
        return changed.x, changed.y

    def verdict(self, effect: float) -> int:
        """Which of the choices an effect of this size makes right."""
        return 1 if abs(effect) < self.least else 0 if effect > 0 else 2

    def happened(self, numbers: Numbers) -> str:
        """What happened on a picture, with its numbers."""
        return self.told.format(**numbers)

    def answer(self, here: Numbers, sizes: Sizes | None) -> str:
        """Which choice is right, what happened, how large that is here and over a data set, and what one may think."""
        right = self.choices[self.verdict(here["effect"])]
        told = f"{right[0].upper()}{right[1:]}. {self.happened(here)} {self.size(here, sizes)}"
        return f"{told} {self.story}"

    def size(self, here: Numbers, sizes: Sizes | None) -> str:
        """How large the effect is here and over a data set, and whether it is what the story says, in words."""
        told = f"Here {self.unit.told(here['effect'])}"
        if sizes is None or self.key not in sizes.experiments:
            return f"{told}. With this checkpoint it was not measured over a data set."
        over = sizes.experiments[self.key]["effect"]
        spread = f"half of them between {self.unit.told(over.low)} and {self.unit.told(over.high)}"
        told += f"; the median of {over.pictures} pictures of {sizes.data} is {self.unit.told(over.median)}, {spread}."
        usual, this = self.verdict(over.median), self.verdict(here["effect"])
        if usual:
            told += f" So on most pictures it is not as the story has it: {self.choices[usual]}."
        if this != usual:
            told += f" This photo is an exception: {self.choices[this]}."
        costs = [f"{name}: {sizes.variants[name]['error']:.2f}" for name in self.variants if name in sizes.variants]
        if costs:
            told += f" Against true masks, in times of the usual error: {'; '.join(costs)}."
        return told
