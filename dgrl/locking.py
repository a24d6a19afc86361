"""A lock on a file that ends with the process that holds it, however it ends."""

import os
import sys
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


class FileLock:
    """Holds the file `path` for this process until `release`, or until the process ends.

    The operating system keeps the lock, not the file: one that a killed process left behind is free. Forked processes
    share their parent's.

    Args:
        path: the lock file; it is made, and stays until `release`.

    Raises:
        BlockingIOError: another process, or another lock of this one, holds the file.
        OSError: the file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        try:
            self._take()
        except BaseException:
            os.close(self._handle)
            raise

    def _take(self) -> None:
        if sys.platform == "win32":
            try:
                msvcrt.locking(self._handle, msvcrt.LK_NBLCK, 1)
            except OSError as error:
                raise BlockingIOError(f"{self.path} is held by another process") from error
            return
        fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever held it may have deleted it between our opening and our locking: what is locked then is no name.
        try:
            same = os.path.samestat(os.fstat(self._handle), self.path.stat())
        except FileNotFoundError:
            same = False
        if not same:
            raise BlockingIOError(f"{self.path} has just been released by another process")

    def release(self) -> None:
        """Let others have it, and delete the file. A second call does nothing."""
        if self._handle < 0:
            return
        if sys.platform == "win32":  # it deletes no open file
            os.close(self._handle)
            self.path.unlink(missing_ok=True)
        else:
            self.path.unlink(missing_ok=True)
            os.close(self._handle)
        self._handle = -1
