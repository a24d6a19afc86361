"""Hugging Face ZeroGPU, which lends a GPU for the time of one call. Elsewhere functions run as they are.

Outside of such a call PyTorch's CUDA is emulated there: networks are moved to "cuda", but nothing may be computed on
it. Inside, in a process forked for it, CUDA is real. Written against version 0.51 of the package `spaces`.
"""

import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import gradio as gr

from dgrl.app.failures import FAULT, note

LENT = os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")  # as the package reads it
if LENT:
    import spaces  # before anything of CUDA's is used

Function = TypeVar("Function", bound=Callable[..., Any])
Seconds = Callable[..., float]

CALL_SECONDS = 6.0
"""What a call takes at most, whatever it computes: its process starts CUDA, fetches the weights, settles precision."""
PASS_SECONDS = 0.03
"""What one run of RLN takes, or one of BRN, at most."""

ABORTED = "The GPU was taken back before this was done. Ask again, or for fewer time steps."
NONE_TO_BORROW = "No GPU could be borrowed just now. Please try again in a minute."
OUT_OF_QUOTA = "What was computed before can still be looked at, and on a computer of your own DGRL needs no GPU."
TITLE = "No GPU"
OF_VISITORS = (ValueError, ArithmeticError)
"""What handlers have words for. `spaces` would tell visitors no more of it than the name of its class."""


def is_lent() -> bool:
    """Whether there is no GPU yet, but one during each call of an `on_gpu` function."""
    return LENT


def on_gpu(run: Function, seconds: Seconds) -> Function:
    """`run`, with a GPU for the `seconds` that its arguments need. These and its results travel between processes.

    Where none can be had, the visitor is told why in a sentence (`gr.Error`).
    """
    return lent(run, seconds) if LENT else run  # type: ignore[return-value]


def lent(run: Callable[..., Any], seconds: Seconds) -> Callable[..., Any]:
    """`on_gpu` on ZeroGPU."""

    def whole_seconds(*arguments: Any) -> int:
        return round(seconds(*arguments))

    borrow = spaces.GPU(duration=whole_seconds)
    if inspect.isgeneratorfunction(run):

        def yield_all(*arguments: Any) -> Iterator[Any]:
            try:
                yield from run(*arguments)
            except OF_VISITORS as error:
                yield error

        many = borrow(yield_all)

        def generate(*arguments: Any) -> Iterator[Any]:
            with _in_words():
                for value in many(*arguments):
                    yield _raised(value)

        return generate

    def give_all(*arguments: Any) -> Any:
        try:
            return run(*arguments)
        except OF_VISITORS as error:
            return error

    one = borrow(give_all)

    def give(*arguments: Any) -> Any:
        with _in_words():
            return _raised(one(*arguments))

    return give


def _raised(value: Any) -> Any:
    if isinstance(value, Exception):
        raise value
    return value


@contextmanager
def _in_words() -> Iterator[None]:
    """What `spaces` raises, as sentences for the visitor."""
    try:
        yield
    except gr.Error as error:
        raise gr.Error(_sentence(error), title=TITLE, print_exception=False) from error
    except OF_VISITORS:
        raise
    except Exception as error:  # its server does not answer, or not as the package knows it
        note(error)
        raise gr.Error(NONE_TO_BORROW, title=TITLE, print_exception=False) from error


def _sentence(error: gr.Error) -> str:
    message = str(error.message).strip()
    if message == "GPU task aborted":
        return ABORTED
    if getattr(error, "title", "") == "ZeroGPU worker error":
        return FAULT  # the message is the name of an exception; `spaces` has printed where it was raised
    return f"{message.rstrip('.')}. {OUT_OF_QUOTA}"
