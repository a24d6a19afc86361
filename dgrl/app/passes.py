"""What recent passes of the app's networks computed: one forward pass per picture, then redraws only."""

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
MOST_PER_VISITOR = 8
IDLE_SECONDS = 3600
Key = tuple[str, str, int, tuple[Edit, ...]]  # photo, checkpoint, steps, edits


@dataclass
class _Entry:
    view: View
    bytes: int
    used: float
    visitors: set[str] = field(default_factory=set)


class Passes:
    """Keeps recent passes in bounded memory.

    A pass is known by photo, checkpoint, number of steps and edits. Visitors who look at the same file share it. It is
    dropped when all of them have left or gone on to eight others, when nobody has looked for an hour, or, least
    recently used first, when all passes together outgrow `capacity`. A dropped pass is computed again when somebody
    asks for it.

    Args:
        models: networks by the name that the app shows.
        precision: in which the networks run (see `dgrl.running.precision`).
        capacity: bytes to keep at most; the newest pass is kept whatever its size.

    Attributes:
        count: how many passes have been started, that is how many times RLN has run; BRN runs at most once for each.
    """

    def __init__(self, models: Mapping[str, DGRL], precision: str = "auto", capacity: int = CAPACITY) -> None:
        if not models:
            raise ValueError("the app needs at least one network")
        self.networks = Networks(models, precision)
        self.names = list(models)
        self.capacity = capacity
        self.count = 0
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._present: set[str] = set()  # visitors who have asked for something since they left, if they ever did
        self._lock = threading.Lock()
        # One half at a time; on ZeroGPU one of a photo: there visitors stand in lines of their own, for other GPUs.
        self._turns = [threading.Lock() for _ in range(8 if is_lent() else 1)]
        self._localise, self._refine = halves(self.networks)

    def localised(
        self, photo: str, checkpoint: str, steps: int, visitor: str | None = None, edits: Sequence[Edit] = ()
    ) -> View:
        """Like `view`, as soon as RLN has run: BRN's part of the trace may be missing."""
        return self._get((photo, checkpoint, steps, tuple(edits)), visitor, whole=False)

    def view(
        self, photo: str, checkpoint: str, steps: int, visitor: str | None = None, edits: Sequence[Edit] = ()
    ) -> View:
        """The pass over the file `photo`, computed now if it is not kept.

        Args:
            photo: path of the picture.
            checkpoint: one of `names`.
            steps: T, or AS_TRAINED.
            visitor: who is looking; the pass is kept until they leave.
            edits: alterations of the pass, hashable and picklable as those of `dgrl.taps` are.

        Raises:
            ImageError: the picture cannot be used.
            ValueError: an edit names no tap of this pass, or does not fit.
            FloatingPointError: the network gave NaN or infinite values.
        """
        return self._get((photo, checkpoint, steps, tuple(edits)), visitor, whole=True)

    def _get(self, key: Key, visitor: str | None, whole: bool) -> View:
        if visitor is not None:
            self._present.add(visitor)
        view = self._find(key, visitor)
        if view is not None and (view.trace.whole or not whole):
            return view
        photo, checkpoint, steps, edits = key
        turn = self._turns[hash(key) % len(self._turns)]
        with turn:  # whoever waited for the same picture finds it afterwards
            view = self._find(key, visitor)
            if view is None:
                picture = read_photo(photo, MAX_PIXELS, reduce=True)
                view = self._localise(checkpoint, picture.seen, steps, edits)
                view = replace(view, full_size=picture.full_size)
                self.count += 1
                self._keep(key, view, visitor)
        if view.trace.whole or not whole:
            return view
        with turn:
            kept = self._find(key, visitor)
            if kept is not None and kept.trace.whole:
                return kept
            view = self._refine(checkpoint, view, edits)
            self._keep(key, view, visitor)
            return view

    def leave(self, visitor: str) -> None:
        """Drop what nobody but this visitor was looking at, and give its memory back."""
        with self._lock:
            self._present.discard(visitor)
            self._let_go(visitor, keep=0)
        return_freed_memory()  # else the gaps between what others hold grow with the number of visitors

    @property
    def kept_bytes(self) -> int:
        """The size of the arrays of all kept passes."""
        return sum(entry.bytes for entry in self._entries.values())

    def _find(self, key: Key, visitor: str | None) -> View | None:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            entry.used = time.monotonic()
            self._hold(entry, visitor)
            return entry.view

    def _keep(self, key: Key, view: View, visitor: str | None) -> None:
        size = view.trace.photo.nbytes + view.trace.saliency.nbytes + view.photo.nbytes
        size += sum(values.nbytes for values in view.trace.taps.values())
        with self._lock:
            before = self._entries.pop(key, None)
            entry = _Entry(view, size, time.monotonic(), before.visitors if before is not None else set())
            if not entry.visitors and visitor is not None and visitor not in self._present:
                return  # they left while it was computed, and nobody else wants it
            self._entries[key] = entry
            self._hold(entry, visitor)
            oldest_allowed = time.monotonic() - IDLE_SECONDS
            # Least recently used first: the first entry that may stay ends the search.
            for other, candidate in list(self._entries.items())[:-1]:
                if self.kept_bytes <= self.capacity and candidate.used >= oldest_allowed:
                    break
                del self._entries[other]

    def _hold(self, entry: _Entry, visitor: str | None) -> None:
        """Keep a pass for a visitor, who may hold only so many. The caller must hold the lock."""
        if visitor is not None and visitor in self._present and visitor not in entry.visitors:
            entry.visitors.add(visitor)
            self._let_go(visitor, keep=MOST_PER_VISITOR)

    def _let_go(self, visitor: str, keep: int) -> None:
        """Drop what only this visitor holds, but for the `keep` most recently used. The caller must hold the lock."""
        held = [key for key, entry in self._entries.items() if visitor in entry.visitors]
        for key in held[: max(len(held) - keep, 0)]:
            visitors = self._entries[key].visitors
            visitors.remove(visitor)
            if not visitors:
                del self._entries[key]
