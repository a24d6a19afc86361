"""Set how much freed memory the process keeps. Programs keep all of it; the library what one pass needs."""

import ctypes
import os
import sys
from collections.abc import Callable

_MALLOC_SETTINGS = {-3: 2**30, -1: 2**31 - 1, -8: 1}
"""M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of malloc.h, in bytes, and M_ARENA_MAX. Further arenas cannot grow beyond
64 MB, so their threads would request each large block from the kernel."""

_OF_ONE_PASS = {-3: 2**25, -1: 2**28}
"""The same thresholds for the library: 32 MB, which is the largest that glibc chooses by itself, and 256 MB."""
SWITCH = "DGRL_KEEP_MEMORY"
"""Environment variable: with 0, the library leaves the C library's settings as they are."""
_kept: list[bool] = []


def keep_memory_of_a_pass() -> None:
    """Let the C library keep up to 256 MB of freed memory for the next pass, unless the program has chosen already.

    Without this, glibc returns a pass's features to the kernel as they are freed, which takes a tenth of the time. The
    setting is the process's, so a program that uses the library can prevent it: see docs/install.md.
    """
    mallopt = _of_glibc("mallopt")
    chosen = os.environ.get(SWITCH) == "0" or any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ)
    if mallopt is None or _kept or chosen:
        return
    _kept.append(True)
    for setting, value in _OF_ONE_PASS.items():
        mallopt(setting, value)


def keep_freed_memory() -> None:
    """Let the C library keep freed memory for the next tensors (glibc; no effect elsewhere).

    By default glibc returns large blocks to the kernel, and requesting them again, page by page, takes up to a third of
    the time on a CPU. The process keeps its largest amount of memory until `return_freed_memory`.
    """
    mallopt = _of_glibc("mallopt")
    if mallopt is not None:
        _kept.append(True)
        for setting, value in _MALLOC_SETTINGS.items():
            mallopt(setting, value)


def return_freed_memory() -> None:
    """Return memory that `keep_freed_memory` holds to the kernel once, including gaps between used blocks."""
    malloc_trim = _of_glibc("malloc_trim")
    if malloc_trim is not None:
        malloc_trim(0)


def _of_glibc(function: str) -> Callable[..., int] | None:
    """Return a function of glibc; None on other systems."""
    return getattr(ctypes.CDLL(None), function, None) if sys.platform == "linux" else None
