"""Settings with one definition: the annotation of a dataclass's field has its description and its valid values.

`check` validates settings by these annotations. A command's options and a notebook's form are made of them.
"""

import dataclasses
import math
import types
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal, get_args, get_origin, get_type_hints


@dataclass(frozen=True)
class Setting:
    """The meaning and range of a field: `Annotated[int, Setting("passes over the pictures", least=1)]`.

    Attributes:
        meaning: a phrase.
        least, most: the smallest and the largest value; of a tuple, of each of its values.
        above: the value must be larger than this.
        multiple_of: the value must be a multiple of this.
    """

    meaning: str
    least: float | None = None
    most: float | None = None
    above: float | None = None
    multiple_of: int | None = None

    def fault(self, value: float) -> str | None:
        """Describe what is wrong with a number, e.g. "must be from 0 to 1"; None if it is valid."""
        low = self.least if self.above is None else self.above
        fits = low is None or (value >= low if self.above is None else value > low)
        fits = fits and (self.most is None or value <= self.most)
        if fits and (self.multiple_of is None or value % self.multiple_of == 0):
            return None
        if self.above is not None:
            return f"must be above {self.above}" + (f" and at most {self.most}" if self.most is not None else "")
        allowed = f"{self.least} or more" if self.most is None else f"from {self.least} to {self.most}"
        return f"must be {allowed}" + (f" and a multiple of {self.multiple_of}" if self.multiple_of else "")


Field = tuple[Any, Setting]
"""A field's type and what it means."""


def fields(settings: Any, names: Iterable[str] | None = None) -> dict[str, Field]:
    """Return the type and `Setting` of fields of a dataclass by name: of all, or of `names` in their order."""
    hints = get_type_hints(settings, include_extras=True)
    parts = {name: get_args(hints[name]) for name in names or [field.name for field in dataclasses.fields(settings)]}
    return {name: (kind, setting) for name, (kind, setting) in parts.items()}


def check(settings: Any) -> None:
    """Raise ValueError with the field's name if a value of a dataclass is not what its annotation allows."""
    for name, (kind, setting) in fields(type(settings)).items():
        value = getattr(settings, name)
        if fault := fault_of(value, kind, setting):
            raise ValueError(f"{name} {fault}, not {value!r:.60}")


def fault_of(value: Any, kind: Any, setting: Setting) -> str | None:
    """Describe what is wrong with a value of a type, e.g. "must be a whole number"; None if it is valid."""
    kinds = get_args(kind)
    if get_origin(kind) is Literal:
        *first_choices, last_choice = kinds
        return None if value in kinds else f"must be {', '.join(first_choices)} or {last_choice}"
    if get_origin(kind) is tuple:
        is_short = kinds[-1] is not Ellipsis and isinstance(value, tuple) and len(value) != len(kinds)
        if is_short or not isinstance(value, tuple) or any(is_other(number, kinds[0]) for number in value):
            return f"must be a list of {f'{len(kinds)} ' if is_short else ''}{NAMES[kinds[0]][1]}"
        return next(filter(None, map(setting.fault, value)), None)
    if types.NoneType in kinds:
        return None if value is None else fault_of(value, kinds[0], setting)
    if is_other(value, kind):
        return f"must be {NAMES[kind][0]}"
    return setting.fault(value) if kind in (int, float) else None


NAMES = {
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    bool: ("true or false", ""),
    str: ("a word", "words"),
}


def is_other(value: Any, kind: type) -> bool:
    """Return whether a value is not of a type. An integer is a number, a bool is not, and numbers must be finite."""
    if isinstance(value, bool):
        return kind is not bool
    if kind is float:
        return not isinstance(value, int | float) or not math.isfinite(value)
    return not isinstance(value, kind)


COMMON_NAMES = {"lr": "learning_rate", "bs": "batch_size", "epoch": "epochs", "num_workers": "workers"}
"""Settings by the names that other libraries give them."""


def check_names(settings: type, given: Iterable[str]) -> None:
    """Raise TypeError with the most similar name if one of the names is not a field of a dataclass."""
    names = [field.name for field in dataclasses.fields(settings)]
    for name in given:
        if name not in names:
            similar = [COMMON_NAMES[name]] if COMMON_NAMES.get(name) in names else get_close_matches(name, names, 1)
            hint = f"; did you mean {similar[0]}?" if similar else ""
            raise TypeError(f"{settings.__name__} has no setting {name}{hint}")
