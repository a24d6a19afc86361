"""What the Why tab says: the number that is meant, its picture, and the attribution in colours, words and numbers."""

import dataclasses
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from dgrl.app.detect import spotlight
from dgrl.app.parts import picture_file, picture_point
from dgrl.app.runs import View
from dgrl.attribution.attribute import Attribution
from dgrl.attribution.question import CellTarget, ObjectTarget, PixelTarget, Target
from dgrl.figures import SIGNED, layer, legend, mark, resize_map
from dgrl.figures.attribution import attribution_layer
from dgrl.images import RGB
from dgrl.places import cell_at
from dgrl.trace import FOUND, found_in

LAST = -1
TRUSTED = 0.05  # a larger completeness error is pointed out
PIXEL, OBJECT, CELL = "pixel", "object", "cell"


def chosen_target(view: View, target: str, x: int, y: int, step: int, refined: bool, level: str) -> Target:
    """The number that the controls mean. A cell is the one that covers the photo's pixel (x, y)."""
    moment = None if step == LAST else step
    if target == OBJECT:
        return ObjectTarget(moment)
    if target == PIXEL:
        return PixelTarget(x, y, None if refined else moment, refined)
    weights = view.trace.steps[0].weight_maps.get(level)
    if weights is None:
        raise ValueError("this network has no Contextual Weighting Module, so there are no weight maps")
    column, row = cell_at(x, y, view.trace.photo.shape, weights.shape)
    return CellTarget(level, row, column, moment)


def draw_choice(view: View, target: str, x: int, y: int, step: int, refined: bool, level: str) -> RGB:
    """The photo with the chosen pixel, object or cell; the object and the weight map are those of the time step."""
    last = len(view.trace.steps) - 1
    t = last if step == LAST else min(step, last)
    height, width = view.photo.shape[:2]
    if target == OBJECT:
        salient = resize_map(view.trace.steps[t].saliency, height, width) > FOUND
        return spotlight(view.photo, salient.astype(np.float32))
    weights = layer(view.trace, t, level)
    if target == PIXEL or weights is None:
        return mark(view.photo, *picture_point(view, x, y, view.photo))
    cell = chosen_target(view, target, x, y, step, refined, level)
    assert isinstance(cell, CellTarget)
    rows, columns = weights.values.shape
    across, down = width / max(columns - 1, 1), height / max(rows - 1, 1)
    image = Image.fromarray(weights.over(view.photo, 0.65))
    left, top = (cell.column - 0.5) * across, (cell.row - 0.5) * down
    pen = ImageDraw.Draw(image)
    for ink, thick in (("white", 7), ("black", 3)):
        pen.rectangle((left, top, left + across, top + down), outline=ink, width=thick)
    return np.asarray(image)


def picture_of_choice(view: View, target: str, x: int, y: int, step: int, refined: bool, level: str) -> str:
    """`draw_choice` as a file that Gradio serves."""
    return picture_file(draw_choice(view, target, x, y, step, refined, level), "chosen")


def answer(view: View, found: Attribution) -> tuple[Any, ...]:
    """The attribution as picture, colour scale, words and numbers."""
    drawn = attribution_layer(found)
    region = found_in(resize_map(view.trace.saliency, *found.square.shape))
    share = found.share_inside(region) if region.any() else None
    numbers = {
        "target": type(found.target).__name__,
        **dataclasses.asdict(found.target),
        "method": found.method,
        "value": found.value,
        "baseline_value": found.baseline_value,
        "sum": float(found.square.sum()) if found.completeness_error is not None else None,
        "completeness_error": found.completeness_error,
        "share_inside": share,
        "object_share": float(region.mean()),
        "seconds": found.seconds,
    }
    said = words(found, share, float(region.mean()), len(view.trace.steps) - 1)
    scale = legend(SIGNED, -drawn.limit, drawn.limit, drawn.label)
    return picture_file(drawn.over(view.photo), f"why_{found.method}"), scale, said, numbers


def words(found: Attribution, share: float | None, object_share: float, last: int) -> str:
    """What the attribution says; `share` of what speaks for it lies inside the object found."""
    target = found.target
    t = last if target.step is None else target.step
    if isinstance(target, CellTarget):
        place = f"The weight of row {target.row}, column {target.column} of {target.level}'s map at t = {t}"
        said = [f"{place} is **{found.value:.2f}** (the map's mean is 1)."]
    elif isinstance(target, ObjectTarget):
        said = [f"RLN's evidence at t = {t} is **{found.value:.2f}** in the mean over the object."]
    else:
        who = "BRN's evidence" if target.refined else f"RLN's evidence at t = {t}"
        probability = 1 / (1 + np.exp(-found.value))
        place = f"for the object at column {target.x}, row {target.y} of the photo"
        said = [f"{who} {place} is **{found.value:.2f}**, a probability of {probability:.3f}."]
    if found.baseline_value is not None:
        said.append(f"Without the photo it would be {found.baseline_value:.2f}.")
    if found.completeness_error is not None:
        said.append(f"The places add up to the difference within {found.completeness_error:.1%}.")
        if found.completeness_error > TRUSTED:
            said.append("That is too much: the answer jumps on the way to the photo. Another baseline may do better.")
    if share is not None:
        covers = f"which covers {object_share:.0%} of the photo"
        said.append(f"**{share:.0%}** of what speaks for it lies inside the object found, {covers}.")
    return " ".join([*said, f"This took {found.seconds:.1f} s."])
