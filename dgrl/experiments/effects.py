"""How large an experiment's effect is on one picture: the same on the photo that is shown and over a data set.

Each function takes the `Passes` over a picture and gives numbers by name, the effect first; or None where the picture
has nothing to measure it on: no object, no edge. No mask is needed: the object is what RLN finds, untouched.
"""

import numpy as np
import torch

from dgrl.attribution.evidence import Evidence
from dgrl.attribution.question import CellTarget
from dgrl.experiments.passes import UNTOUCHED, Passes, Places, Setting, resized, share_inside
from dgrl.images import read_image
from dgrl.network.layers import resize
from dgrl.prompts import box_prompt
from dgrl.taps import (
    EVERY,
    LEVELS,
    Edit,
    flatten_map,
    mean_kernels,
    paint_map,
    scale_feedback,
)
from dgrl.trace import Array

Numbers = dict[str, float]
ALL = "*"  # every level, every block
STRENGTH = 10.0
"""Of what an experiment paints, on an even map."""
EDGE = 0.1, 0.9
"""An edge is where RLN's map lies between these."""
MORE = 2
"""Steps beyond those trained."""
HALF = 0.5

FLAT = Setting((flatten_map(ALL),), name="flat maps")
MEAN_KERNEL = Setting((mean_kernels(),), name="one mean kernel")


def painting(places: Places, t: int | str = EVERY) -> tuple[Edit, ...]:
    """The edits that make every weight map look at the places (H, W), at step `t` or at all."""
    return flatten_map(ALL, t), paint_map(ALL, places.astype(np.float32), STRENGTH, t)


def painted_at(places: Places, t: int | str = EVERY, cut: bool = False) -> Setting:
    """A pass so painted, with all feedback, or with none."""
    edits = painting(places, t) + ((scale_feedback(ALL, 0.0),) if cut else ())
    when = "at every step" if t == EVERY else f"at t = {t}"
    return Setting(edits, name=f"painted {when}{', feedback cut' if cut else ''}")


def narrowing(passes: Passes) -> Numbers | None:
    """How much more of the weight maps' mass lies on the object at the last step than at the first; mean of levels."""
    steps, found = passes.localised().steps, passes.found()
    if not found.any():
        return None
    first, last = (
        float(np.mean([share_inside(step.weight_maps[level], found) for level in LEVELS]))
        for step in (steps[0], steps[-1])
    )
    return {"effect": last - first, "first": first, "last": last}


def levels_differ(passes: Passes) -> Numbers:
    """One less the correlation of conv3's and conv5's last maps; and the share of cells that holds half of each."""
    maps = passes.localised().steps[-1].weight_maps
    conv3, conv5 = (torch.from_numpy(maps[level])[None, None] for level in ("conv3", "conv5"))
    fine, coarse = conv3.flatten(), resize(conv5, conv3.shape[-2:]).flatten()
    correlation = float(torch.corrcoef(torch.stack([fine, coarse]))[0, 1])
    return {"effect": 1 - correlation} | {level: half_of(maps[level]) for level in LEVELS}


def half_of(weights: Array) -> float:
    """The smallest share of a weight map's cells that holds half of its mass."""
    mass = np.cumsum(np.sort(weights, axis=None)[::-1])
    return float((np.searchsorted(mass, HALF * mass[-1]) + 1) / mass.size)


def flattening(passes: Passes) -> Numbers | None:
    """How much RLN's map falls on the object when every weight map is flat, and how much it rises outside of it."""
    found = passes.found()
    if not found.any() or found.all():
        return None
    before, after = passes.last(), passes.last(FLAT)
    return {
        "effect": float((before - after)[found].mean()),
        "object_before": float(before[found].mean()),
        "object": float(after[found].mean()),
        "outside": float((after - before)[~found].mean()),
        "change": float(np.abs(after - before).mean()),
    }


def on_objects(passes: Passes, setting: Setting) -> tuple[float, float] | None:
    """Mean of RLN's last map on what is painted and on the other object."""
    if passes.painted is None or passes.other is None:
        return None
    saliency = passes.last(setting)
    size = saliency.shape[0], saliency.shape[1]
    places = [resized(region, size) for region in (passes.painted, passes.other)]
    if not all(region.any() for region in places):
        return None
    painted, other = (float(saliency[region].mean()) for region in places)
    return painted, other


def chosen_over_other(passes: Passes, setting: Setting) -> Numbers | None:
    """Measure how much a setting raises the map on the chosen object, over the other one."""
    before, after = on_objects(passes, UNTOUCHED), on_objects(passes, setting)
    if before is None or after is None:
        return None
    return {
        "effect": (after[0] - after[1]) - (before[0] - before[1]),
        "painted": after[0],
        "other": after[1],
        "painted_before": before[0],
        "other_before": before[1],
    }


def obeying(passes: Passes) -> Numbers | None:
    """How much the map rises on the painted object, over the other one, when all maps look there."""
    if passes.painted is None:
        return None
    return chosen_over_other(passes, painted_at(passes.painted))


