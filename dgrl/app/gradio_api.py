"""Offer endpoints through `gradio.Server`: its queue, its clients and its tools of the Model Context Protocol.

Endpoints stay plain Python functions. For Gradio, parameters and results annotated `Path` become files, `session` is
filled in, and the floats that a generator yields become its progress.
"""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import UnionType
from typing import Any, TypedDict, Union, get_args, get_origin, get_type_hints

import gradio as gr
from gradio import FileData

from dgrl.app.failures import ARGUMENT_ERRORS, FAULT, WRONG_KIND, note
from dgrl.app.files import CURRENT_SESSION
from dgrl.app.refusals import Refused

Function = Callable[..., Any]


def gradio_function(run: Function) -> Function:
    """Wrap `run` as `gradio.Server.api` needs it: files as FileData, errors as sentences, documented arguments.

    Args:
        run: a function with annotated parameters and results, and a docstring that has Args and Returns. Its last
            parameter, `session`, receives the session being served. A generator yields its progress as floats, then
            its results.
    """
    hints = get_type_hints(run)
    parameters = [parameter for parameter in inspect.signature(run).parameters.values() if parameter.name != "session"]
    names = [parameter.name for parameter in parameters]

    def arguments(values: Sequence[Any]) -> dict[str, Any]:
        return {name: read_argument(value, hints[name]) for name, value in zip(names, values, strict=True)}

    def call(request: gr.Request, *values: Any) -> Any:
        session = request.session_hash or ""
        with serving(session):
            return with_file_data(run(**arguments(values), session=session))

    def call_generator(request: gr.Request, *values: Any) -> Iterator[Any]:
        session, progress = request.session_hash or "", gr.Progress()
        steps = None
        try:
            while True:
                with serving(session):
                    steps = steps or run(**arguments(values), session=session)
                    item = next(steps, None)
                if item is None:
                    return
                if isinstance(item, float):
                    progress(item)
                    yield empty_result  # Gradio cancels a job where it yields
                else:
                    yield with_file_data(item)
        finally:
            if steps is not None:
                steps.close()

    generates = inspect.isgeneratorfunction(run)
    function: Function = call_generator if generates else call
    results = result_types(hints["return"])
    empty_result = tuple(None for _ in results) if len(results) > 1 else None
    returned = tuple[tuple(map(offered_type, results))] if len(results) > 1 else offered_type(results[0])  # type: ignore[misc]
    request = inspect.Parameter("request", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=gr.Request)
    offered = [parameter.replace(annotation=offered_type(hints[parameter.name])) for parameter in parameters]
    function.__signature__ = inspect.Signature([request, *offered], return_annotation=returned)  # type: ignore[attr-defined]
    function.__annotations__ = {parameter.name: parameter.annotation for parameter in [request, *offered]} | {
        "return": returned
    }
    function.__name__ = function.__qualname__ = run.__name__
    function.__doc__ = one_line_each(inspect.getdoc(run) or "")
    return function


@contextmanager
def serving(session: str) -> Iterator[None]:
    """Serve a session: it holds the files that are written, and errors become sentences that do not quote its input.

    Raises:
        gr.Error: replaces every error.
    """
    token = CURRENT_SESSION.set(session)
    try:
        yield
    except Refused as error:
        raise gr.Error(error.sentence, title=error.title, print_exception=False) from error
    except gr.Error as error:
        error.print_exception = False
        raise
    except ARGUMENT_ERRORS as error:
        note(error)
        raise gr.Error(WRONG_KIND, title="Wrong argument", print_exception=False) from error
    except Exception as error:  # Gradio would log it with the user's input, and send an empty message
        note(error)
        raise gr.Error(FAULT, title="No result", print_exception=False) from error
    finally:
        CURRENT_SESSION.reset(token)


def read_argument(value: Any, hint: Any) -> Any:
    """Return the value of an argument; a file as its path."""
    if not is_file(hint) or value is None:
        return value
    if not isinstance(value, Mapping) or not isinstance(value.get("path"), str):
        raise Refused("Send the picture itself: upload it, then pass the upload's response.", "No picture")
    return Path(value["path"])


def with_file_data(value: Any) -> Any:
    """Return results with files in place of paths, at any depth."""
    if isinstance(value, Path):
        return FileData(path=str(value), orig_name=value.name)
    if isinstance(value, dict):
        return {key: with_file_data(parameter) for key, parameter in value.items()}
    if isinstance(value, list):
        return [with_file_data(parameter) for parameter in value]
    return tuple(with_file_data(parameter) for parameter in value) if isinstance(value, tuple) else value


def result_types(hint: Any) -> list[Any]:
    """Return the types of a function's results; for a generator, the types of its last item."""
    if inspect.isclass(get_origin(hint)) and issubclass(get_origin(hint), Iterator):
        (hint,) = (parameter for parameter in get_args(get_args(hint)[0]) if parameter is not float)
    return list(get_args(hint)) if get_origin(hint) is tuple else [hint]


def offered_type(hint: Any) -> Any:
    """Return Gradio's type: FileData in place of Path, also inside of unions, lists and typed dicts."""
    if hint is Path:
        return FileData
    if get_origin(hint) in (Union, UnionType):
        return Union[tuple(map(offered_type, get_args(hint)))]  # noqa: UP007
    if get_origin(hint) is list:
        return list[offered_type(get_args(hint)[0])]  # type: ignore[misc]
    if hasattr(hint, "__required_keys__"):
        fields = {name: offered_type(parameter) for name, parameter in get_type_hints(hint).items()}
        return TypedDict(hint.__name__, fields)  # type: ignore[operator]
    return hint


def is_file(hint: Any) -> bool:
    """Say whether an argument of this type is a file."""
    return hint is Path or Path in get_args(hint)


def one_line_each(doc: str) -> str:
    """Join the lines of each argument's description, because Gradio reads only the first line."""
    return re.sub(r"\n {8,}(?=\S)", " ", doc)
