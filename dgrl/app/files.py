"""The files of the app's visitors: what is known, who has a use for it, and that nothing of it stays.

A process that serves the app has a folder of its own, which a lock holds. All its visitors' files are in there, whoever
wrote them: so nothing has to be tracked to be deleted in the end, and what a killed process left behind is deleted by
the next one that starts.
"""

import atexit
import functools
import logging
import os
import shutil
import stat
import tempfile
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from gradio.utils import get_upload_folder

from dgrl.locking import FileLock

PREFIX = "dgrl-visitors-"
GRACE = 60.0
"""Seconds after which what a visitor left is deleted: a page whose connection breaks for a moment is soon back."""
PRESENT_SECONDS, ABSENT_SECONDS = 6 * 3600, 3600
"""How long a file stays that nobody uses: while somebody who had a use for it is there, and else."""
UNFINISHED_SECONDS = 600
"""How long half an upload, and whatever else nobody ever asked for, stays after it was last written to."""
SWEEP_SECONDS, WALK_SECONDS = 1.0, 60.0
MOST_REMEMBERED = 10_000
"""Visitors who left: their last answers may come after them."""
VISITOR: ContextVar[str | None] = ContextVar("VISITOR", default=None)
"""Whom this code answers: "" for somebody without a session, None for nobody, when the app writes for itself."""
log = logging.getLogger(__name__)


@dataclass
class _File:
    used: float
    holders: set[str] = field(default_factory=set)
    kept: bool = False


class VisitorFiles:
    """Knows the files in `folder`, and deletes those for which nobody has a use any more.

    Args:
        folder: where they are; it must be nobody else's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.closed = False
        self.lock: FileLock | None = None
        """Held as long as the folder is this process's."""
        self._files: dict[str, _File] = {}
        self._held: dict[str, set[str]] = {}  # by visitor
        self._present: Counter[str] = Counter()
        self._left: OrderedDict[str, None] = OrderedDict()
        self._departures: dict[str, float] = {}
        self._lock = threading.RLock()
        self._walked = time.monotonic()
        self.departed: list[Callable[[str], None]] = []
        """Called with a session that has left, when its files have been let go."""

    def new_file(self) -> Path:
        """Make an empty file of a new name, which nobody knows until it is held."""
        handle, name = tempfile.mkstemp(prefix="tmp", dir=self.folder)
        os.close(handle)
        return Path(name)

    def seen(self, session: str) -> None:
        """A session without a lasting connection has sent a request, so it has not left."""
        with self._lock:
            self._left.pop(session, None)
            self._departures.pop(session, None)

    def knows(self, path: str) -> bool:
        """Whether `path` is a regular file of this folder that was uploaded, or that the app wrote for somebody.

        What is not known by its name is not looked at: it may be a device, or something that blocks.
        """
        with self._lock:
            if path not in self._files:
                return False
        try:
            return stat.S_ISREG(Path(path).lstat().st_mode) and Path(path).resolve().is_relative_to(self.folder)
        except OSError:
            return False

    def hold(self, path: str | Path, visitor: str | None) -> None:
        """A visitor has a use for a file of this folder; None keeps it, as the app's own, until the end."""
        name = str(path)
        if not Path(name).resolve().is_relative_to(self.folder):
            return
        with self._lock:
            file = self._files.setdefault(name, _File(time.monotonic()))
            file.used = time.monotonic()
            if visitor is None:
                file.kept = True
            elif visitor:
                file.holders.add(visitor)
                self._held.setdefault(visitor, set()).add(name)
                if visitor in self._left:
                    self._departures[visitor] = time.monotonic() + GRACE

    def arrive(self, visitor: str) -> None:
        """A visitor's page is there. It may be there more than once: a new connection comes before the old one goes."""
        with self._lock:
            self._present[visitor] += 1
            self._left.pop(visitor, None)
            self._departures.pop(visitor, None)

    def leave(self, visitor: str) -> None:
        """A visitor's page is gone."""
        with self._lock:
            self._present[visitor] -= 1
            if self._present[visitor] > 0:
                return
            del self._present[visitor]
            self._left[visitor] = None
            while len(self._left) > MOST_REMEMBERED:
                self._left.popitem(last=False)
            self._departures[visitor] = time.monotonic() + GRACE

    def sweep(self, walk: bool = False) -> None:
        """Delete what those held who have left, and, once a minute or if asked to `walk`, what is old."""
        now = time.monotonic()
        with self._lock:
            due_now = [visitor for visitor, due in self._departures.items() if due <= now]
            for visitor in due_now:
                del self._departures[visitor]
                self._let_go(visitor)
        for visitor in due_now:
            for tell in self.departed:
                tell(visitor)
        if walk or now - self._walked >= WALK_SECONDS:
            self._walked = now
            self._walk(now)

    def close(self) -> None:
        """Delete everything; nothing is written afterwards."""
        self.closed = True
        for _ in range(3):  # an answer may be under way
            shutil.rmtree(self.folder, ignore_errors=True)
            if not self.folder.exists():
                break
            time.sleep(0.1)
        if self.lock is not None:
            self.lock.release()

    def _let_go(self, visitor: str) -> None:
        for name in self._held.pop(visitor, ()):
            file = self._files.get(name)
            if file is not None:
                file.holders.discard(visitor)
                if not file.holders and not file.kept:
                    self._delete(name)

    def _delete(self, name: str) -> None:
        file = self._files.pop(name, None)
        for visitor in file.holders if file is not None else ():
            if (held := self._held.get(visitor)) is not None:
                held.discard(name)
                if not held:
                    del self._held[visitor]
        try:
            Path(name).unlink()
        except FileNotFoundError:
            pass
        except OSError as error:  # whatever stands in the way of one file, the others go
            log.warning("a visitor's file cannot be deleted: %s", error.strerror)

    def _walk(self, now: float) -> None:
        for path in sorted(self.folder.rglob("*"), reverse=True):  # what is in a folder comes before it
            try:
                if path.is_symlink() or not path.is_dir():
                    with self._lock:
                        if self._is_old(path, now):
                            self._delete(str(path))
                elif time.time() - path.stat().st_mtime > WALK_SECONDS:  # no upload is about to be moved into it
                    path.rmdir()
            except OSError:  # it is not empty, or has just gone
                continue
        with self._lock:
            for name in [name for name in self._files if not os.path.lexists(name)]:
                self._delete(name)

    def _is_old(self, path: Path, now: float) -> bool:
        file = self._files.get(str(path))
        if file is None:  # half an upload, or a copy that Gradio made
            return time.time() - path.lstat().st_mtime > UNFINISHED_SECONDS
        there = any(visitor in self._present for visitor in file.holders)
        return not file.kept and now - file.used > (PRESENT_SECONDS if there else ABSENT_SECONDS)


