"""Settings with one definition: the annotation of a dataclass's field has its description and its valid values.

`check` validates settings by these annotations, and `with_options` makes a command's options of them.
"""

import dataclasses
import inspect
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer


@dataclass(frozen=True)
class Setting:
    """The meaning and range of a field: `Annotated[int, Setting("passes over the pictures", least=1)]`.

    Attributes:
        meaning: a phrase.
        least, most: the smallest and the largest value.
        above: what the value must exceed.
        multiple_of: what it must be a multiple of.
    """

    meaning: str
    least: float | None = None
    most: float | None = None
    above: float | None = None
    multiple_of: int | None = None

    def fault(self, value: Any) -> str | None:
        """Describe what is wrong with a value, e.g. "must be from 0 to 1"; None if it is valid."""
        low = self.least if self.above is None else self.above
        fits = low is None or (value >= low if self.above is None else value > low)
        fits = fits and (self.most is None or value <= self.most)
        if fits and (self.multiple_of is None or value % self.multiple_of == 0):
            return None
        if self.above is not None:
            return f"must be above {self.above}" + (f" and at most {self.most}" if self.most is not None else "")
        allowed = f"{self.least} or more" if self.most is None else f"from {self.least} to {self.most}"
        return f"must be {allowed}" + (f" and a multiple of {self.multiple_of}" if self.multiple_of else "")


def fields(settings: Any) -> dict[str, tuple[Any, Setting]]:
    """Return the type and `Setting` of each field of a dataclass, by name."""
    hints = get_type_hints(settings, include_extras=True)
    parts = {field.name: get_args(hints[field.name]) for field in dataclasses.fields(settings)}
    return {name: (kind, setting) for name, (kind, setting) in parts.items()}


def check(settings: Any) -> None:
    """Raise ValueError with the field's name if a value of a dataclass is outside what its annotation allows."""
    for name, (kind, setting) in fields(type(settings)).items():
        value = getattr(settings, name)
        if get_origin(kind) is Literal:
            *first_choices, last_choice = get_args(kind)
            fault = None if value in get_args(kind) else f"must be {', '.join(first_choices)} or {last_choice}"
        elif isinstance(value, bool) or (value is None and types.NoneType in get_args(kind)):
            continue
        else:
            try:
                fault = setting.fault(value)
            except TypeError:
                fault = "must be a number"
        if fault is not None:
            raise ValueError(f"{name} {fault}, not {value!r}")


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


def with_options(settings: Any, **defaults: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Replace a command's last parameter, `**settings`, by an option for each field of a dataclass.

    An option that is not given is None, or its value in `defaults`. The dataclass checks what is given.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        *parameters, _ = signature.parameters.values()
        existing = {parameter.name for parameter in parameters}
        for name, (kind, setting) in fields(settings).items():
            if name in existing:
                continue
            option_type = str if get_origin(kind) is Literal else next(iter(get_args(kind)), kind)
            meaning = f"{setting.meaning[:1].upper()}{setting.meaning[1:]}."
            option = Annotated[option_type | None, typer.Option(help=meaning)]  # type: ignore[valid-type]
            parameters.append(
                inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=defaults.get(name), annotation=option)
            )
        command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        return command

    return decorate
