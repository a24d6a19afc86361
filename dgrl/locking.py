"""A file lock that the operating system releases when its process ends, even if it is killed."""

import os
import sys
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


class FileLock:
    """Locks the file `path` for this process until `release` or the end of the process.

    The lock belongs to the operating system, so a file that a killed process left behind is not locked. Forked
    processes share their parent's lock.

    Args:
        path: the lock file, which is created, and deleted by `release`.

    Raises:
        BlockingIOError: another process, or another lock of this process, holds the file.
        OSError: the file cannot be created.
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
        # The previous holder may have deleted the file after we opened it; then the locked file has no name any more.
        try:
            same = os.path.samestat(os.fstat(self._handle), self.path.stat())
        except FileNotFoundError:
            same = False
        if not same:
            raise BlockingIOError(f"{self.path} has just been released by another process")

    def release(self) -> None:
        """Release the lock and delete the file. A second call does nothing."""
        if self._handle < 0:
            return
        if sys.platform == "win32":  # Windows cannot delete an open file
            os.close(self._handle)
            self.path.unlink(missing_ok=True)
        else:
            self.path.unlink(missing_ok=True)
            os.close(self._handle)
        self._handle = -1
