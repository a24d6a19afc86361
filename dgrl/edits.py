"""Edits as JSON: what links, the page and the API send, and which edits of a pass (`dgrl.taps`) it means.

`KINDS` is the one description of them. `read_edits` reads by it, `edits_schema` writes it as JSON schema for the API,
and `dgrl.page.vocabulary` writes it for the page. A new kind needs an entry here, a function that makes the edit, and
a control on the page.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dgrl.edit_fields import Field, read_mask, write_mask
from dgrl.prompts import SHARE, box_prompt, mask_prompt
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

__all__ = ["KINDS", "MAX_EDITS", "MAX_STEPS", "edits_schema", "read_edit", "read_edits", "read_mask", "write_mask"]

MAX_EDITS = 64
"""Edits of one pass."""
MAX_STEPS = 4
"""The largest number of time steps T that a request may ask for."""
STRONGEST = 10.0
PASS_FIELDS = ("photo", "checkpoint", "steps")
"""Fields of a patch that say which other pass is meant."""

Values = Mapping[str, Any]
OtherTrace = Callable[[Values], Trace]
"""Compute the trace of another pass from the `PASS_FIELDS` that a patch has; ValueError if there is no such pass."""


@dataclass(frozen=True)
class Kind:
    """One kind of edit.

    Attributes:
        name: its `kind`.
        description: what it does, for the API.
        fields: what else it has.
        make: makes the edit from the fields' values and the function that computes other passes.
        one_of: fields of which exactly one is given.
        once: whether a pass takes only one edit of this kind.
    """

    name: str
    description: str
    fields: tuple[Field, ...]
    make: Callable[[Values, OtherTrace | None], Edit]
    one_of: tuple[str, ...] = ()
    once: bool = False


def _time(values: Values) -> int | str:
    at: int | None = values["at"]
    return EVERY if at is None else at


def _patch(values: Values, other_trace: OtherTrace | None) -> Edit:
    fields = {name: values[name] for name in PASS_FIELDS if values[name] is not None}
    if not fields:
        raise ValueError(f"a patch names another pass by {', '.join(PASS_FIELDS)}")
    if other_trace is None:
        raise ValueError("there is no other pass here to take a value from")
    return patch(other_trace(fields), values["tap"])


def _prompt(values: Values, _: OtherTrace | None) -> Edit:
    if values["box"] is not None:
        left, top, right, bottom = values["box"]
        return box_prompt(left, top, right, bottom, values["share"])
    return mask_prompt(values["mask"], values["share"])


LEVEL = Field("level", "choice", "level of the attention map", required=True, choices=LEVELS)
AT = Field("at", "step", "time step t; null for every time step")

# In the order in which edits of one tap are applied: a prompt stands for the network's own map, and a map that is
# flattened and painted is painted on an even one.
KINDS = (
    Kind(
        "prompt",
        "Say which object is meant: make the attention maps of t = 0 look at a box or a mask.",
        (
            Field("box", "box", "left, top, right, bottom as shares of the photo's width and height", maximum=1),
            Field("mask", "mask", "what is meant, stretched over the photo: WIDTHxHEIGHT:RUNS"),
            Field("share", "number", "share of a map's mass that lies on the prompt", default=SHARE, maximum=1),
        ),
        _prompt,
        one_of=("box", "mask"),
        once=True,
    ),
    Kind(
        "flatten",
        "Make an attention map the same everywhere.",
        (LEVEL, AT),
        lambda values, _: flatten_map(values["level"], _time(values)),
    ),
    Kind(
        "patch",
        "Replace the value at a tap by the one that another pass recorded there.",
        (
            Field("tap", "tap", "name of the tap, for example rln.t1.conv4.weight_map", required=True),
            Field("photo", "photo", "photo of the other pass; null for the same photo"),
            Field("checkpoint", "text", "checkpoint of the other pass; null for the same checkpoint"),
            Field("steps", "integer", "T of the other pass; null for as many as trained", maximum=MAX_STEPS),
        ),
        _patch,
    ),
    Kind(
        "paint",
        "Multiply an attention map where it is painted; its mean stays 1.",
        (
            LEVEL,
            Field("mask", "mask", "what is painted, stretched over the photo: WIDTHxHEIGHT:RUNS", required=True),
            Field("strength", "number", "factor where it is painted", default=4, maximum=STRONGEST),
            AT,
        ),
        lambda values, _: paint_map(values["level"], values["mask"], values["strength"], _time(values)),
    ),
    Kind(
        "feedback",
        "Multiply what a block receives from the time step before, its memory.",
        (
            Field("block", "choice", "block that the feedback enters", required=True, choices=BLOCKS),
            Field("factor", "number", "0 cuts the feedback", default=0, maximum=STRONGEST),
            AT,
        ),
        lambda values, _: scale_feedback(values["block"], values["factor"], _time(values)),
    ),
    Kind(
        "kernels",
        "Replace BRN's kernel of every pixel.",
        (
            Field(
                "to",
                "choice",
                "mean: by the average of the photo's kernels; identity: by the kernel that changes nothing",
                required=True,
                choices=("mean", "identity"),
            ),
        ),
        lambda values, _: mean_kernels() if values["to"] == "mean" else identity_kernels(),
    ),
    Kind("unrefined", "Leave the map as it is before BRN.", (), lambda *_: before_refinement()),
)


def read_edits(items: Any, other_trace: OtherTrace | None = None) -> tuple[Edit, ...]:
    """Read the edits that a list of such objects means. The order of the list does not matter.

    Args:
        items: the list.
        other_trace: computes the pass that a patch takes its value from; without it patches are refused.

    Raises:
        ValueError: something in it is not an edit; the message is for the person who wrote it.
    """
    if not isinstance(items, list | tuple) or len(items) > MAX_EDITS:
        raise ValueError(f"edits are a list of at most {MAX_EDITS} objects")
    for kind in KINDS:
        if kind.once and sum(isinstance(item, Mapping) and item.get("kind") == kind.name for item in items) > 1:
            raise ValueError(f"a pass takes one {kind.name}")
    ranked = sorted((read_edit(item, other_trace) for item in items), key=lambda found: found[0])
    return tuple(edit for _, edit in ranked)


def read_edit(item: Any, other_trace: OtherTrace | None = None) -> tuple[tuple[int, str], Edit]:
    """Read one edit, and its place among others."""
    names = [kind.name for kind in KINDS]
    if not isinstance(item, Mapping) or item.get("kind") not in names:
        raise ValueError(f"an edit is an object whose kind is one of {', '.join(names)}")
    rank = names.index(item["kind"])
    kind = KINDS[rank]
    if kind.one_of and sum(item.get(name) is not None for name in kind.one_of) != 1:
        raise ValueError(f"a {kind.name} has either a {' or a '.join(kind.one_of)}")
    edit = kind.make({field.name: field.read(item) for field in kind.fields}, other_trace)
    return (rank, edit.tap), edit


def edits_schema() -> dict[str, Any]:
    """Return the JSON schema of a list of edits, with a description of every kind and field."""
    return {
        "type": "array",
        "description": "Changes of the forward pass: objects whose kind says which other fields they have.",
        "maxItems": MAX_EDITS,
        "items": {"oneOf": [_kind_schema(kind) for kind in KINDS]},
    }


def _kind_schema(kind: Kind) -> dict[str, Any]:
    fields = {field.name: field.schema() for field in kind.fields}
    alternatives = [{"required": [name], "properties": {name: {"not": {"type": "null"}}}} for name in kind.one_of]
    return ({"oneOf": alternatives} if alternatives else {}) | {
        "type": "object",
        "title": kind.name,
        "description": kind.description,
        "properties": {"kind": {"const": kind.name}} | fields,
        "required": ["kind", *(field.name for field in kind.fields if field.required)],
    }
