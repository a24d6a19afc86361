"""Hugging Face ZeroGPU, which lends a GPU for the time of one call. Elsewhere functions run as they are."""

from collections.abc import Callable
from typing import Any, TypeVar

try:
    import spaces
except ImportError:
    spaces = None

Function = TypeVar("Function", bound=Callable[..., Any])


def is_lent() -> bool:
    """Whether there is no GPU yet, but one during each call of an `on_gpu` function."""
    return spaces is not None


def on_gpu(run: Function, seconds: int) -> Function:
    """`run`, with a GPU for so many seconds. Its arguments and results travel to another process and back."""
    lent: Function = run if spaces is None else spaces.GPU(duration=seconds)(run)
    return lent
