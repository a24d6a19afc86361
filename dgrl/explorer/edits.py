"""Edits as links, experiments, the app's page and its API write them: JSON, a small object for each.

| object | edit of `dgrl.taps` |
|---|---|
| `{"kind": "flatten", "level": "conv4", "at": 1}` | `flatten_map`; `at` left out or null: every time step |
| `{"kind": "paint", "level": "conv4", "strength": 4, "mask": MASK, "at": 0}` | `paint_map` |
| `{"kind": "patch", "tap": "rln.t1.conv4.weight_map", "photo": …, "checkpoint": …, "steps": 2}` | `patch` |
| `{"kind": "feedback", "block": "conv5", "factor": 0, "at": 1}` | `scale_feedback` |
| `{"kind": "kernels", "to": "mean"}` or `"identity"` | `mean_kernels`, `identity_kernels` |
| `{"kind": "unrefined"}` | `before_refinement` |

A patch names another pass: `photo`, `checkpoint` and `steps` mean what they mean in a request, and are left out where
they are this pass's own. Who reads edits computes that pass (`OtherTrace`), because only they know photos and networks.

A mask is text: `WIDTHxHEIGHT:RUNS`, stretched over the photo. Its pixels, row by row, are unpainted and painted by
turns; RUNS are the lengths in base 36, unpainted first, with full stops between them. `script/masks.js` does the same.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgrl.taps import (
    BLOCKS,
    EVERY,
    LEVELS,
    Edit,
    before_refinement,
    flatten_map,
    identity_kernels,
    mean_kernels,
    paint_map,
    patch,
    scale_feedback,
)
from dgrl.trace import Trace

MOST = 64
"""Edits of one pass."""
MOST_STEP = 99
LONGEST_MASK = 256
STRONGEST = 10.0
PATCHED = re.compile(
    rf"rln\.t\d{{1,2}}\.(logits|({'|'.join(LEVELS)})\.weight_map|({'|'.join(BLOCKS)})\.feedback)"
    r"|brn\.(prior|coefficients|propagated\d|refined)"
)
"""Taps whose value a patch may take from another pass."""
PASS_FIELDS = ("photo", "checkpoint", "steps")
"""Fields of a patch that say which other pass is meant."""
OtherTrace = Callable[[Mapping[str, Any]], Trace]
"""Compute the trace of another pass from the `PASS_FIELDS` that a patch has; ValueError if there is no such pass."""
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def read_edits(sent: Any, other_trace: OtherTrace | None = None) -> tuple[Edit, ...]:
    """Read the edits that a list of such objects means. The order of the list does not matter.

    Args:
        sent: the list.
        other_trace: computes the pass that a patch takes its value from; without it patches are refused.

    Raises:
        ValueError: something in it is not an edit; the message is for the person who wrote it.
    """
    if not isinstance(sent, list | tuple) or len(sent) > MOST:
        raise ValueError(f"edits are a list of at most {MOST} objects")
    # A map that is both flattened and painted is painted on an even one.
    ranked = sorted((read_edit(one, other_trace) for one in sent), key=lambda found: found[0])
    return tuple(edit for _, edit in ranked)


def read_edit(sent: Any, other_trace: OtherTrace | None = None) -> tuple[tuple[int, str], Edit]:
    """Read one edit, and its place among others."""
    kinds = list(_READERS)
    if not isinstance(sent, Mapping) or sent.get("kind") not in kinds:
        raise ValueError(f"an edit is an object whose kind is one of {', '.join(kinds)}")
    edit = _READERS[sent["kind"]](sent, other_trace)
    return (kinds.index(sent["kind"]), edit.tap), edit


def read_mask(text: Any) -> NDArray[np.float32]:
    """A mask in words as (H, W) of 0 and 1.

    Raises:
        ValueError: it is none.
    """
    size, _, runs = text.partition(":") if isinstance(text, str) else ("", "", "")
    sides = size.split("x")
    if len(sides) != 2 or not all(side.isdecimal() and side.isascii() and len(side) < 4 for side in sides):
        raise ValueError("a mask begins with its size, WIDTHxHEIGHT:")
    width, height = map(int, sides)
    if not (1 <= width <= LONGEST_MASK and 1 <= height <= LONGEST_MASK):
        raise ValueError(f"a mask has from 1 to {LONGEST_MASK} columns and rows")
    words = runs.split(".")
    if not all(word and len(word) < 5 and set(word) <= set(DIGITS) for word in words):
        raise ValueError("a mask's lengths are numbers in base 36 with full stops between them")
    lengths = [int(word, 36) for word in words]
    if sum(lengths) != width * height:
        raise ValueError(
            f"a mask of {width}x{height} has {width * height} pixels, and this one tells of {sum(lengths)}"
        )
    values = np.repeat(np.arange(len(lengths)) % 2, lengths).astype(np.float32)
    return values.reshape(height, width)


def write_mask(painted: NDArray[np.bool_]) -> str:
    """A mask (H, W) in words."""
    height, width = painted.shape
    flat = np.concatenate([[False], painted.ravel(), [not painted.ravel()[-1]]])
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    lengths = np.diff(np.concatenate([[0], changes]))
    return f"{width}x{height}:{'.'.join(np.base_repr(int(length), 36).lower() for length in lengths)}"


def _at(sent: Mapping[str, Any]) -> int | str:
    at = sent.get("at")
    if at is None:
        return EVERY
    if not isinstance(at, int) or isinstance(at, bool) or not 0 <= at <= MOST_STEP:
        raise ValueError("at is a time step, or null for every one")
    return at


def _one_of(sent: Mapping[str, Any], key: str, choices: tuple[str, ...]) -> str:
    if sent.get(key) not in choices:
        raise ValueError(f"{key} is one of {', '.join(choices)}")
    return str(sent[key])


def _number(sent: Mapping[str, Any], key: str, default: float) -> float:
    value = sent.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{key} is a number")
    if not 0 <= value <= STRONGEST:
        raise ValueError(f"{key} is from 0 to {STRONGEST:g}")
    return float(value)


def _kernels(sent: Mapping[str, Any]) -> Edit:
    return mean_kernels() if _one_of(sent, "to", ("mean", "identity")) == "mean" else identity_kernels()


def _paint(sent: Mapping[str, Any]) -> Edit:
    level = _one_of(sent, "level", LEVELS)
    return paint_map(level, read_mask(sent.get("mask")), _number(sent, "strength", 4), _at(sent))


def _patch(sent: Mapping[str, Any], other_trace: OtherTrace | None) -> Edit:
    tap = sent.get("tap")
    if not isinstance(tap, str) or not PATCHED.fullmatch(tap):
        raise ValueError("the tap of a patch is a weight map, a feedback, logits, or a map or the kernels of BRN")
    named = {name: sent[name] for name in PASS_FIELDS if sent.get(name) is not None}
    if not named:
        raise ValueError(f"a patch names another pass by {', '.join(PASS_FIELDS)}")
    if other_trace is None:
        raise ValueError("there is no other pass here to take a value from")
    return patch(other_trace(named), tap)


_READERS: dict[str, Callable[[Mapping[str, Any], OtherTrace | None], Edit]] = {
    "flatten": lambda sent, _: flatten_map(_one_of(sent, "level", LEVELS), _at(sent)),
    "patch": _patch,
    "paint": lambda sent, _: _paint(sent),
    "feedback": lambda sent, _: scale_feedback(_one_of(sent, "block", BLOCKS), _number(sent, "factor", 0), _at(sent)),
    "kernels": lambda sent, _: _kernels(sent),
    "unrefined": lambda _, __: before_refinement(),
}
