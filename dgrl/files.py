"""Atomic writes, and the folders of weights and examples that come with DGRL."""

import hashlib
import importlib.resources
import itertools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PARTIAL = ".dgrl-{}.partial"
STALE_SECONDS = 3600  # no write takes this long
_numbers = itertools.count()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` at the end, or delete it after an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(PARTIAL.format(f"{os.getpid()}-{next(_numbers)}"))
    try:
        yield partial
        partial.replace(path)
    except OSError as error:  # most do not name the file
        raise OSError(f"{path}: it cannot be written ({error.strerror or error})") from error
    finally:
        partial.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Delete temporary files in `folder` that killed processes left behind an hour ago or earlier."""
    for partial in folder.glob(PARTIAL.format("*")):
        with suppress(OSError):
            if time.time() - partial.stat().st_mtime > STALE_SECONDS:
                partial.unlink()


def digest(path: Path, algorithm: str = "sha256") -> str:
    """Return the file's checksum in hexadecimal digits."""
    checksum = hashlib.new(algorithm)
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            checksum.update(chunk)
    return checksum.hexdigest()


def shipped(name: str) -> Path:
    """Return the folder `name` ("weights" or "examples") of the installed package."""
    return Path(str(importlib.resources.files("dgrl") / name))


WEIGHTS = shipped("weights")
EXAMPLES = shipped("examples")
