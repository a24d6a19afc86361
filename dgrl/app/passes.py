"""The networks of the app, and what their recent passes computed: one forward pass per picture, then redraws only."""

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from dgrl.device import choose_precision, in_use, inference
from dgrl.figures import fit
from dgrl.images import RGB, read_image
from dgrl.model import DGRL
from dgrl.trace import Trace

try:
    import spaces  # Hugging Face ZeroGPU: lends a GPU for the time of one call
except ImportError:
    spaces = None

MAX_PIXELS = 25_000_000
CAPACITY = 2 * 2**30
IDLE_SECONDS = 3600
AS_TRAINED = -1
DRAWN_LENGTH = 960


@dataclass(frozen=True)
class View:
    """What the tabs draw from.

    Attributes:
        trace: everything the pass computed.
        photo: the photo to draw on, 960 pixels long: the browser can tell clicks only where it need not enlarge.
        seconds: how long the pass took.
        machine: device and precision, e.g. "cpu, fp32".
    """

    trace: Trace
    photo: RGB
    seconds: float
    machine: str


@dataclass
class _Entry:
    view: View
    bytes: int
    used: float
    visitors: set[str] = field(default_factory=set)


class Passes:
    """Runs the networks and keeps recent passes in bounded memory.

    A pass is known by photo, checkpoint and number of steps. Visitors who look at the same file share it. It is
    dropped when all of them have left, when nobody has looked for an hour, or, least recently used first, when all
    passes together outgrow `capacity`. A dropped pass is computed again when somebody asks for it.

    Args:
        models: networks by the name that the app shows.
        precision: of BRN (see `dgrl.device`).
        capacity: bytes to keep at most; the newest pass is kept whatever its size.

    Attributes:
        count: how many times a network has run.
    """

    def __init__(self, models: Mapping[str, DGRL], precision: str = "auto", capacity: int = CAPACITY) -> None:
        if not models:
            raise ValueError("the app needs at least one network")
        self.names = list(models)
        self.capacity = capacity
        self.count = 0
        self._entries: OrderedDict[tuple[str, str, int], _Entry] = OrderedDict()
        self._lock = threading.Lock()
        self._one_pass = threading.Lock()

        # A closure, not a method: ZeroGPU sends the arguments to another process, and locks cannot travel.
        def run(checkpoint: str, photo: RGB, steps: int) -> tuple[Trace, float, str]:
            model = models[checkpoint]
            chosen = choose_precision(precision, model.device)
            start = time.perf_counter()
            with inference(model.device, chosen):
                trace = model.trace(photo, None if steps == AS_TRAINED else steps)
            return trace, time.perf_counter() - start, in_use(model.device, chosen)

        self._run = run if spaces is None else spaces.GPU(run)

    def view(self, photo: str, checkpoint: str, steps: int, visitor: str | None = None) -> View:
        """The pass over the file `photo`, computed now if it is not kept.

        Raises:
            ImageError: the picture cannot be used.
            FloatingPointError: the network gave NaN or infinite values.
        """
        key = (photo, checkpoint, steps)
        kept = self._find(key, visitor)
        if kept is not None:
            return kept
        # One pass at a time. Whoever waited for the same picture finds it afterwards.
        with self._one_pass:
            kept = self._find(key, visitor)
            if kept is not None:
                return kept
            trace, seconds, machine = self._run(checkpoint, read_image(photo, MAX_PIXELS), steps)
            self.count += 1
            view = View(trace, fit(trace.photo, DRAWN_LENGTH), seconds, machine)
            self._keep(key, view, visitor)
            return view

    def leave(self, visitor: str) -> None:
        """Drop what nobody but this visitor was looking at."""
        with self._lock:
            for key, entry in list(self._entries.items()):
                if visitor in entry.visitors:
                    entry.visitors.remove(visitor)
                    if not entry.visitors:
                        del self._entries[key]

    @property
    def kept_bytes(self) -> int:
        """The size of the arrays of all kept passes."""
        return sum(entry.bytes for entry in self._entries.values())

    def _find(self, key: tuple[str, str, int], visitor: str | None) -> View | None:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            entry.used = time.monotonic()
            if visitor is not None:
                entry.visitors.add(visitor)
            return entry.view

    def _keep(self, key: tuple[str, str, int], view: View, visitor: str | None) -> None:
        size = view.trace.photo.nbytes + view.trace.saliency.nbytes + view.photo.nbytes
        size += sum(values.nbytes for values in view.trace.taps.values())
        entry = _Entry(view, size, time.monotonic(), {visitor} if visitor else set())
        with self._lock:
            self._entries[key] = entry
            oldest_allowed = time.monotonic() - IDLE_SECONDS
            # Least recently used first: the first entry that may stay ends the search.
            for other, candidate in list(self._entries.items())[:-1]:
                if self.kept_bytes <= self.capacity and candidate.used >= oldest_allowed:
                    break
                del self._entries[other]
