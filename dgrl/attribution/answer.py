"""Which parts of the photo caused this value? A question about a pass, its explanation, and the check of that."""

import dataclasses
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np

from dgrl.attribution.attribute import Attribution, attribute_in_batches
from dgrl.attribution.faithfulness import Faithfulness, faithfulness_in_batches
from dgrl.attribution.methods import BLOCKS
from dgrl.attribution.question import CellTarget, ObjectTarget, PixelTarget, Question, Target
from dgrl.figures import resize_map
from dgrl.figures.attribution import AttributionLayer
from dgrl.images import RGB
from dgrl.model import DGRL
from dgrl.places import cell_at
from dgrl.trace import Trace, found_in

LAST = -1
TRUSTED = 0.05
"""A larger completeness error is pointed out."""
PIXEL, OBJECT, CELL = "pixel", "object", "cell"
LEVEL_WORDS = {"conv3": "fine", "conv4": "medium", "conv5": "coarse"}


@dataclass(frozen=True)
class Explanation:
    """An attribution, and how far it is true."""

    attribution: Attribution
    faithfulness: Faithfulness


def explanation_in_batches(model: DGRL, photo: RGB, question: Question) -> Generator[float, None, Explanation]:
    """Explain a value and check the explanation, a batch at a time: yield the share done, return the result."""
    for_attribution = attribute_in_batches(model, photo, question)
    while True:
        try:
            yield 0.5 * next(for_attribution)
        except StopIteration as done:
            attribution: Attribution = done.value
            break
    check = faithfulness_in_batches(model, photo, question, attribution)
    while True:
        try:
            yield 0.5 + 0.5 * next(check)
        except StopIteration as done:
            return Explanation(attribution, done.value)


@dataclass(frozen=True)
class Choice:
    """Which number is explained, and how; the fields are `/attribute`'s arguments, with its defaults."""

    target: str = PIXEL
    x: float | None = None
    y: float | None = None
    step: int = LAST
    refined: bool = False
    level: str = "conv4"
    method: str = "grad_cam"
    baseline: str = "blurred"
    block: str = ""
    block_step: int = LAST


def question_of(trace: Trace, choice: Choice, x: int, y: int) -> Question:
    """Return the question about a pass; (x, y) is the chosen pixel of the photo.

    Raises:
        ValueError: there is no such number, or no such method.
    """
    settings: dict[str, Any] = {
        "method": choice.method,
        "baseline": choice.baseline,
        "block": choice.block or (choice.level if choice.target == CELL else BLOCKS[-1]),
        "block_step": None if choice.block_step == LAST else choice.block_step,
        "steps": len(trace.steps) - 1,
    }
    return Question(chosen_target(trace, choice.target, x, y, choice.step, choice.refined, choice.level), **settings)


def chosen_target(trace: Trace, target: str, x: int, y: int, step: int, refined: bool, level: str) -> Target:
    """Return the value to explain. A cell is the one that covers the photo's pixel (x, y).

    Raises:
        ValueError: there is no such number.
    """
    moment = None if step == LAST else step
    if target == OBJECT:
        return ObjectTarget(moment)
    if target == PIXEL:
        return PixelTarget(x, y, None if refined else moment, refined)
    weights = trace.steps[0].weight_maps.get(level)
    if weights is None:
        raise ValueError("this network has no such weight map")
    column, row = cell_at(x, y, trace.photo.shape, weights.shape)
    return CellTarget(level, row, column, moment)


def numbers(trace: Trace, explanation: Explanation, drawn: AttributionLayer) -> dict[str, Any]:
    """Describe an explanation and the layer that shows it, in numbers and words."""
    found = explanation.attribution
    region = found_in(resize_map(trace.saliency, *found.square.shape))
    share = found.share_inside(region) if region.any() else None
    return {
        "target": type(found.target).__name__,
        **dataclasses.asdict(found.target),
        "method": found.method,
        "value": found.value,
        "baseline_value": found.baseline_value,
        "sum": float(found.square.sum()) if found.completeness_error is not None else None,
        "completeness_error": found.completeness_error,
        "share_inside": share,
        "object_share": float(region.mean()),
        "cells": found.cells.tolist() if found.cells is not None else None,
        "scale": {"low": -drawn.limit, "high": drawn.limit, "label": drawn.label},
        "words": words(found, share, float(region.mean()), len(trace.steps) - 1),
        "faithfulness": faithfulness_numbers(explanation.faithfulness),
        "seconds": found.seconds,
    }


def faithfulness_numbers(found: Faithfulness) -> dict[str, Any]:
    """Describe the check of an explanation as the page shows it (`Faithfulness` in `page/engines/engine.js`)."""
    return {
        "words": found.words,
        "deletion": found.deletion_area,
        "insertion": found.insertion_area,
        "random": found.random_area,
        "sensitivity": found.sensitivity,
        "beats_chance": found.beats_chance,
        "curves": {"deletion": found.deletion.tolist(), "insertion": found.insertion.tolist()},
    }


def words(found: Attribution, share: float | None, object_share: float, last: int) -> str:
    """Say what an attribution shows.

    Args:
        found: the attribution.
        share: of what speaks for the value, how much lies on the found object; None if there is none.
        object_share: how much of the photo the object covers.
        last: T of the pass.
    """
    target = found.target
    look = (last if target.step is None else target.step) + 1
    if isinstance(target, CellTarget):
        place = f"The {LEVEL_WORDS[target.level]} attention in row {target.row}, column {target.column} at look {look}"
        said = [f"{place} is {found.value:.2f}; 1 is average."]
    elif isinstance(target, ObjectTarget):
        said = [f"The evidence for the object at look {look} is {found.value:.2f} on average over its pixels."]
    else:
        when = "after sharpening" if target.refined else f"at look {look}"
        probability = 1 / (1 + np.exp(-found.value))
        place = f"The evidence for the object {when} at column {target.x}, row {target.y} of the photo"
        said = [f"{place} is {found.value:.2f}: a probability of {probability:.3f}."]
    if found.baseline_value is not None:
        said.append(f"Without the photo it would be {found.baseline_value:.2f}.")
    if found.completeness_error is not None:
        said.append(f"The parts add up to the difference within {percent(found.completeness_error, 1)}.")
        if found.completeness_error > TRUSTED:
            said.append("That is too much: the value jumps on the way to the photo. Another baseline may be better.")
    if share is not None:
        covers = f"which covers {percent(object_share)} of the photo"
        said.append(f"{percent(share)} of what speaks for it lies on the found object, {covers}.")
    return " ".join([*said, f"This took {found.seconds:.1f} s."])


def percent(share: float, decimals: int = 0) -> str:
    """Write a share as "54 %"."""
    return f"{100 * share:.{decimals}f} %"
