"""Experiments as the app offers them: each a link to what it shows, and words."""

import fnmatch
import json
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

import numpy as np
from PIL import Image

from dgrl.data.masks import HALF
from dgrl.edit_fields import LONGEST_MASK, write_mask
from dgrl.experiments.experiment import Experiment
from dgrl.experiments.listed import EXPERIMENTS
from dgrl.experiments.passes import Setting
from dgrl.experiments.sizes import Sizes
from dgrl.prompts import SHARE, BoxPrompt, MaskPrompt
from dgrl.taps import (
    BLOCKS,
    COEFFICIENTS,
    EVERY,
    LEVELS,
    Edit,
    Mean,
    Paint,
    Scale,
    feedback_name,
    weight_map_name,
)


def link(experiment: Experiment, sizes: Sizes | None = None) -> str:
    """The query of the app's link that shows an experiment (`script/links.js` reads it).

    `sizes` knows the pixel that is pinned; without it none is.
    """
    view, second = experiment.view, experiment.second
    query: dict[str, Any] = {"tab": "why" if experiment.cell else "explore", "example": experiment.photo}
    query |= passed("", "edits1", experiment.first)
    if second is not None:
        query |= {"tab": "compare" if experiment.first.edits else "alter", "two": 1}
        # A link's second pass has the first one's steps unless it says otherwise.
        query |= passed("2", "edits", second)
    query |= {"map": view.map, "show": view.arrangement if second is not None else None, "t": view.step}
    here = {} if sizes is None else sizes.photos.get(experiment.key, {})
    if "x" in here:
        query |= {"x": int(here["x"]), "y": int(here["y"])}
    if experiment.cell:
        query |= {"target": "cell", "method": "occlusion", "level": "conv5"}
    return f"?{urlencode({key: value for key, value in query.items() if value is not None})}"


def passed(mark: str, edits: str, setting: Setting) -> dict[str, Any]:
    """A pass in a link."""
    written = [one for edit in setting.edits for one in written_edits(edit)]
    return {f"T{mark}": setting.steps, edits: json.dumps(written, separators=(",", ":")) if written else None}


def written_edits(edit: Edit) -> Iterator[dict[str, Any]]:
    """An edit as links write it, one for each level or block that it is of (`dgrl.explorer.edits`).

    Raises:
        ValueError: links have no words for it.
    """
    change = edit.change
    if isinstance(change, Mean) and edit.tap == COEFFICIENTS:
        yield {"kind": "kernels", "to": "mean"}
        return
    if isinstance(change, BoxPrompt | MaskPrompt) and edit.tap == weight_map_name(EVERY, 0):
        yield written_prompt(change)
        return
    part, named = (BLOCKS, feedback_name) if isinstance(change, Scale) else (LEVELS, weight_map_name)
    step = edit.tap.split(".")[1].removeprefix("t")
    at: dict[str, Any] = {} if step == EVERY else {"at": int(step)}
    for name in part:
        if not fnmatch.fnmatchcase(named(name, step), edit.tap):
            continue
        if isinstance(change, Scale):
            yield {"kind": "feedback", "block": name, "factor": change.factor} | at
        elif isinstance(change, Paint):
            grey = np.frombuffer(change.grey, np.uint8).reshape(change.height, change.width)
            yield {"kind": "paint", "level": name, "strength": change.strength, "mask": write_mask(grey > 127)} | at
        elif change == 1.0:
            yield {"kind": "flatten", "level": name} | at
        else:
            raise ValueError(f"links have no words for the edit of {edit.tap}")


def written_prompt(prompt: BoxPrompt | MaskPrompt) -> dict[str, Any]:
    """A prompt as links write it."""
    share = {} if prompt.share == SHARE else {"share": prompt.share}
    if isinstance(prompt, BoxPrompt):
        return {"kind": "prompt", "box": [prompt.left, prompt.top, prompt.right, prompt.bottom]} | share
    grey = Image.fromarray(np.frombuffer(prompt.grey, np.uint8).reshape(prompt.height, prompt.width))
    size = min(prompt.width, LONGEST_MASK), min(prompt.height, LONGEST_MASK)
    return {"kind": "prompt", "mask": write_mask(np.asarray(grey.resize(size, Image.Resampling.BOX)) > HALF)} | share


def offered(sizes: Sizes | None, experiments: Sequence[Experiment] = EXPERIMENTS) -> list[dict[str, Any]]:
    """What the app is to offer: `title`, `question`, `choices`, `answer` and `link` of each.

    The answers' numbers are of the checkpoint that `sizes` was measured with; without it there are none to tell.
    """
    return [
        {
            "title": experiment.title,
            "question": experiment.question,
            "choices": list(experiment.choices),
            "answer": answer(experiment, sizes),
            "link": link(experiment, sizes),
        }
        for experiment in experiments
    ]


def answer(experiment: Experiment, sizes: Sizes | None) -> str:
    """The answer with the numbers of the checkpoint's own table."""
    here = None if sizes is None else sizes.photos.get(experiment.key)
    if here is None:
        return f"{experiment.story} With this checkpoint the effect was not measured."
    return experiment.answer(here, sizes)