def pointing(passes: Passes) -> Numbers | None:
    """Measure how much the map rises on the object in a box, over the other one, when look 1 attends to that box."""
    if passes.painted is None or not passes.painted.any():
        return None
    rows, columns = np.nonzero(passes.painted)
    height, width = passes.painted.shape
    box = columns.min() / width, rows.min() / height, (columns.max() + 1) / width, (rows.max() + 1) / height
    left, top, right, bottom = (float(side) for side in box)
    return chosen_over_other(passes, Setting((box_prompt(left, top, right, bottom),), name="box"))


def remembering(passes: Passes) -> Numbers | None:
    """How much of what t = 0 was told to look at is lost at the last step when all feedback is cut."""
    if passes.painted is None:
        return None
    kept = on_objects(passes, painted_at(passes.painted, 0))
    forgotten = on_objects(passes, painted_at(passes.painted, 0, cut=True))
    if kept is None or forgotten is None:
        return None
    return {
        "effect": (kept[0] - kept[1]) - (forgotten[0] - forgotten[1]),
        "painted": kept[0],
        "other": kept[1],
        "painted_cut": forgotten[0],
        "other_cut": forgotten[1],
    }


def going_on(passes: Passes) -> Numbers:
    """How much the map still changes in steps beyond those trained, and changed in the last one trained."""
    trained = passes.model.config.steps
    steps = passes.localised(Setting(steps=trained + MORE)).steps
    last = float(np.abs(steps[trained].saliency - steps[max(trained - 1, 0)].saliency).mean())
    return {"effect": float(np.abs(steps[-1].saliency - steps[trained].saliency).mean()), "last": last}


def one_pixel(passes: Passes) -> Numbers:
    """How much BRN changed the pixel that it changed most."""
    pixel = passes.whole().most_changed(count=1)[0]
    return {"effect": abs(pixel.refined - pixel.prior), "prior": pixel.prior, "refined": pixel.refined}


def leaning(passes: Passes) -> Numbers | None:
    """How far, in pixels, kernels along edges draw from deeper in their pixels' own side; how far they lean at all.

    The object's side is where RLN's map rises; a pixel's own side is that if the map is above one half there.
    """
    trace, edge = passes.whole(), edges(passes)
    saliency = on_brn(passes)
    down, across = np.gradient(saliency)
    steep = np.hypot(down, across)
    edge &= steep > 0
    if not edge.any():
        return None
    field = trace.kernel_field
    towards_object = (field.shift_x * across + field.shift_y * down)[edge] / steep[edge]
    own = np.where(saliency[edge] > HALF, towards_object, -towards_object)
    lengths = np.hypot(field.shift_x, field.shift_y)
    return {
        "effect": float(own.mean()),
        "edge": float(np.median(lengths[edge])),
        "elsewhere": float(np.median(lengths[~edge])),
    }


def on_brn(passes: Passes) -> Array:
    """(480, 480): RLN's last map on BRN's grid."""
    size = passes.whole().refined.shape
    saliency: Array = resize(torch.from_numpy(passes.last())[None, None], size)[0, 0].numpy()
    return saliency


def edges(passes: Passes) -> Places:
    """(480, 480): which pixels of BRN's map lie on an edge of RLN's."""
    saliency = on_brn(passes)
    between: Places = (saliency > EDGE[0]) & (saliency < EDGE[1])
    return between


def refining(passes: Passes) -> Numbers | None:
    """By what share the photo's contrast along the outline is larger with BRN than without, and with one mean kernel.

    The outline is that of what lies above one half. An outline that follows the object's edge runs where the photo
    changes; contrast is the length of its grey levels' gradient, on BRN's grid.
    """
    photo = torch.from_numpy(read_image(passes.picture)).float().mean(-1)[None, None]
    untouched = passes.whole()
    grey = resize(photo, untouched.refined.shape)[0, 0].numpy()
    contrast = np.hypot(*np.gradient(grey))
    outlines = [
        outline(values > HALF) for values in (on_brn(passes), passes.whole(MEAN_KERNEL).refined, untouched.refined)
    ]
    if not all(line.any() for line in outlines):
        return None
    before, mean_kernel, after = (float(contrast[line].mean()) for line in outlines)
    return {"effect": after / before - 1, "mean_kernel": mean_kernel / before - 1}


def outline(places: Places) -> Places:
    """Which of the places (H, W) have a neighbour, above, below or beside, that is none."""
    padded = np.pad(places, 1, mode="edge")
    whole = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    line: Places = places & ~whole
    return line


def explained_cell(passes: Passes, level: str = "conv5") -> CellTarget:
    """The cell of the level's last map that has the largest weight."""
    step = passes.localised().steps[-1]
    row, column = np.unravel_index(int(step.weight_maps[level].argmax()), step.weight_maps[level].shape)
    return CellTarget(level, int(row), int(column))


def hiding(passes: Passes) -> Numbers | None:
    """By what share the heaviest cell's weight falls when the object is blurred away, and when all the rest is."""
    found = passes.found()
    if not found.any() or found.all():
        return None
    cell = explained_cell(passes)
    whole = float(passes.localised().steps[-1].weight_maps[cell.level][cell.row, cell.column])
    evidence = Evidence(passes.model, read_image(passes.picture), cell, None, "blurred")
    seen = torch.from_numpy(found.astype(np.float32))[None, None]
    with torch.no_grad():
        rest, alone = (float(evidence(visible)) for visible in (1 - seen, seen))
    return {"effect": 1 - rest / whole, "rest": 1 - alone / whole}
