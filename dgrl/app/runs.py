"""Running the app's networks, half a pass at a time."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from dgrl.app.zero_gpu import is_lent, on_gpu
from dgrl.figures import fit
from dgrl.images import RGB
from dgrl.model import DGRL
from dgrl.running.precision import choose_precision, in_use, set_precision, settle_precision
from dgrl.taps import Edit
from dgrl.trace import Trace

AS_TRAINED = -1
DRAWN_LENGTH = 800
GPU_SECONDS = 15  # for half a pass: those who ask for little wait less


@dataclass(frozen=True)
class View:
    """What the tabs draw from.

    Attributes:
        trace: everything the pass computed; RLN's part of it while BRN has not run.
        photo: the photo to draw on, 800 pixels long: no page shows it larger, and a browser can tell clicks only where
            it need not enlarge.
        seconds: how long the pass took.
        machine: device, precision, and what the latter changes: "cpu, bf16 (maps within 0.005 of fp32's)".
    """

    trace: Trace
    photo: RGB
    seconds: float
    machine: str


def halves(models: Mapping[str, DGRL], precision: str) -> tuple[Callable[..., View], Callable[..., View]]:
    """The two halves of a pass as functions: of checkpoint, photo, T or AS_TRAINED, and edits; then of what that gave.

    The networks `models`, by name, are set to `precision` (see `dgrl.running.precision`).
    """
    if not is_lent():
        settled = {name: settle_precision(model, precision) for name, model in models.items()}
    else:  # there is nothing to measure on yet
        settled = {name: (choose_precision(precision, model.device), 0.0) for name, model in models.items()}
        for name, model in models.items():
            set_precision(model, settled[name][0])

    # Closures over the networks: ZeroGPU sends the arguments to another process.
    def localise(checkpoint: str, photo: RGB, steps: int, edits: Sequence[Edit]) -> View:
        model = models[checkpoint]
        chosen, difference = settled[checkpoint]
        start = time.perf_counter()
        trace = model.trace_localised(photo, None if steps == AS_TRAINED else steps, edits)
        seconds = time.perf_counter() - start
        machine = in_use(model.device, chosen, difference)
        return View(trace, fit(photo, DRAWN_LENGTH), seconds, machine)

    def refine(checkpoint: str, localised: View, edits: Sequence[Edit]) -> View:
        model = models[checkpoint]
        start = time.perf_counter()
        trace = model.trace_refined(localised.trace, edits)
        return replace(localised, trace=trace, seconds=localised.seconds + time.perf_counter() - start)

    return on_gpu(localise, GPU_SECONDS), on_gpu(refine, GPU_SECONDS)
