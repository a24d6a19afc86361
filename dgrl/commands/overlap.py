"""Work done beside the network's: files are read ahead of it and written behind it, few at a time."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
COUNT = 2
"""Results that may wait to be used, and to be written. There are few, because a photo can have a hundred megapixels."""


def ahead(work: Callable[[Item], Result], items: Iterable[Item]) -> Generator[tuple[Item, "Future[Result]"]]:
    """Yield each item and its result, in order, while up to `COUNT` of the next ones are computed."""
    queue: deque[tuple[Item, Future[Result]]] = deque()
    with ThreadPoolExecutor(1) as pool:
        try:
            for item in items:
                queue.append((item, pool.submit(work, item)))
                if len(queue) > COUNT:
                    yield queue.popleft()
            while queue:
                yield queue.popleft()
        finally:
            for _, unwanted in queue:
                unwanted.cancel()


class Behind:
    """A context that does work in order in another thread, and at its end waits for all of it.

    An error is raised by the next `submit`, or at the end; no work is done after an error.
    """

    def __enter__(self) -> "Behind":
        self.pool = ThreadPoolExecutor(1)
        self.waiting: deque[Future[None]] = deque()
        return self

    def submit(self, work: Callable[..., None], *arguments: Any) -> None:
        """Add work to the queue, and wait only if `COUNT` others are already in it."""
        while len(self.waiting) > COUNT or (self.waiting and self.waiting[0].done()):
            self.waiting.popleft().result()
        self.waiting.append(self.pool.submit(work, *arguments))

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        try:
            while self.waiting:
                # After an error the running work is still finished, but only the first error is raised.
                future = self.waiting.popleft()
                if kind is None or future.exception() is None:
                    future.result()
        finally:
            self.pool.shutdown(cancel_futures=True)
