"""The fields of edits written as JSON: how each type of value is checked, read and described (see `dgrl.edits`).

A mask is text: `WIDTHxHEIGHT:RUNS`, stretched over the photo. Its pixels, row by row, are alternately unpainted and
painted; RUNS are the lengths in base 36, unpainted first, with full stops between them. `page/numbers/masks.js` does
the same.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dgrl.network.config import MOST_STEPS as LAST_STEP
from dgrl.taps import BLOCKS, LEVELS

LONGEST_MASK = 256
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
PATCHED = re.compile(
    rf"rln\.t\d{{1,2}}\.(logits|({'|'.join(LEVELS)})\.weight_map|({'|'.join(BLOCKS)})\.feedback)"
    r"|brn\.(prior|coefficients|propagated\d|refined)"
)
"""Taps whose value a patch may take from another pass."""


@dataclass(frozen=True)
class Field:
    """One field of an edit.

    Attributes:
        name: its key.
        type: what its value is; a "step" is a time step, a "photo" is whatever a request names a photo by.
        description: what it means, for the API.
        required: whether it must be given. Other fields may be left out or null.
        default: the value of a field that is left out.
        choices: allowed values of a "choice".
        maximum: of a "number" or an "integer", and of the edges of a "box"; all start at 0.
    """

    name: str
    type: Literal["choice", "number", "integer", "step", "mask", "box", "tap", "text", "photo"]
    description: str
    required: bool = False
    default: float | None = None
    choices: tuple[str, ...] = ()
    maximum: float = 0

    def read(self, edit: Mapping[str, Any]) -> Any:
        """Return the value that an edit has for this field; ValueError if it is missing or not allowed."""
        value = edit.get(self.name)
        return self.default if value is None and not self.required else _READERS[self.type](self, value)

    def schema(self) -> dict[str, Any]:
        """Return the field's JSON schema."""
        json_schema: dict[str, Any] = {"description": self.description}
        if self.default is not None:
            json_schema["default"] = self.default
        if self.type == "photo":
            return json_schema
        schemas: dict[str, dict[str, Any]] = {
            "choice": {"type": "string", "enum": list(self.choices)},
            "number": {"type": "number", "minimum": 0, "maximum": self.maximum},
            "integer": {"type": "integer", "minimum": 0, "maximum": self.maximum},
            "step": {"type": "integer", "minimum": 0, "maximum": LAST_STEP},
            "mask": {"type": "string", "pattern": r"^\d{1,3}x\d{1,3}:[0-9a-z.]+$"},
            "box": {
                "type": "array",
                "items": {"type": "number", "minimum": 0, "maximum": self.maximum},
                "minItems": 4,
                "maxItems": 4,
            },
            "tap": {"type": "string", "pattern": f"^({PATCHED.pattern})$"},
            "text": {"type": "string"},
        }
        value = schemas[self.type]
        return json_schema | (value if self.required else {"anyOf": [value, {"type": "null"}]})

    def for_page(self) -> dict[str, Any]:
        """Return what the page needs to know of the field."""
        settings: dict[str, Any] = {"type": self.type, "required": self.required}
        if self.default is not None:
            settings["default"] = self.default
        if self.choices:
            settings["choices"] = list(self.choices)
        if self.type in ("number", "integer", "box"):
            settings |= {"minimum": 0, "maximum": self.maximum}
        return settings


def read_mask(text: Any) -> NDArray[np.float32]:
    """Read a mask from text as (H, W) of 0 and 1.

    Raises:
        ValueError: the text is not a mask.
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
        size_of_mask = f"a mask of {width}x{height} has {width * height} pixels"
        raise ValueError(f"{size_of_mask}, and the lengths of this one add up to {sum(lengths)}")
    values = np.repeat(np.arange(len(lengths)) % 2, lengths).astype(np.float32)
    return values.reshape(height, width)


def write_mask(painted: NDArray[np.bool_]) -> str:
    """Write a mask (H, W) as text."""
    height, width = painted.shape
    flat = np.concatenate([[False], painted.ravel(), [not painted.ravel()[-1]]])
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    lengths = np.diff(np.concatenate([[0], changes]))
    return f"{width}x{height}:{'.'.join(np.base_repr(int(length), 36).lower() for length in lengths)}"


def _choice(field: Field, value: Any) -> str:
    if value not in field.choices:
        raise ValueError(f"{field.name} is one of {', '.join(field.choices)}")
    return str(value)


def _number(field: Field, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{field.name} is a number")
    if not 0 <= value <= field.maximum:
        raise ValueError(f"{field.name} is from 0 to {field.maximum:g}")
    return float(value)


def _integer(field: Field, value: Any) -> int:
    if not isinstance(value, int):
        raise ValueError(f"{field.name} is a whole number")
    return int(_number(field, value))


def _box(field: Field, value: Any) -> list[float]:
    if not isinstance(value, list | tuple) or len(value) != 4:
        raise ValueError(f"{field.name} is a list of four numbers: left, top, right, bottom")
    return [_number(field, edge) for edge in value]


def _step(field: Field, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LAST_STEP:
        raise ValueError(f"{field.name} is a time step, or null for every one")
    return value


def _tap(field: Field, value: Any) -> str:
    if not isinstance(value, str) or not PATCHED.fullmatch(value):
        raise ValueError(
            f"the {field.name} of a patch is a weight map, a feedback, logits, or a map or the kernels of BRN"
        )
    return value


def _text(field: Field, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{field.name} is text")
    return value


_READERS: dict[str, Callable[[Field, Any], Any]] = {
    "choice": _choice,
    "number": _number,
    "integer": _integer,
    "step": _step,
    "mask": lambda _, value: read_mask(value),
    "box": _box,
    "tap": _tap,
    "text": _text,
    "photo": lambda _, value: value,
}
