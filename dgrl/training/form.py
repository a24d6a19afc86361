"""Controls for the settings of a dataclass, made of its annotations (`dgrl.settings`)."""

import dataclasses
import types
from typing import Any, Literal, get_args, get_origin

import ipywidgets as widgets

from dgrl.settings import Setting, fields

WIDE = widgets.Layout(width="26em")
LABELLED = {"description_width": "13em"}


def control(name: str, kind: Any, setting: Setting, value: Any) -> widgets.Widget:
    """Return a control for one setting: choices, a tick, or a field for a number; an empty field means None."""
    widget_settings = {
        "description": name.replace("_", " "),
        "tooltip": setting.meaning,
        "style": LABELLED,
        "layout": WIDE,
    }
    if get_origin(kind) is Literal:
        return widgets.Dropdown(options=list(get_args(kind)), value=value, **widget_settings)
    if kind is bool:
        return widgets.Checkbox(value=value, indent=True, **widget_settings)
    optional = types.NoneType in get_args(kind)
    value_type = next(iter(get_args(kind)), kind)
    if optional or value_type is float:  # a rate of 3e-4 needs its own way of writing
        return widgets.Text(value="" if value is None else f"{value:g}", placeholder="automatic", **widget_settings)
    low = int(setting.least if setting.least is not None else 0)
    high = int(setting.most) if setting.most is not None else 10**9
    return widgets.BoundedIntText(value=value, min=low, max=high, step=setting.multiple_of or 1, **widget_settings)


class Form:
    """The settings of a dataclass as controls, in the order of its fields.

    Args:
        settings: an instance; its values are shown.
        left_out: fields without a control.
    """

    def __init__(self, settings: Any, left_out: frozenset[str] = frozenset()) -> None:
        self.kind = type(settings)
        self.fields = {
            name: kind_and_setting for name, kind_and_setting in fields(self.kind).items() if name not in left_out
        }
        self.controls = {
            name: control(name, kind, setting, getattr(settings, name)) for name, (kind, setting) in self.fields.items()
        }

    def show(self, settings: Any) -> None:
        """Show other values."""
        for name, control in self.controls.items():
            value = getattr(settings, name)
            control.value = ("" if value is None else f"{value:g}") if isinstance(control, widgets.Text) else value

    def values(self) -> dict[str, Any]:
        """Return the values of the controls.

        Raises:
            ValueError: a field holds no number; the message names it.
        """
        return {name: self._value(name) for name in self.controls}

    def _value(self, name: str) -> Any:
        value = self.controls[name].value
        if not isinstance(self.controls[name], widgets.Text):
            return value
        kind = self.fields[name][0]
        if not value.strip():
            if types.NoneType in get_args(kind):
                return None
            raise ValueError(f"{name} must be a number")
        value_type = next(iter(get_args(kind)), kind)
        try:
            return value_type(float(value)) if value_type is int else float(value)
        except ValueError as error:
            raise ValueError(f"{name} must be a number, not {value!r}") from error

    def changes(self, preset: Any) -> dict[str, Any]:
        """Return the values that differ from a preset's."""
        values = self.values()
        rounded = {
            field.name: float(f"{getattr(preset, field.name):g}")
            if isinstance(getattr(preset, field.name), float)
            else getattr(preset, field.name)
            for field in dataclasses.fields(preset)
        }
        return {name: value for name, value in values.items() if value != rounded[name]}
