"""Computations that go a batch at a time: generators of the share done, from 0 to 1, which return a result."""

from collections.abc import Callable, Generator
from typing import TypeVar

Result = TypeVar("Result")


def result_of(batches: Generator[float, None, Result], progress: Callable[[float], object] | None = None) -> Result:
    """Run a computation to its end and return its result; `progress` is called with the share done after each batch."""
    while True:
        try:
            share = next(batches)
        except StopIteration as done:
            result: Result = done.value
            return result
        if progress is not None:
            progress(share)


def as_part(batches: Generator[float, None, Result], first: float, last: float) -> Generator[float, None, Result]:
    """Run a computation as a part of a longer one, whose share done goes from `first` to `last` meanwhile."""
    while True:
        try:
            share = next(batches)
        except StopIteration as done:
            result: Result = done.value
            return result
        yield first + (last - first) * share
