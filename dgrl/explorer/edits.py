"""Edits as links, experiments, the app's page and its API write them: JSON, a small object for each.

| object | edit of `dgrl.taps` |
|---|---|
| `{"kind": "flatten", "level": "conv4", "at": 1}` | `flatten_map`; `at` left out or null: every time step |
| `{"kind": "paint", "level": "conv4", "strength": 4, "mask": MASK, "at": 0}` | `paint_map` |
| `{"kind": "feedback", "block": "conv5", "factor": 0, "at": 1}` | `scale_feedback` |
| `{"kind": "kernels", "to": "mean"}` or `"identity"` | `mean_kernels`, `identity_kernels` |
| `{"kind": "unrefined"}` | `before_refinement` |

A mask is text: `WIDTHxHEIGHT:RUNS`, stretched over the photo. Its pixels, row by row, are unpainted and painted by
turns; RUNS are the lengths in base 36, unpainted first, with full stops between them. `script/masks.js` does the same.
"""

import math
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
    scale_feedback,
)

MOST = 64
"""Edits of one pass."""
MOST_STEP = 99
LONGEST_MASK = 256
STRONGEST = 10.0
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def read_edits(sent: Any) -> tuple[Edit, ...]:
    """The edits that a list of such objects means; alike lists in another order give the same.

    Raises:
        ValueError: something in it is not an edit; the message is for whoever wrote it.
    """
    if not isinstance(sent, list | tuple) or len(sent) > MOST:
        raise ValueError(f"edits are a list of at most {MOST} objects")
    # A map that is both flattened and painted is painted on an even one.
    ranked = sorted((read_edit(one) for one in sent), key=lambda found: found[0])
    return tuple(edit for _, edit in ranked)


def read_edit(sent: Any) -> tuple[tuple[int, str], Edit]:
    """One edit, and its place among others."""
    kinds = list(_READERS)
    if not isinstance(sent, Mapping) or sent.get("kind") not in kinds:
        raise ValueError(f"an edit is an object whose kind is one of {', '.join(kinds)}")
    edit = _READERS[sent["kind"]](sent)
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


_READERS: dict[str, Callable[[Mapping[str, Any]], Edit]] = {
    "flatten": lambda sent: flatten_map(_one_of(sent, "level", LEVELS), _at(sent)),
    "paint": _paint,
    "feedback": lambda sent: scale_feedback(_one_of(sent, "block", BLOCKS), _number(sent, "factor", 0), _at(sent)),
    "kernels": _kernels,
    "unrefined": lambda _: before_refinement(),
}
