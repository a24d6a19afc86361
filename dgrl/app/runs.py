"""Running the app's networks, half a pass at a time."""

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
from dgrl.running.precision import Precision, in_use, settle_precision
from dgrl.taps import Edit
from dgrl.trace import Trace

AS_TRAINED = -1
DRAWN_LENGTH = 800
DEFAULT_STEPS = 2  # T as trained, of every network that is published; at most, where it is not known


@dataclass(frozen=True)
class View:
    """What the tabs draw from.

    Attributes:
        trace: everything the pass computed; RLN's part of it while BRN has not run.
        photo: the photo to draw on, 800 pixels long: no page shows it larger, and a browser can tell clicks only where
            it need not enlarge.
        seconds: how long the pass took.
        machine: device, precision, and what the latter changes: "cpu, bf16 (maps within 0.005 of fp32's)".
        full_size: width and height of the photo's file, if it has too many pixels and was read at reduced size.
    """

    trace: Trace
    photo: RGB
    seconds: float
    machine: str
    full_size: tuple[int, int] | None = None


class Networks(Mapping[str, DGRL]):
    """Networks by name, each set to its precision where it runs (see `dgrl.running.precision`).

    That is at once where there is a GPU or none, and on ZeroGPU in the process that has borrowed one, at the network's
    first use: before, there is nothing to compute on.
    """

    def __init__(self, models: Mapping[str, DGRL], precision: str) -> None:
        self._models = dict(models)
        self._precision = precision
        self._settled: dict[str, tuple[Precision, float]] = {}
        if not is_lent():
            for name in self._models:
                self[name]

    def __getitem__(self, name: str) -> DGRL:
        model = self._models[name]
        if name not in self._settled:
            self._settled[name] = settle_precision(model, self._precision)
        return model

    def __iter__(self) -> Iterator[str]:
        return iter(self._models)

    def __len__(self) -> int:
        return len(self._models)

    def config(self, name: str) -> DGRLConfig:
        """Settings of a network. It need not be on a GPU that is borrowed."""
        return self._models[name].config

    def in_use(self, name: str) -> str:
        """Device and precision of a network that has been used, in words."""
        return in_use(self._models[name].device, *self._settled[name])


def halves(networks: Networks) -> tuple[Callable[..., View], Callable[..., View]]:
    """The two halves of a pass as functions: of checkpoint, photo, T or AS_TRAINED, and edits; then of what that gave.

    Both are one function to ZeroGPU, so that the second half finds the process of the first, with its GPU.
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


def gpu_seconds(first: bool, _checkpoint: str, _seen: RGB | View, *rest: Any) -> float:
    """How long a half may take on a GPU: RLN runs T + 1 times, BRN once."""
    steps = max(rest[0], DEFAULT_STEPS) if first else 0
    return CALL_SECONDS + PASS_SECONDS * (steps + 1)
