"""The experiments as the page's tour needs them: texts, the change of the scene for Show, and the effect's sizes."""

import fnmatch
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from PIL import Image

from dgrl.data.masks import HALF
from dgrl.edit_fields import LONGEST_MASK, write_mask
from dgrl.experiments.effects import Numbers
from dgrl.experiments.experiment import ZOOM, Experiment, as_scene
from dgrl.experiments.listed import EXPERIMENTS
from dgrl.experiments.passes import Setting
from dgrl.experiments.sizes import Sizes, Spread
from dgrl.prompts import SHARE, BoxPrompt, MaskPrompt
from dgrl.taps import BLOCKS, COEFFICIENTS, EVERY, LEVELS, Edit, Mean, Paint, Scale, feedback_name, weight_map_name

CELL_QUESTION = {"target": "cell", "method": "occlusion", "level": "conv5", "refined": False}
"""The question of view Why after the experiment about attention's causes."""


def tour(sizes: Sizes | None, experiments: Sequence[Experiment] = EXPERIMENTS) -> list[dict[str, Any]]:
    """Describe the experiments for the page (`Experiment` in `dgrl/page/state/scene.js`).

    Args:
        sizes: measured effects of the checkpoint; without them the answers have no numbers.
        experiments: in the order of the tour.
    """
    return [description_of(experiment, sizes) for experiment in experiments]


def description_of(experiment: Experiment, sizes: Sizes | None) -> dict[str, Any]:
    """Describe one experiment."""
    numbers = {} if sizes is None else sizes.photos.get(experiment.key, {})
    spread = None if sizes is None else sizes.experiments.get(experiment.key, {}).get("effect")
    return {
        "key": experiment.key,
        "title": experiment.title,
        "question": experiment.question,
        "choices": list(experiment.choices),
        "right": experiment.verdict(numbers["effect"]) if numbers else 0,
        "answer": experiment.happened(numbers) if numbers else "With this checkpoint the effect was not measured.",
        "story": " ".join(
            [experiment.story, *(experiment.remarks(numbers, sizes) if sizes and numbers and spread else ())]
        ),
        "show": scene(experiment, numbers),
        "sizes": distribution(experiment, numbers, spread, sizes.data) if sizes and spread and spread.values else None,
        "own": experiment.show.own,
        "explanation": explanation(sizes) if experiment.cell else None,
    }


def distribution(experiment: Experiment, numbers: Numbers, spread: Spread, data: str) -> dict[str, Any]:
    """Return the effect here and on every picture of the data set, for the page's dot plot."""
    unit = experiment.unit
    return {
        "effect": experiment.effect,
        "unit": unit.word,
        "decimals": unit.decimals,
        "here": numbers["effect"] * unit.scale if numbers else None,
        "median": spread.median * unit.scale,
        "values": [value * unit.scale for value in spread.values],
        "data": data,
    }


def scene(experiment: Experiment, numbers: dict[str, float]) -> dict[str, Any]:
    """Return the change of the page's scene for Show. `here` has the places that were measured on the photo."""
    show = experiment.show
    slots = [request(experiment, experiment.first)]
    if experiment.second is not None:
        slots.append(request(experiment, experiment.second))
    frames = [{"slot": frame.slot, "map": frame.map, "step": frame.step, "title": frame.title} for frame in show.frames]
    pixel = {"x": int(numbers["x"]), "y": int(numbers["y"]), "pinned": True} if "x" in numbers else {}
    zoomed = show.zoom and "zoom_x" in numbers
    zoom = {"x": numbers["zoom_x"], "y": numbers["zoom_y"], "width": ZOOM, "height": ZOOM} if zoomed else None
    return as_scene(
        {
            "slots": slots,
            "map": show.map,
            "arrangement": show.arrangement,
            "frames": frames or None,
            "zoom": zoom,
            "arrows": show.arrows or None,
            "kernel": show.kernel,
            "question": CELL_QUESTION if experiment.cell else None,
        }
        | pixel
    )


def request(experiment: Experiment, setting: Setting) -> dict[str, Any]:
    """Return a setting as the page's request for a pass; the page fills in the checkpoint."""
    edits = [fields for edit in setting.edits for fields in written_edits(edit)]
    return {"photo": experiment.photo, "steps": setting.steps, "edits": edits}


def written_edits(edit: Edit) -> Iterator[dict[str, Any]]:
    """Yield an edit as links write it, one for each level or block that it applies to (`dgrl.edits`).

    Raises:
        ValueError: links cannot express it.
    """
    change = edit.change
    if isinstance(change, Mean) and edit.tap == COEFFICIENTS:
        yield {"kind": "kernels", "to": "mean"}
        return
    if isinstance(change, BoxPrompt | MaskPrompt) and edit.tap == weight_map_name(EVERY, 0):
        yield written_prompt(change)
        return
    part, name_of = (BLOCKS, feedback_name) if isinstance(change, Scale) else (LEVELS, weight_map_name)
    step = edit.tap.split(".")[1].removeprefix("t")
    at: dict[str, Any] = {} if step == EVERY else {"at": int(step)}
    for name in part:
        if not fnmatch.fnmatchcase(name_of(name, step), edit.tap):
            continue
        if isinstance(change, Scale):
            yield {"kind": "feedback", "block": name, "factor": change.factor} | at
        elif isinstance(change, Paint):
            grey = np.frombuffer(change.grey, np.uint8).reshape(change.height, change.width)
            yield {"kind": "paint", "level": name, "strength": change.strength, "mask": write_mask(grey > 127)} | at
        elif change == 1.0:
            yield {"kind": "flatten", "level": name} | at
        else:
            raise ValueError(f"links cannot express the edit of {edit.tap}")


def written_prompt(prompt: BoxPrompt | MaskPrompt) -> dict[str, Any]:
    """Return a prompt as links write it; a mask is reduced to the size that a link can hold."""
    share = {} if prompt.share == SHARE else {"share": prompt.share}
    if isinstance(prompt, BoxPrompt):
        return {"kind": "prompt", "box": [prompt.left, prompt.top, prompt.right, prompt.bottom]} | share
    grey = Image.fromarray(np.frombuffer(prompt.grey, np.uint8).reshape(prompt.height, prompt.width))
    size = min(prompt.width, LONGEST_MASK), min(prompt.height, LONGEST_MASK)
    return {"kind": "prompt", "mask": write_mask(np.asarray(grey.resize(size, Image.Resampling.BOX)) > HALF)} | share


def explanation(sizes: Sizes | None) -> dict[str, Any] | None:
    """Return Occlusion's measured cells for the experiment about attention's causes."""
    cells = [] if sizes is None else sizes.cells
    if not cells:
        return None
    limit = max(abs(value) for row in cells for value in row) or 1.0
    return {
        "values": [value for row in cells for value in row],
        "width": len(cells[0]),
        "height": len(cells),
        "limit": limit,
        "label": "How much the attention falls when this part is blurred",
    }
