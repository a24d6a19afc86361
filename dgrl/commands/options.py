"""Options of a command, made of the annotations of dataclasses (`dgrl.settings`)."""

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, get_args, get_origin

import typer

from dgrl.settings import Field


def with_options(options: Mapping[str, Field], **defaults: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Replace a command's last parameter, `**settings`, by an option for each field of dataclasses (`fields`).

    An option that is not given is None, or its value in `defaults`. The dataclasses check what is given. Of a tuple the
    command receives the text, for example "16,16,32".
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        *parameters, _ = signature.parameters.values()
        existing = {parameter.name for parameter in parameters}
        for name, (kind, setting) in options.items():
            if name in existing:
                continue
            origin: Any = get_origin(kind)
            is_text = origin in (Literal, tuple)
            option_type = str if is_text else next(iter(get_args(kind)), kind)
            meaning = f"{setting.meaning[:1].upper()}{setting.meaning[1:]}."
            option = Annotated[option_type | None, typer.Option(help=meaning)]  # type: ignore[valid-type]
            parameters.append(
                inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=defaults.get(name), annotation=option)
            )
        command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        return command

    return decorate
