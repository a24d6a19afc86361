"""Measure the effect of an experiment on one picture: the photo that is shown, or a picture of a data set.

Each function takes the `Passes` over a picture and returns numbers by name, with the effect first. It returns None if
the picture has no object or no edge to measure. No mask is needed: the object is what RLN finds in the unchanged pass.
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
ALL = "*"
"""All levels, or all blocks."""
STRENGTH = 10.0
"""Strength of an experiment's painting on a flat map."""
EDGE = 0.1, 0.9
"""Pixels where RLN's map lies between these values belong to an edge."""
MORE = 2
"""Number of steps beyond those trained."""
HALF = 0.5

FLAT = Setting((flatten_map(ALL),), name="flat maps")
MEAN_KERNEL = Setting((mean_kernels(),), name="one mean kernel")


def painting(places: Places, t: int | str = EVERY) -> tuple[Edit, ...]:
    """Return the edits that make every weight map attend to the places (H, W), at step `t` or at every step."""
    return flatten_map(ALL, t), paint_map(ALL, places.astype(np.float32), STRENGTH, t)


def painted_setting(places: Places, t: int | str = EVERY, cut: bool = False) -> Setting:
    """Return the setting with these edits, with all feedback or with none."""
    edits = painting(places, t) + ((scale_feedback(ALL, 0.0),) if cut else ())
    steps = "at every step" if t == EVERY else f"at t = {t}"
    return Setting(edits, name=f"painted {steps}{', feedback cut' if cut else ''}")


def narrowing_effect(passes: Passes) -> Numbers | None:
    """Measure how much more weight-map mass lies on the object at the last step than at the first; mean of levels."""
    steps, object_mask = passes.localised().steps, passes.found()
    if not object_mask.any():
        return None
    first, last = (
        {level: share_inside(step.weight_maps[level], object_mask) for level in LEVELS}
        for step in (steps[0], steps[-1])
    )
    means = [float(np.mean(list(shares.values()))) for shares in (first, last)]
    medium = {"medium_first": first["conv4"], "medium_last": last["conv4"]}
    return {"effect": means[1] - means[0], "first": means[0], "last": means[1]} | medium


def level_difference(passes: Passes) -> Numbers:
    """Measure 1 minus the correlation of conv3's and conv5's last maps, and the cell share with half of the mass."""
    maps = passes.localised().steps[-1].weight_maps
    conv3, conv5 = (torch.from_numpy(maps[level])[None, None] for level in ("conv3", "conv5"))
    fine, coarse = conv3.flatten(), resize(conv5, conv3.shape[-2:]).flatten()
    correlation = float(torch.corrcoef(torch.stack([fine, coarse]))[0, 1])
    shares = {level: half_mass_share(maps[level]) for level in LEVELS}
    return {"effect": 1 - correlation, "correlation": correlation} | shares


def half_mass_share(weights: Array) -> float:
    """Return the smallest share of a weight map's cells that holds half of its mass."""
    mass = np.cumsum(np.sort(weights, axis=None)[::-1])
    return float((np.searchsorted(mass, HALF * mass[-1]) + 1) / mass.size)


def flat_maps_effect(passes: Passes) -> Numbers | None:
    """Measure how much RLN's map falls on the object, and changes outside of it, when every weight map is flat."""
    object_mask = passes.found()
    if not object_mask.any() or object_mask.all():
        return None
    before, after = passes.last(), passes.last(FLAT)
    return {
        "effect": float((before - after)[object_mask].mean()),
        "object_before": float(before[object_mask].mean()),
        "object": float(after[object_mask].mean()),
        "outside": float((after - before)[~object_mask].mean()),
        "change": float(np.abs(after - before).mean()),
    }


def object_means(passes: Passes, setting: Setting) -> tuple[float, float] | None:
    """Return the mean of RLN's last map on the painted object and on the other one."""
    if passes.painted is None or passes.other is None:
        return None
    saliency = passes.last(setting)
    size = saliency.shape[0], saliency.shape[1]
    places = [resized(region, size) for region in (passes.painted, passes.other)]
    if not all(region.any() for region in places):
        return None
    painted, other = (float(saliency[region].mean()) for region in places)
    return painted, other


def choice_effect(passes: Passes, setting: Setting) -> Numbers | None:
    """Measure how much a setting raises the map on the chosen object, over the other one."""
    before, after = object_means(passes, UNTOUCHED), object_means(passes, setting)
    if before is None or after is None:
        return None
    return {
        "effect": (after[0] - after[1]) - (before[0] - before[1]),
        "painted": after[0],
        "other": after[1],
        "painted_before": before[0],
        "other_before": before[1],
    }


def painted_object_effect(passes: Passes) -> Numbers | None:
    """Measure how much the map rises on the painted object, over the other one, when all maps attend to it."""
    if passes.painted is None:
        return None
    return choice_effect(passes, painted_setting(passes.painted))


def box_effect(passes: Passes) -> Numbers | None:
    """Measure how much the map rises on the object in a box, over the other one, when look 1 attends to that box."""
    if passes.painted is None or not passes.painted.any():
        return None
    rows, columns = np.nonzero(passes.painted)
    height, width = passes.painted.shape
    box = columns.min() / width, rows.min() / height, (columns.max() + 1) / width, (rows.max() + 1) / height
    left, top, right, bottom = (float(side) for side in box)
    return choice_effect(passes, Setting((box_prompt(left, top, right, bottom),), name="box"))


