"""Explain a value of a pass by the parts of the photo that caused it, and check the explanation."""

import dataclasses
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from dgrl.attribution.attribute import Attribution, attribute_in_batches, evidence_of
from dgrl.attribution.batches import as_part
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


@torch.inference_mode(False)  # gradients are needed even in the caller's inference mode
def explanation_in_batches(model: DGRL, photo: RGB, question: Question) -> Generator[float, None, Explanation]:
    """Explain a value and check the explanation, a batch at a time: yield the share done, return the result."""
    evidence = evidence_of(model, photo, question)
    attribution = yield from as_part(attribute_in_batches(model, photo, question, evidence=evidence), 0.0, 0.5)
    check = faithfulness_in_batches(model, photo, question, attribution, evidence=evidence)
    return Explanation(attribution, (yield from as_part(check, 0.5, 1.0)))


@dataclass(frozen=True)
class Choice:
    """The value to explain and the method; the fields are the arguments of `/attribute`, with its defaults."""

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


def numbers(trace: Trace, explanation: Explanation, heat_map: AttributionLayer) -> dict[str, Any]:
    """Describe an explanation and the layer that shows it, in numbers and words."""
    attribution = explanation.attribution
    region = found_in(resize_map(trace.saliency, *attribution.square.shape))
    share = attribution.share_inside(region) if region.any() else None
    return {
        "target": type(attribution.target).__name__,
        **dataclasses.asdict(attribution.target),
        "method": attribution.method,
        "value": attribution.value,
        "baseline_value": attribution.baseline_value,
        "sum": float(attribution.square.sum()) if attribution.completeness_error is not None else None,
        "completeness_error": attribution.completeness_error,
        "share_inside": share,
        "object_share": float(region.mean()),
        "cells": attribution.cells.tolist() if attribution.cells is not None else None,
        "scale": {"low": -heat_map.limit, "high": heat_map.limit, "label": heat_map.label},
        "words": words(attribution, share, float(region.mean()), len(trace.steps) - 1),
        "faithfulness": faithfulness_numbers(explanation.faithfulness),
        "seconds": attribution.seconds,
    }


def faithfulness_numbers(check: Faithfulness) -> dict[str, Any]:
    """Describe the check of an explanation as the page shows it (`Faithfulness` in `page/engines/engine.js`)."""
    return {
        "words": check.words,
        "deletion": check.deletion_area,
        "insertion": check.insertion_area,
        "random": check.random_area,
        "sensitivity": check.sensitivity,
        "beats_chance": check.beats_chance,
        "curves": {"deletion": check.deletion.tolist(), "insertion": check.insertion.tolist()},
    }


def words(attribution: Attribution, share: float | None, object_share: float, last: int) -> str:
    """Say what an attribution shows.

    Args:
        attribution: the attribution.
        share: share of the positive attribution that lies on the found object; None without an object.
        object_share: how much of the photo the object covers.
        last: T of the pass.
    """
    target = attribution.target
    look = (last if target.step is None else target.step) + 1
    if isinstance(target, CellTarget):
        place = f"The {LEVEL_WORDS[target.level]} attention in row {target.row}, column {target.column} at look {look}"
        sentences = [f"{place} is {attribution.value:.2f}; 1 is average."]
    elif isinstance(target, ObjectTarget):
        sentences = [
            f"The evidence for the object at look {look} is {attribution.value:.2f} on average over its pixels."
        ]
    else:
        moment = "after sharpening" if target.refined else f"at look {look}"
        probability = 1 / (1 + np.exp(-attribution.value))
        place = f"The evidence for the object {moment} at column {target.x}, row {target.y} of the photo"
        sentences = [f"{place} is {attribution.value:.2f}: a probability of {probability:.3f}."]
    if attribution.baseline_value is not None:
        sentences.append(f"Without the photo it would be {attribution.baseline_value:.2f}.")
    if attribution.completeness_error is not None:
        sentences.append(f"The parts add up to the difference within {percent(attribution.completeness_error, 1)}.")
        if attribution.completeness_error > TRUSTED:
            sentences.append(
                "That is too much: the value jumps on the way to the photo. Another baseline may be better."
            )
    if share is not None:
        covers = f"which covers {percent(object_share)} of the photo"
        sentences.append(f"{percent(share)} of what speaks for it lies on the found object, {covers}.")
    return " ".join([*sentences, f"This took {attribution.seconds:.1f} s."])


def percent(share: float, decimals: int = 0) -> str:
    """Write a share as "54 %"."""
    return f"{100 * share:.{decimals}f} %"
