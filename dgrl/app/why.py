"""Which places of the photo speak for a number that the network computed: the question, and the answer in words."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dgrl.app.runs import DEFAULT_STEPS, View
from dgrl.app.served import picture_file
from dgrl.app.zero_gpu import CALL_SECONDS, PASS_SECONDS, on_gpu
from dgrl.attribution.attribute import Attribution, attribute_in_batches
from dgrl.attribution.methods import BLOCKS, most_passes
from dgrl.attribution.question import CellTarget, ObjectTarget, PixelTarget, Question, Target
from dgrl.figures import resize_map
from dgrl.figures.attribution import AttributionLayer, attribution_layer
from dgrl.images import RGB
from dgrl.model import DGRL
from dgrl.places import cell_at
from dgrl.trace import found_in

LAST = -1
TRUSTED = 0.05  # a larger completeness error is pointed out
PIXEL, OBJECT, CELL = "pixel", "object", "cell"
Explain = Callable[..., Iterator[float | Attribution]]


def explainer(models: Mapping[str, DGRL]) -> Explain:
    """The computation, a batch at a time: shares done, and at last the attribution."""

    # A closure over the networks: ZeroGPU sends the arguments to another process, and gets what is yielded back.
    def explain(checkpoint: str, photo: RGB, question: Question) -> Iterator[float | Attribution]:
        yield (yield from attribute_in_batches(models[checkpoint], photo, question))

    return on_gpu(explain, gpu_seconds)


def gpu_seconds(_checkpoint: str, _photo: RGB, question: Question) -> float:
    """How long an explanation may take on a GPU: so many passes, of RLN's T + 1 runs and BRN's."""
    steps = DEFAULT_STEPS if question.steps is None else question.steps
    return CALL_SECONDS + PASS_SECONDS * (steps + 2) * most_passes(question)


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


def question(view: View, choice: Choice, x: int, y: int) -> Question:
    """Return the question about a pass; (x, y) is the photo's pixel that is meant.

    Raises:
        ValueError: there is no such number, or no such method.
    """
    settings: dict[str, Any] = {
        "method": choice.method,
        "baseline": choice.baseline,
        "block": choice.block or (choice.level if choice.target == CELL else BLOCKS[-1]),
        "block_step": None if choice.block_step == LAST else choice.block_step,
        "steps": len(view.trace.steps) - 1,
    }
    return Question(chosen_target(view, choice.target, x, y, choice.step, choice.refined, choice.level), **settings)


def chosen_target(view: View, target: str, x: int, y: int, step: int, refined: bool, level: str) -> Target:
    """The number that is meant. A cell is the one that covers the photo's pixel (x, y).

    Raises:
        ValueError: there is no such number.
    """
    moment = None if step == LAST else step
    if target == OBJECT:
        return ObjectTarget(moment)
    if target == PIXEL:
        return PixelTarget(x, y, None if refined else moment, refined)
    weights = view.trace.steps[0].weight_maps.get(level)
    if weights is None:
        raise ValueError("this network has no such weight map")
    column, row = cell_at(x, y, view.trace.photo.shape, weights.shape)
    return CellTarget(level, row, column, moment)


def answer(view: View, found: Attribution) -> tuple[str, dict[str, Any]]:
    """Draw the attribution over the photo, as a file, and describe it in numbers and words."""
    drawn = attribution_layer(found)
    return picture_file(drawn.over(view.photo), f"why_{found.method}"), numbers(view, found, drawn)


def numbers(view: View, found: Attribution, drawn: AttributionLayer) -> dict[str, Any]:
    """Describe an attribution and the layer that shows it, in numbers and words."""
    region = found_in(resize_map(view.trace.saliency, *found.square.shape))
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
        "words": words(found, share, float(region.mean()), len(view.trace.steps) - 1),
        "seconds": found.seconds,
    }


def words(found: Attribution, share: float | None, object_share: float, last: int) -> str:
    """What the attribution says; `share` of what speaks for it lies inside the object found."""
    target = found.target
    t = last if target.step is None else target.step
    if isinstance(target, CellTarget):
        place = f"The weight of row {target.row}, column {target.column} of {target.level}'s map at t = {t}"
        said = [f"{place} is {found.value:.2f} (the map's mean is 1)."]
    elif isinstance(target, ObjectTarget):
        said = [f"RLN's evidence at t = {t} is {found.value:.2f} in the mean over the object."]
    else:
        who = "BRN's evidence" if target.refined else f"RLN's evidence at t = {t}"
        probability = 1 / (1 + np.exp(-found.value))
        place = f"for the object at column {target.x}, row {target.y} of the photo"
        said = [f"{who} {place} is {found.value:.2f}, a probability of {probability:.3f}."]
    if found.baseline_value is not None:
        said.append(f"Without the photo it would be {found.baseline_value:.2f}.")
    if found.completeness_error is not None:
        said.append(f"The places add up to the difference within {found.completeness_error:.1%}.")
        if found.completeness_error > TRUSTED:
            said.append("That is too much: the answer jumps on the way to the photo. Another baseline may do better.")
    if share is not None:
        covers = f"which covers {object_share:.0%} of the photo"
        said.append(f"{share:.0%} of what speaks for it lies inside the object found, {covers}.")
    return " ".join([*said, f"This took {found.seconds:.1f} s."])