def memory_effect(passes: Passes) -> Numbers | None:
    """Measure how much of the prompt at t = 0 is lost at the last step when all feedback is cut."""
    if passes.painted is None:
        return None
    with_memory = object_means(passes, painted_setting(passes.painted, 0))
    without_memory = object_means(passes, painted_setting(passes.painted, 0, cut=True))
    if with_memory is None or without_memory is None:
        return None
    return {
        "effect": (with_memory[0] - with_memory[1]) - (without_memory[0] - without_memory[1]),
        "painted": with_memory[0],
        "other": with_memory[1],
        "painted_cut": without_memory[0],
        "other_cut": without_memory[1],
    }


def further_change(passes: Passes) -> Numbers:
    """Measure how much the map still changes in steps beyond those trained, and changed in the last trained one."""
    trained = passes.model.config.steps
    steps = passes.localised(Setting(steps=trained + MORE)).steps
    last = float(np.abs(steps[trained].saliency - steps[max(trained - 1, 0)].saliency).mean())
    return {"effect": float(np.abs(steps[-1].saliency - steps[trained].saliency).mean()), "last": last}


def largest_change(passes: Passes) -> Numbers:
    """Measure how much BRN changed the pixel that it changed most."""
    pixel = passes.whole().most_changed(count=1)[0]
    return {"effect": abs(pixel.refined - pixel.prior), "prior": pixel.prior, "refined": pixel.refined}


def kernel_lean(passes: Passes) -> Numbers | None:
    """Measure by how many pixels kernels along edges lean towards their pixel's own side, and how far they lean at all.

    RLN's map rises towards the object. A pixel is on the object's side if the map is above one half there.
    """
    trace, edge = passes.whole(), edge_pixels(passes)
    saliency = saliency_on_brn(passes)
    down, across = np.gradient(saliency)
    steep = np.hypot(down, across)
    edge &= steep > 0
    if not edge.any():
        return None
    field = trace.kernel_field
    towards_object = (field.shift_x * across + field.shift_y * down)[edge] / steep[edge]
    towards_own_side = np.where(saliency[edge] > HALF, towards_object, -towards_object)
    lengths = np.hypot(field.shift_x, field.shift_y)
    return {
        "effect": float(towards_own_side.mean()),
        "edge": float(np.median(lengths[edge])),
        "elsewhere": float(np.median(lengths[~edge])),
    }


def saliency_on_brn(passes: Passes) -> Array:
    """Return RLN's last map on BRN's grid (480, 480)."""
    size = passes.whole().refined.shape
    saliency: Array = resize(torch.from_numpy(passes.last())[None, None], size)[0, 0].numpy()
    return saliency


def edge_pixels(passes: Passes) -> Places:
    """Return which pixels of BRN's map (480, 480) lie on an edge of RLN's."""
    saliency = saliency_on_brn(passes)
    uncertain: Places = (saliency > EDGE[0]) & (saliency < EDGE[1])
    return uncertain


def outline_contrast(passes: Passes) -> Numbers | None:
    """Measure how much BRN raises the photo's contrast along the outline as a share, and how much one mean kernel does.

    The outline encloses values above one half. If it follows the object's edge, the photo changes along it. Contrast is
    the length of the gradient of the photo's grey levels, on BRN's grid.
    """
    photo = torch.from_numpy(read_image(passes.picture)).float().mean(-1)[None, None]
    untouched = passes.whole()
    grey = resize(photo, untouched.refined.shape)[0, 0].numpy()
    contrast = np.hypot(*np.gradient(grey))
    outlines = [
        outline(values > HALF)
        for values in (saliency_on_brn(passes), passes.whole(MEAN_KERNEL).refined, untouched.refined)
    ]
    if not all(line.any() for line in outlines):
        return None
    before, mean_kernel, after = (float(contrast[line].mean()) for line in outlines)
    return {"effect": after / before - 1, "mean_kernel": mean_kernel / before - 1}


def outline(places: Places) -> Places:
    """Return which of the places (H, W) have a neighbour above, below or beside that is not one of them."""
    padded = np.pad(places, 1, mode="edge")
    interior = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    line: Places = places & ~interior
    return line


def heaviest_cell(passes: Passes, level: str = "conv5") -> CellTarget:
    """Return the cell of the level's last map with the largest weight."""
    step = passes.localised().steps[-1]
    row, column = np.unravel_index(int(step.weight_maps[level].argmax()), step.weight_maps[level].shape)
    return CellTarget(level, int(row), int(column))


def blur_effect(passes: Passes) -> Numbers | None:
    """Measure by what share the heaviest cell's weight falls when the object is blurred, and when all else is."""
    object_mask = passes.found()
    if not object_mask.any() or object_mask.all():
        return None
    cell = heaviest_cell(passes)
    full_weight = float(passes.localised().steps[-1].weight_maps[cell.level][cell.row, cell.column])
    evidence = Evidence(passes.model, read_image(passes.picture), cell, None, "blurred")
    visible_object = torch.from_numpy(object_mask.astype(np.float32))[None, None]
    with torch.no_grad():
        weight_without_object, weight_of_object = (
            float(evidence(visible)) for visible in (1 - visible_object, visible_object)
        )
    return {"effect": 1 - weight_without_object / full_weight, "rest": 1 - weight_of_object / full_weight}
