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
    """Does work in order in a thread of its own, as a context whose end waits for all of it.

    An error of the work is raised by the next `submit`, or at the end; nothing is done after it.
    """

    def __enter__(self) -> "Behind":
        self.pool = ThreadPoolExecutor(1)
        self.waiting: deque[Future[None]] = deque()
        return self

    def submit(self, work: Callable[..., None], *arguments: Any) -> None:
        """Do this next; returns at once unless `COUNT` others are waiting."""
        while len(self.waiting) > COUNT or (self.waiting and self.waiting[0].done()):
            self.waiting.popleft().result()
        self.waiting.append(self.pool.submit(work, *arguments))

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        try:
            while self.waiting:
                # After an error what was begun is still finished, but its own errors are not raised over the first.
                future = self.waiting.popleft()
                if kind is None or future.exception() is None:
                    future.result()
        finally:
            self.pool.shutdown(cancel_futures=True)
