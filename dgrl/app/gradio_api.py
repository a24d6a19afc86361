"""Offers endpoints through `gradio.Server`: its queue, its clients and its tools of the Model Context Protocol.

Functions stay plain Python: a parameter or a result annotated `Path` is a file for Gradio, `session` is filled in, and
a generator's floats are its progress.
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

from dgrl.app.failures import FAULT, OF_ARGUMENTS, WRONG_KIND, note
from dgrl.app.files import VISITOR
from dgrl.app.refusals import Refused

Function = Callable[..., Any]


def gradio_function(run: Function) -> Function:
    """Wrap `run` as `gradio.Server.api` wants it: files as FileData, errors as sentences, documented arguments.

    Args:
        run: a function whose parameters and results are annotated, with a docstring that has Args and Returns. The
            parameter `session`, which has to be last, is the session being served. A generator yields its progress
            as floats, then its results.
    """
    hints = get_type_hints(run)
    parameters = [one for one in inspect.signature(run).parameters.values() if one.name != "session"]
    names = [one.name for one in parameters]

    def arguments(values: Sequence[Any]) -> dict[str, Any]:
        return {name: given(value, hints[name]) for name, value in zip(names, values, strict=True)}

    def answer(request: gr.Request, *values: Any) -> Any:
        session = request.session_hash or ""
        with serving(session):
            return answered(run(**arguments(values), session=session))

    def answers(request: gr.Request, *values: Any) -> Iterator[Any]:
        session, progress = request.session_hash or "", gr.Progress()
        steps = None
        try:
            while True:
                with serving(session):
                    steps = steps or run(**arguments(values), session=session)
                    news = next(steps, None)
                if news is None:
                    return
                if isinstance(news, float):
                    progress(news)
                    yield waiting  # Gradio stops a job that is cancelled where it yields
                else:
                    yield answered(news)
        finally:
            if steps is not None:
                steps.close()

    generates = inspect.isgeneratorfunction(run)
    function: Function = answers if generates else answer
    results = result_types(hints["return"])
    waiting = tuple(None for _ in results) if len(results) > 1 else None
    returned = tuple[tuple(map(offered_type, results))] if len(results) > 1 else offered_type(results[0])  # type: ignore[misc]
    request = inspect.Parameter("request", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=gr.Request)
    offered = [one.replace(annotation=offered_type(hints[one.name])) for one in parameters]
    function.__signature__ = inspect.Signature([request, *offered], return_annotation=returned)  # type: ignore[attr-defined]
    function.__annotations__ = {one.name: one.annotation for one in [request, *offered]} | {"return": returned}
    function.__name__ = function.__qualname__ = run.__name__
    function.__doc__ = one_line_each(inspect.getdoc(run) or "")
    return function


@contextmanager
def serving(session: str) -> Iterator[None]:
    """Serve a session: files that are written are held for it, and errors become sentences that do not quote it.

    Raises:
        gr.Error: in place of every error.
    """
    token = VISITOR.set(session)
    try:
        yield
    except Refused as error:
        raise gr.Error(error.sentence, title=error.title, print_exception=False) from error
    except gr.Error as error:
        error.print_exception = False
        raise
    except OF_ARGUMENTS as error:
        note(error)
        raise gr.Error(WRONG_KIND, title="Wrong argument", print_exception=False) from error
    except Exception as error:  # Gradio would print it, with what the session sent, and answer without a word
        note(error)
        raise gr.Error(FAULT, title="No result", print_exception=False) from error
    finally:
        VISITOR.reset(token)


def given(value: Any, hint: Any) -> Any:
    """Return what was sent for an argument; a file as its path."""
    if not is_file(hint) or value is None:
        return value
    if not isinstance(value, Mapping) or not isinstance(value.get("path"), str):
        raise Refused("Give the picture itself: upload it, then send what the upload answers.", "No picture")
    return Path(value["path"])


def answered(value: Any) -> Any:
    """Return results with files in place of paths, at any depth."""
    if isinstance(value, Path):
        return FileData(path=str(value), orig_name=value.name)
    if isinstance(value, dict):
        return {key: answered(one) for key, one in value.items()}
    if isinstance(value, list):
        return [answered(one) for one in value]
    return tuple(answered(one) for one in value) if isinstance(value, tuple) else value


def result_types(hint: Any) -> list[Any]:
    """Return the types of a function's results; of a generator those of what it yields last."""
    if inspect.isclass(get_origin(hint)) and issubclass(get_origin(hint), Iterator):
        (hint,) = (one for one in get_args(get_args(hint)[0]) if one is not float)
    return list(get_args(hint)) if get_origin(hint) is tuple else [hint]


def offered_type(hint: Any) -> Any:
    """Return a type as Gradio knows it: FileData in place of Path, also inside of unions, lists and typed dicts."""
    if hint is Path:
        return FileData
    if get_origin(hint) in (Union, UnionType):
        return Union[tuple(map(offered_type, get_args(hint)))]  # noqa: UP007
    if get_origin(hint) is list:
        return list[offered_type(get_args(hint)[0])]  # type: ignore[misc]
    if hasattr(hint, "__required_keys__"):
        fields = {name: offered_type(one) for name, one in get_type_hints(hint).items()}
        return TypedDict(hint.__name__, fields)  # type: ignore[operator]
    return hint


def is_file(hint: Any) -> bool:
    """Whether an argument of this type is a file."""
    return hint is Path or Path in get_args(hint)


def one_line_each(doc: str) -> str:
    """Join the lines of each argument's description: Gradio reads the first line alone."""
    return re.sub(r"\n {8,}(?=\S)", " ", doc)