@functools.cache
def visitor_files() -> VisitorFiles:
    """This process's folder, made at the first call inside Gradio's, which becomes it for whatever Gradio writes.

    Folders of processes that are gone are deleted first. Its own goes when the process ends.
    """
    base = Path(get_upload_folder()).absolute()
    base.mkdir(parents=True, exist_ok=True)
    delete_abandoned(base)
    folder, lock = _new_folder(base)
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    files, process = VisitorFiles(folder), os.getpid()
    files.lock = lock

    def end() -> None:
        if os.getpid() == process:  # not a fork of it
            files.close()

    def sweep() -> None:
        while not files.closed:
            time.sleep(SWEEP_SECONDS)
            try:
                files.sweep()
            except Exception:  # of whatever kind: deletion goes on
                log.warning("visitors' files could not be looked through", exc_info=True)

    atexit.register(end)
    threading.Thread(target=sweep, name="sweep", daemon=True).start()
    return files


def written(path: Path) -> None:
    """The app is about to write a file for whom it answers."""
    visitor_files().hold(path, VISITOR.get())


def took(paths: Iterable[str]) -> None:
    """Files were uploaded; who did it is known when they are used."""
    for path in paths:
        visitor_files().hold(path, "")


def delete_abandoned(base: Path) -> None:
    """Delete the folders in `base` whose processes have ended without doing so."""
    for folder in base.glob(f"{PREFIX}*"):
        if folder.suffix == ".lock" or folder.is_symlink() or not folder.is_dir():
            continue
        try:
            lock = FileLock(_lock_of(folder))
        except OSError:  # its process lives, or is another user's
            continue
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()


def _new_folder(base: Path) -> tuple[Path, FileLock]:
    """A new folder and its lock. The lock is first: a folder without one is abandoned."""
    while True:
        handle, name = tempfile.mkstemp(prefix=PREFIX, suffix=".lock", dir=base)
        os.close(handle)
        try:
            lock = FileLock(Path(name))
        except BlockingIOError:  # somebody who cleans up was faster
            continue
        folder = Path(name).with_suffix("")
        folder.mkdir(mode=0o700)
        return folder, lock


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")
