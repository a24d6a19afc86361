"""The files of the app's sessions: which are known, which sessions use them, and when they are deleted.

Each process that serves the app has its own locked folder, and all files of its sessions are in it. So the end of the
process can delete the whole folder, and a process that starts deletes the folders of killed processes.
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

PREFIX = "dgrl-sessions-"
GRACE = 60.0
"""Seconds from the end of a session to the deletion of its files. A page that reconnects earlier keeps them."""
PRESENT_SECONDS, ABSENT_SECONDS = 6 * 3600, 3600
"""How long an unused file stays while a session that used it is open, and after that."""
UNFINISHED_SECONDS = 600
"""How long unfinished uploads and files that no session requested stay after the last write."""
SWEEP_SECONDS, WALK_SECONDS = 1.0, 60.0
MOST_REMEMBERED = 10_000
"""How many ended sessions are remembered, because their last responses may still write files."""
CURRENT_SESSION: ContextVar[str | None] = ContextVar("CURRENT_SESSION", default=None)
"""Session being served: "" for a client without a session, None when the app writes its own files."""
log = logging.getLogger(__name__)


@dataclass
class _File:
    last_used: float
    holders: set[str] = field(default_factory=set)
    kept: bool = False


class SessionFiles:
    """Knows the files in `folder`, and deletes those that no session uses any more.

    Args:
        folder: a folder that nothing else writes to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.closed = False
        self.lock: FileLock | None = None
        """Held as long as the folder belongs to this process."""
        self._files: dict[str, _File] = {}
        self._held: dict[str, set[str]] = {}  # by session
        self._present: Counter[str] = Counter()
        self._left: OrderedDict[str, None] = OrderedDict()
        self._departures: dict[str, float] = {}
        self._lock = threading.RLock()
        self._searched_at = time.monotonic()
        self.on_departure: list[Callable[[str], None]] = []
        """Functions to call with a session that has ended, after its files have been released."""

    def new_file(self) -> Path:
        """Create an empty file with a new name. It stays unknown until a session holds it."""
        handle, name = tempfile.mkstemp(prefix="tmp", dir=self.folder)
        os.close(handle)
        return Path(name)

    def note_request(self, session: str) -> None:
        """Note that a session without a lasting connection has sent a request, so it has not ended."""
        with self._lock:
            self._left.pop(session, None)
            self._departures.pop(session, None)

    def knows(self, path: str) -> bool:
        """Say whether `path` is a regular file of this folder that was uploaded, or that the app wrote for a session.

        Unknown names are not opened: the file may be a device, or block.
        """
        with self._lock:
            if path not in self._files:
                return False
        try:
            return stat.S_ISREG(Path(path).lstat().st_mode) and Path(path).resolve().is_relative_to(self.folder)
        except OSError:
            return False

    def hold(self, path: str | Path, session: str | None) -> None:
        """Note that a session uses a file of this folder; None keeps the file until the process ends."""
        name = str(path)
        if not Path(name).resolve().is_relative_to(self.folder):
            return
        with self._lock:
            file = self._files.setdefault(name, _File(time.monotonic()))
            file.last_used = time.monotonic()
            if session is None:
                file.kept = True
            elif session:
                file.holders.add(session)
                self._held.setdefault(session, set()).add(name)
                if session in self._left:
                    self._departures[session] = time.monotonic() + GRACE

    def arrive(self, session: str) -> None:
        """Note that a session's page connects. A new connection may come before the old one closes."""
        with self._lock:
            self._present[session] += 1
            self._left.pop(session, None)
            self._departures.pop(session, None)

    def leave(self, session: str) -> None:
        """Note that one of a session's connections has closed."""
        with self._lock:
            self._present[session] -= 1
            if self._present[session] > 0:
                return
            del self._present[session]
            self._left[session] = None
            while len(self._left) > MOST_REMEMBERED:
                self._left.popitem(last=False)
            self._departures[session] = time.monotonic() + GRACE

    def sweep(self, search: bool = False) -> None:
        """Delete the files of sessions that ended, and, once a minute or with `walk`, old files."""
        now = time.monotonic()
        with self._lock:
            due_now = [session for session, due in self._departures.items() if due <= now]
            for session in due_now:
                del self._departures[session]
                self._release(session)
        for session in due_now:
            for callback in self.on_departure:
                callback(session)
        if search or now - self._searched_at >= WALK_SECONDS:
            self._searched_at = now
            self._delete_old(now)

    def close(self) -> None:
        """Delete everything. Nothing is written afterwards."""
        self.closed = True
        for _ in range(3):  # a response may still be written
            shutil.rmtree(self.folder, ignore_errors=True)
            if not self.folder.exists():
                break
            time.sleep(0.1)
        if self.lock is not None:
            self.lock.release()

    def _release(self, session: str) -> None:
        for name in self._held.pop(session, ()):
            file = self._files.get(name)
            if file is not None:
                file.holders.discard(session)
                if not file.holders and not file.kept:
                    self._delete(name)

    def _delete(self, name: str) -> None:
        file = self._files.pop(name, None)
        for session in file.holders if file is not None else ():
            if (names := self._held.get(session)) is not None:
                names.discard(name)
                if not names:
                    del self._held[session]
        try:
            Path(name).unlink()
        except FileNotFoundError:
            pass
        except OSError as error:  # the other files are still deleted
            log.warning("a session's file cannot be deleted: %s", error.strerror)

    def _delete_old(self, now: float) -> None:
        for path in sorted(self.folder.rglob("*"), reverse=True):  # files come before their folders
            try:
                if path.is_symlink() or not path.is_dir():
                    with self._lock:
                        if self._is_old(path, now):
                            self._delete(str(path))
                elif time.time() - path.stat().st_mtime > WALK_SECONDS:  # an upload may be moved into a new folder
                    path.rmdir()
            except OSError:  # the folder is not empty, or was deleted meanwhile
                continue
        with self._lock:
            for name in [name for name in self._files if not os.path.lexists(name)]:
                self._delete(name)

    def _is_old(self, path: Path, now: float) -> bool:
        file = self._files.get(str(path))
        if file is None:  # an unfinished upload, or a copy that Gradio made
            return time.time() - path.lstat().st_mtime > UNFINISHED_SECONDS
        in_use = any(session in self._present for session in file.holders)
        return not file.kept and now - file.last_used > (PRESENT_SECONDS if in_use else ABSENT_SECONDS)


