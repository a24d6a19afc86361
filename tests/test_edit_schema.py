"""The schema of edits: what it allows is what `read_edits` reads."""

from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from dgrl.edits import KINDS, MAX_EDITS, edits_schema, read_edits, write_mask

MASK = write_mask(np.eye(4, dtype=bool))
SOUND: dict[str, dict[str, Any]] = {
    "a box": {"kind": "prompt", "box": [0, 0.1, 0.5, 1]},
    "a mask as prompt": {"kind": "prompt", "mask": MASK, "box": None, "share": 0.5},
    "flatten": {"kind": "flatten", "level": "conv4", "at": 1},
    "at every step": {"kind": "flatten", "level": "conv4", "at": None},
    "paint": {"kind": "paint", "level": "conv5", "mask": MASK, "strength": 0.5},
    "paint with what is left out": {"kind": "paint", "level": "conv3", "mask": MASK},
    "feedback": {"kind": "feedback", "block": "conv2", "factor": 10},
    "kernels": {"kind": "kernels", "to": "identity"},
    "unrefined": {"kind": "unrefined"},
}
UNSOUND: dict[str, tuple[Any, str]] = {
    "no kind": ({"level": "conv4"}, "kind is one of"),
    "another kind": ({"kind": "blur"}, "kind is one of"),
    "a prompt of nothing": ({"kind": "prompt", "box": None}, "either a box or a mask"),
    "box and mask": ({"kind": "prompt", "box": [0, 0, 1, 0.5], "mask": MASK}, "either a box or a mask"),
    "half a box": ({"kind": "prompt", "box": [0, 0.5]}, "four numbers"),
    "a box outside": ({"kind": "prompt", "box": [0, 0, 1.5, 1]}, "box is from 0 to 1"),
    "no level": ({"kind": "flatten"}, "level is one of"),
    "another level": ({"kind": "flatten", "level": "conv2"}, "level is one of"),
    "a step that no network has": ({"kind": "flatten", "level": "conv4", "at": 17}, "at is a time step"),
    "half a step": ({"kind": "flatten", "level": "conv4", "at": 0.5}, "at is a time step"),
    "too strong": ({"kind": "paint", "level": "conv4", "mask": MASK, "strength": 11}, "from 0 to 10"),
    "negative": ({"kind": "feedback", "block": "conv3", "factor": -1}, "from 0 to 10"),
    "no mask": ({"kind": "paint", "level": "conv4"}, "begins with its size"),
    "a mask without a size": ({"kind": "paint", "level": "conv4", "mask": "4.5.6"}, "begins with its size"),
    "other kernels": ({"kind": "kernels", "to": "own"}, "to is one of"),
    "a pattern of taps": ({"kind": "patch", "tap": "rln.t*.conv4.weight_map", "photo": "cat"}, "tap of a patch"),
    "a later step than may be asked for": ({"kind": "patch", "tap": "brn.prior", "steps": 5}, "from 0 to 4"),
    "text": ("flatten", "an edit is an object"),
}
validator = Draft202012Validator(edits_schema())


@pytest.mark.parametrize("name", SOUND)
def test_edits_that_the_schema_allows_are_read(name: str) -> None:
    assert len(read_edits([SOUND[name]])) == 1
    validator.validate([SOUND[name]])


@pytest.mark.parametrize("name", UNSOUND)
def test_edits_that_the_schema_forbids_are_refused(name: str) -> None:
    edit, message = UNSOUND[name]
    assert not validator.is_valid([edit])
    with pytest.raises(ValueError, match=message):
        read_edits([edit])


def test_every_kind_and_field_is_described() -> None:
    Draft202012Validator.check_schema(edits_schema())
    kinds = edits_schema()["items"]["oneOf"]
    assert [kind["title"] for kind in kinds] == [kind.name for kind in KINDS]
    for kind in kinds:
        assert kind["description"]
        assert all("description" in field for name, field in kind["properties"].items() if name != "kind")


def test_a_pass_takes_one_prompt() -> None:
    with pytest.raises(ValueError, match="takes one prompt"):
        read_edits([SOUND["a box"], SOUND["a mask as prompt"]])


def test_too_many_edits_are_refused() -> None:
    edits = [{"kind": "unrefined"}] * (MAX_EDITS + 1)
    assert not validator.is_valid(edits)
    with pytest.raises(ValueError, match="at most 64"):
        read_edits(edits)
