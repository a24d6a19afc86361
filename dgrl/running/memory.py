"""What the process does with the memory that tensors free. Programs choose; the library never does."""

import ctypes
import sys
from collections.abc import Callable

_MALLOC_SETTINGS = {-3: 2**30, -1: 2**31 - 1, -8: 1}
"""M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of malloc.h, in bytes, and M_ARENA_MAX: other arenas cannot grow beyond 64 MB,
so that threads with one of their own would fetch each large piece anew."""


def keep_freed_memory() -> None:
    """Let the C library keep what tensors free for the next ones (glibc; elsewhere nothing changes).

    By default it returns large pieces to the kernel, and a CPU then spends up to a third of its time on fetching them
    anew, page by page. The process goes on holding the most that it has needed, and its threads share it, until
    `return_freed_memory`.
    """
    mallopt = _of_glibc("mallopt")
    if mallopt is not None:
        for setting, value in _MALLOC_SETTINGS.items():
            mallopt(setting, value)


def return_freed_memory() -> None:
    """Give the kernel once what `keep_freed_memory` holds for later, gaps between what is in use included."""
    malloc_trim = _of_glibc("malloc_trim")
    if malloc_trim is not None:
        malloc_trim(0)


def _of_glibc(function: str) -> Callable[..., int] | None:
    """A function of the C library; None where it has none of that name."""
    return getattr(ctypes.CDLL(None), function, None) if sys.platform == "linux" else None