@functools.cache
def session_files() -> SessionFiles:
    """Return this process's folder, made at the first call inside Gradio's; Gradio then writes its files there too.

    Folders of ended processes are deleted first. The process's own folder is deleted when the process ends.
    """
    base = Path(get_upload_folder()).absolute()
    base.mkdir(parents=True, exist_ok=True)
    delete_abandoned(base)
    folder, lock = _new_folder(base)
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    files, process = SessionFiles(folder), os.getpid()
    files.lock = lock

    def end() -> None:
        if os.getpid() == process:  # not in a fork of it
            files.close()

    def sweep() -> None:
        while not files.closed:
            time.sleep(SWEEP_SECONDS)
            try:
                files.sweep()
            except Exception:  # keep deleting after any error
                log.warning("sessions' files could not be looked through", exc_info=True)

    atexit.register(end)
    threading.Thread(target=sweep, name="sweep", daemon=True).start()
    return files


def register_output(path: Path) -> None:
    """Register a file that the app is about to write for the session being served."""
    session_files().hold(path, CURRENT_SESSION.get())


def add_uploads(paths: Iterable[str]) -> None:
    """Register uploaded files. Their session becomes known when it uses them."""
    for path in paths:
        session_files().hold(path, "")


def delete_abandoned(base: Path) -> None:
    """Delete the folders in `base` of processes that ended without deleting them."""
    for folder in base.glob(f"{PREFIX}*"):
        if folder.suffix == ".lock" or folder.is_symlink() or not folder.is_dir():
            continue
        try:
            lock = FileLock(_lock_of(folder))
        except OSError:  # its process is running, or belongs to another user
            continue
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()


def _new_folder(base: Path) -> tuple[Path, FileLock]:
    """Create a folder and its lock. The lock comes first, because a folder without one counts as abandoned."""
    while True:
        handle, name = tempfile.mkstemp(prefix=PREFIX, suffix=".lock", dir=base)
        os.close(handle)
        try:
            lock = FileLock(Path(name))
        except BlockingIOError:  # another process that cleans up has it
            continue
        folder = Path(name).with_suffix("")
        folder.mkdir(mode=0o700)
        return folder, lock


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")
