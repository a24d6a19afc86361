"""Prompts on the command line."""

from typing import Any

import typer


def read_prompt(box: str | None, point: str | None) -> dict[str, Any]:
    """Return the arguments of `DGRL.detect` for `--box X0,Y0,X1,Y1` or `--point X,Y`; BadParameter if it is neither."""
    if box is not None and point is not None:
        raise typer.BadParameter("a photo takes one prompt: --box or --point, not both")
    if box is not None:
        return {"box": _numbers(box, 4, "--box", "X0,Y0,X1,Y1")}
    return {} if point is None else {"point": _numbers(point, 2, "--point", "X,Y")}


def _numbers(text: str, count: int, option: str, form: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(word) for word in text.replace(",", " ").split())
    except ValueError:
        numbers = ()
    if len(numbers) != count:
        raise typer.BadParameter(f"{text!r} is not {form} in pixels", param_hint=option)
    return numbers
