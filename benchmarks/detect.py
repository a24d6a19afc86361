"""`detect` from Python beside the command line, and the parts of one pass: `python -m benchmarks.detect`.

Both ways run in processes of their own and take turns, one pass each, so that other programs slow them alike. The best
pass of each counts. Processor time is that of both threads, which sleep while they wait for each other; other programs
change it less than the seconds that pass.
"""

import multiprocessing
import os
import platform
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from io import StringIO
from multiprocessing.connection import Connection
from typing import Any
from unittest.mock import patch

import torch

from benchmarks.timing import table
from dgrl import DGRL
from dgrl.commands.common import load_model
from dgrl.files import EXAMPLES
from dgrl.images import read_image

PHOTO = EXAMPLES / "astronaut.jpg"
ROUNDS = 15
PROCESSES = multiprocessing.get_context("spawn")
WAYS: dict[str, Callable[[], DGRL]] = {
    "Python, `DGRL.from_pretrained().detect`": DGRL.from_pretrained,
    "the command, `dgrl detect`": lambda: load_model(None)[0],
}
PARTS = ("RLN", "BRN's convolutions", "their padding", "border folding", "weighing", "resizing")


def answer(pipe: Connection, method: str) -> None:
    """Run `detect` once for each request, and send the seconds and the processor seconds that it took."""
    with redirect_stdout(StringIO()):
        model = WAYS[method]()
    photo = read_image(PHOTO)
    model.detect(photo)
    while pipe.recv():
        start, processor = time.perf_counter(), time.process_time()
        model.detect(photo)
        pipe.send((time.perf_counter() - start, time.process_time() - processor))


def best_of_each() -> dict[str, tuple[float, float]]:
    """Return the best seconds and processor seconds of each way."""
    pipes = {}
    for method in WAYS:
        pipes[method], child_pipe = PROCESSES.Pipe()
        PROCESSES.Process(target=answer, args=(child_pipe, method), daemon=True).start()
        child_pipe.close()  # so that a process that ends early is noticed
    times = defaultdict(list)
    for _ in range(ROUNDS):
        for method, pipe in pipes.items():
            pipe.send(True)
            times[method].append(pipe.recv())
    for pipe in pipes.values():
        pipe.send(False)
    return {method: tuple(map(min, zip(*runs, strict=True))) for method, runs in times.items()}


@contextmanager
def clocks(model: DGRL, seconds_of: dict[str, float]) -> Iterator[None]:
    """Add the seconds of each part of a pass to `taken`."""

    def clocked(part: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **settings: Any) -> Any:
            start = time.process_time()
            result = work(*arguments, **settings)
            seconds_of[part] += time.process_time() - start
            return result

        return run

    places = [
        ("RLN", model.rln, "forward"),
        ("BRN's convolutions", model.brn.layers, "forward"),
        ("border folding", "dgrl.network.brn", "folded_inwards"),
        ("weighing", "dgrl.network.brn", "weigh"),
        ("resizing", model.sizing, "for_rln"),
        ("resizing", model.sizing, "for_brn"),
        ("resizing", model.sizing, "refined"),
    ]
    with ExitStack() as stack:
        for part, owner, name in places:
            module = __import__(owner, fromlist=[name]) if isinstance(owner, str) else owner
            stack.enter_context(patch.object(module, name, clocked(part, getattr(module, name))))
        padded, localise = clocked("their padding", torch.nn.functional.pad), model.rln.forward
        stack.enter_context(patch.object(torch.nn.functional, "pad", padded))
        # The padding inside RLN is part of RLN's time.
        stack.enter_context(patch.object(model.rln, "forward", lambda *a: without_padding(seconds_of, localise, *a)))
        yield


def without_padding(seconds_of: dict[str, float], work: Callable[..., Any], *arguments: Any) -> Any:
    """Run `work` without counting its padding."""
    before = seconds_of["their padding"]
    result = work(*arguments)
    seconds_of["their padding"] = before
    return result


def parts() -> dict[str, float]:
    """Return the best processor seconds of each part, and of a whole pass."""
    with redirect_stdout(StringIO()):
        model, _ = load_model(None)
    photo, rounds = read_image(PHOTO), []
    for _ in range(ROUNDS):
        seconds_of = defaultdict(float, dict.fromkeys(PARTS, 0.0))
        with clocks(model, seconds_of):
            start = time.process_time()
            model.detect(photo)
            seconds_of["whole pass"] = time.process_time() - start
        seconds_of["BRN's convolutions"] -= seconds_of["their padding"]
        rounds.append(seconds_of)
    return {part: min(seconds_of[part] for seconds_of in rounds) for part in rounds[0]}


def main() -> None:
    """Measure and print."""
    os.environ["OMP_WAIT_POLICY"] = "passive"
    ways = best_of_each()
    fastest = min(processor for _, processor in ways.values())
    print(f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}; best of {ROUNDS}\n")
    rows = [
        [method, f"{seconds:.3f}", f"{processor:.3f}", f"{processor / fastest:.2f}"]
        for method, (seconds, processor) in ways.items()
    ]
    print(table(["one photo", "seconds", "processor seconds", "times the least"], rows))
    print()
    with PROCESSES.Pool(1) as pool:
        best = pool.apply(parts)
    total = best.pop("whole pass")
    rows = [[part, f"{1000 * seconds:.1f}", f"{seconds / total:.0%}"] for part, seconds in best.items()]
    print(table(["part of one pass", "processor ms", "share"], [*rows, ["whole pass", f"{1000 * total:.1f}", "100%"]]))


if __name__ == "__main__":
    main()
