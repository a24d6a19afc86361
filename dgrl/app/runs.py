"""Run the app's networks, half a pass at a time."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from dgrl.app.zero_gpu import CALL_SECONDS, PASS_SECONDS, is_lent, on_gpu
from dgrl.figures import fit
from dgrl.images import RGB
from dgrl.model import DGRL
from dgrl.network.config import DGRLConfig
from dgrl.running.precision import Precision, in_use, set_precision
from dgrl.taps import Edit
from dgrl.trace import Trace

AS_TRAINED = -1
DRAWN_LENGTH = 800
DEFAULT_STEPS = 2  # T of every published network; used where a network's T is not known


@dataclass(frozen=True)
class View:
    """A pass of a network over a photo, and what is needed to draw it.

    Attributes:
        trace: everything the pass computed; without BRN's part until BRN has run.
        photo: the photo to draw on, with a longest side of 800 pixels: the page never shows it larger, and a browser
            only locates clicks exactly in a picture that it need not enlarge.
        seconds: how long the pass took.
        machine: device and precision: "cpu, bf16".
        full_size: width and height of the photo's file, if it was too large and was read at reduced size.
    """

    trace: Trace
    photo: RGB
    seconds: float
    machine: str
    full_size: tuple[int, int] | None = None


class Networks(Mapping[str, DGRL]):
    """Networks by name, each set to its precision (see `dgrl.running.precision`).

    With a local GPU or without any, precisions are set at once. On ZeroGPU they are set at a network's first use, in
    the process that has borrowed a GPU, because there is no device before.
    """

    def __init__(self, models: Mapping[str, DGRL], precision: str) -> None:
        self._models = dict(models)
        self._precision = precision
        self._settled: dict[str, Precision] = {}
        if not is_lent():
            for name in self._models:
                self[name]

    def __getitem__(self, name: str) -> DGRL:
        model = self._models[name]
        if name not in self._settled:
            self._settled[name] = set_precision(model, self._precision)
        return model

    def __iter__(self) -> Iterator[str]:
        return iter(self._models)

    def __len__(self) -> int:
        return len(self._models)

    def config(self, name: str) -> DGRLConfig:
        """Return the settings of a network, without borrowing a GPU for it."""
        return self._models[name].config

    def in_use(self, name: str) -> str:
        """Describe the device and precision of a network that has been used."""
        return in_use(self._models[name].device, self._settled[name])


def halves(networks: Networks) -> tuple[Callable[..., View], Callable[..., View]]:
    """Return the two halves of a pass: `localise` (checkpoint, photo, T or AS_TRAINED, edits) and `refine`.

    For ZeroGPU both are one function, so that the second half runs in the process of the first, with its GPU.
    """

    # Closures over the networks: ZeroGPU sends the arguments to another process.
    def localise(checkpoint: str, photo: RGB, steps: int, edits: Sequence[Edit]) -> View:
        model = networks[checkpoint]
        start = time.perf_counter()
        trace = model.trace_localised(photo, None if steps == AS_TRAINED else steps, edits)
        seconds = time.perf_counter() - start
        return View(trace, fit(photo, DRAWN_LENGTH), seconds, networks.in_use(checkpoint))

    def refine(checkpoint: str, localised: View, edits: Sequence[Edit]) -> View:
        model = networks[checkpoint]
        start = time.perf_counter()
        trace = model.trace_refined(localised.trace, edits)
        return replace(localised, trace=trace, seconds=localised.seconds + time.perf_counter() - start)

    def half(first: bool, *arguments: Any) -> View:
        return localise(*arguments) if first else refine(*arguments)

    run = on_gpu(half, gpu_seconds)
    return partial(run, True), partial(run, False)


def gpu_seconds(first: bool, _checkpoint: str, _seen: RGB | View, *arguments: Any) -> float:
    """Return how long a half may take on a GPU: RLN runs T + 1 times, BRN once."""
    steps = max(arguments[0], DEFAULT_STEPS) if first else 0
    return CALL_SECONDS + PASS_SECONDS * (steps + 1)
