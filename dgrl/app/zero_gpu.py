"""Hugging Face ZeroGPU, which lends a GPU for the time of one call. Elsewhere, functions run unchanged.

Outside of such a call, ZeroGPU emulates PyTorch's CUDA: networks are moved to "cuda", but cannot compute. Inside, in a
forked process, CUDA is real. Written against version 0.51 of the package `spaces`.
"""

import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import gradio as gr

from dgrl.app.failures import FAULT, note

LENT = os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")  # read as the package reads it
if LENT:
    import spaces  # has to come before the first use of CUDA

Function = TypeVar("Function", bound=Callable[..., Any])
Seconds = Callable[..., float]

CALL_SECONDS = 6.0
"""Fixed time limit of a call: its process starts CUDA, loads the weights and sets the precision."""
PASS_SECONDS = 0.03
"""Time limit of one run of RLN or BRN."""

ABORTED = "The GPU was taken back before this was finished. Please try again, or with fewer time steps."
NONE_TO_BORROW = "No GPU could be borrowed just now. Please try again in a minute."
OUT_OF_QUOTA = "Earlier results can still be viewed. On your own computer, DGRL does not need a GPU."
TITLE = "No GPU"
REPORTED_ERRORS = (ValueError, ArithmeticError)
"""Errors that are returned with their message, because `spaces` would only show the name of their class."""


def is_lent() -> bool:
    """Say whether a GPU is only available during calls of `on_gpu` functions."""
    return LENT


def on_gpu(run: Function, seconds: Seconds) -> Function:
    """Return `run` with a GPU for as many `seconds` as its arguments need. Arguments and results must be picklable.

    If no GPU is available, the function raises `gr.Error` with the reason.
    """
    return borrowing(run, seconds) if LENT else run  # type: ignore[return-value]


def borrowing(run: Callable[..., Any], seconds: Seconds) -> Callable[..., Any]:
    """Return `on_gpu`'s function for ZeroGPU."""

    def whole_seconds(*arguments: Any) -> int:
        return round(seconds(*arguments))

    borrow = spaces.GPU(duration=whole_seconds)
    if inspect.isgeneratorfunction(run):

        def yield_and_return(*arguments: Any) -> Iterator[Any]:
            try:
                yield from run(*arguments)
            except REPORTED_ERRORS as error:
                yield error

        many = borrow(yield_and_return)

        def generate(*arguments: Any) -> Iterator[Any]:
            with _readable_errors():
                for value in many(*arguments):
                    yield _raise_or_return(value)

        return generate

    def run_and_return(*arguments: Any) -> Any:
        try:
            return run(*arguments)
        except REPORTED_ERRORS as error:
            return error

    borrowed_run = borrow(run_and_return)

    def run_borrowed(*arguments: Any) -> Any:
        with _readable_errors():
            return _raise_or_return(borrowed_run(*arguments))

    return run_borrowed


def _raise_or_return(value: Any) -> Any:
    if isinstance(value, Exception):
        raise value
    return value


@contextmanager
def _readable_errors() -> Iterator[None]:
    """Turn the errors of `spaces` into sentences for the user."""
    try:
        yield
    except gr.Error as error:
        raise gr.Error(_sentence(error), title=TITLE, print_exception=False) from error
    except REPORTED_ERRORS:
        raise
    except Exception as error:  # ZeroGPU's server does not answer, or answers in a new way
        note(error)
        raise gr.Error(NONE_TO_BORROW, title=TITLE, print_exception=False) from error


def _sentence(error: gr.Error) -> str:
    message = str(error.message).strip()
    if message == "GPU task aborted":
        return ABORTED
    if getattr(error, "title", "") == "ZeroGPU worker error":
        return FAULT  # the message is only an exception's name; `spaces` has logged the traceback
    return f"{message.rstrip('.')}. {OUT_OF_QUOTA}"
