"""The cache of recent passes of the app's networks: one forward pass per picture, everything else is drawn from it."""

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from dgrl.app.runs import Networks, View, halves
from dgrl.app.zero_gpu import is_lent
from dgrl.images import read_photo
from dgrl.model import DGRL
from dgrl.running.memory import return_freed_memory
from dgrl.taps import Edit

MAX_PIXELS = 25_000_000
CAPACITY = 2 * 2**30
MOST_PER_SESSION = 8
IDLE_SECONDS = 3600
Key = tuple[str, str, int, tuple[Edit, ...]]  # photo, checkpoint, steps, edits


@dataclass
class _Entry:
    view: View
    bytes: int
    last_used: float
    sessions: set[str] = field(default_factory=set)


class Passes:
    """Keeps recent passes in bounded memory.

    A pass is identified by photo, checkpoint, number of steps and edits. Sessions that use the same file share it. It
    is dropped in three cases: all its sessions have ended or moved on to eight other passes; it was not used for an
    hour; or all passes together exceed `capacity`, least recently used first. A dropped pass is computed again when it
    is requested again.

    Args:
        models: networks by the name that the app shows.
        precision: precision of the networks (see `dgrl.running.precision`).
        capacity: bytes to keep at most; the newest pass is always kept.

    Attributes:
        count: how many passes have been computed. RLN runs once for each of them, BRN at most once.
    """

    def __init__(self, models: Mapping[str, DGRL], precision: str = "auto", capacity: int = CAPACITY) -> None:
        if not models:
            raise ValueError("the app needs at least one network")
        self.networks = Networks(models, precision)
        self.names = list(models)
        self.capacity = capacity
        self.count = 0
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._present: set[str] = set()  # sessions that have requested something since they last ended
        self._lock = threading.Lock()
        # One half of a pass runs at a time. On ZeroGPU each session has its own GPU, so only the same photo waits.
        self._turns = [threading.Lock() for _ in range(8 if is_lent() else 1)]
        self._localise, self._refine = halves(self.networks)

    def localised(
        self, photo: str, checkpoint: str, steps: int, session: str | None = None, edits: Sequence[Edit] = ()
    ) -> View:
        """Return a pass as soon as RLN has run: BRN's part of the trace may be missing. Otherwise like `view`."""
        return self._get((photo, checkpoint, steps, tuple(edits)), session, refined=False)

    def view(
        self, photo: str, checkpoint: str, steps: int, session: str | None = None, edits: Sequence[Edit] = ()
    ) -> View:
        """Return the pass over the file `photo`, from the cache or computed now.

        Args:
            photo: path of the picture.
            checkpoint: one of `names`.
            steps: T, or AS_TRAINED.
            session: the requesting session; the pass is kept until it ends.
            edits: changes at taps, hashable and picklable as those of `dgrl.taps` are.

        Raises:
            ImageError: the picture cannot be used.
            ValueError: an edit names no tap of this pass, or does not fit.
            FloatingPointError: the network gave NaN or infinite values.
        """
        return self._get((photo, checkpoint, steps, tuple(edits)), session, refined=True)

    def _get(self, key: Key, session: str | None, refined: bool) -> View:
        if session is not None:
            self._present.add(session)
        view = self._find(key, session)
        if view is not None and (view.trace.whole or not refined):
            return view
        photo, checkpoint, steps, edits = key
        key_lock = self._turns[hash(key) % len(self._turns)]
        with key_lock:  # a request that waited for the same picture finds it in the cache
            view = self._find(key, session)
            if view is None:
                picture = read_photo(photo, MAX_PIXELS, reduce=True)
                view = self._localise(checkpoint, picture.seen, steps, edits)
                view = replace(view, full_size=picture.full_size)
                self.count += 1
                self._keep(key, view, session)
        if view.trace.whole or not refined:
            return view
        with key_lock:
            cached = self._find(key, session)
            if cached is not None and cached.trace.whole:
                return cached
            view = self._refine(checkpoint, view, edits)
            self._keep(key, view, session)
            return view

    def leave(self, session: str) -> None:
        """Drop the passes that only this session used, and give their memory back."""
        with self._lock:
            self._present.discard(session)
            self._release(session, keep=0)
        return_freed_memory()  # otherwise the unused gaps grow with the number of sessions

    @property
    def cached_bytes(self) -> int:
        """The size of the arrays of all cached passes."""
        return sum(entry.bytes for entry in self._entries.values())

    def _find(self, key: Key, session: str | None) -> View | None:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            entry.last_used = time.monotonic()
            self._hold(entry, session)
            return entry.view

    def _keep(self, key: Key, view: View, session: str | None) -> None:
        size = view.trace.photo.nbytes + view.trace.saliency.nbytes + view.photo.nbytes
        size += sum(values.nbytes for values in view.trace.taps.values())
        with self._lock:
            before = self._entries.pop(key, None)
            entry = _Entry(view, size, time.monotonic(), before.sessions if before is not None else set())
            if not entry.sessions and session is not None and session not in self._present:
                return  # the session ended during the computation, and no other session uses the pass
            self._entries[key] = entry
            self._hold(entry, session)
            oldest_allowed = time.monotonic() - IDLE_SECONDS
            # The order is least recently used first, so the first entry that may stay ends the search.
            for old_key, candidate in list(self._entries.items())[:-1]:
                if self.cached_bytes <= self.capacity and candidate.last_used >= oldest_allowed:
                    break
                del self._entries[old_key]

    def _hold(self, entry: _Entry, session: str | None) -> None:
        """Note that a session uses a pass; each session may hold only a few. The caller must hold the lock."""
        if session is not None and session in self._present and session not in entry.sessions:
            entry.sessions.add(session)
            self._release(session, keep=MOST_PER_SESSION)

    def _release(self, session: str, keep: int) -> None:
        """Drop what only this session holds, except the `keep` most recently used. The caller must hold the lock."""
        held_keys = [key for key, entry in self._entries.items() if session in entry.sessions]
        for key in held_keys[: max(len(held_keys) - keep, 0)]:
            sessions = self._entries[key].sessions
            sessions.remove(session)
            if not sessions:
                del self._entries[key]
