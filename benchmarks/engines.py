"""Whether onnxruntime is faster than PyTorch on this CPU: `python -m benchmarks.engines`. Prints a Markdown table.

All compute the same pass, from squares to the refined map: the network as the programs run it, in float32 and in bf16
where the CPU has it; the file of `dgrl export --without-edits`; and that file cut down to what `dgrl detect` needs,
with the map as its only output, so that onnxruntime may fuse what it likes. They
take turns, so that a busy machine is as unkind to the one as to the other, and each turn is compared within itself.
"""

import copy
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from benchmarks.speed import OLDER, networks
from benchmarks.timing import matrix_rate, table
from dgrl import DGRL
from dgrl.export import export, write
from dgrl.export.graph import session
from dgrl.running.device import choose_device
from dgrl.running.memory import keep_freed_memory
from dgrl.running.precision import choose_precision, set_precision
from dgrl.taps import REFINED

PYTORCH, LOWERED, WHOLE, CUT = "PyTorch", "PyTorch, bf16", "onnxruntime", "onnxruntime, the map alone"
FEWEST, SECONDS = 9, 60
"""Turns for each network: as many as fit in so many seconds, but no fewer."""
FASTER = 0.9
"""`dgrl detect` would offer an engine that needs at most this share of PyTorch's time for the network that ships."""


def engines(model: DGRL, folder: Path) -> dict[str, Callable[[], object]]:
    """One pass over one picture, by the name of what computes it."""
    path = folder / "model.onnx"
    export(model, path, edits=False)
    picture = write.pictures(model)[0]
    feeds = {name: value.numpy() for name, value in picture.items()}
    threads = {"intra_op_num_threads": torch.get_num_threads()}
    whole, cut = session(str(path), **threads), session(map_alone(onnx.load(path)), **threads)

    def passes(network: DGRL) -> Callable[[], object]:
        return torch.inference_mode()(lambda: write.Whole(network, model.config.steps)(*picture.values()))

    found = {PYTORCH: passes(model)}
    if choose_precision("auto", choose_device("cpu")) == "bf16":
        lowered = copy.deepcopy(model)
        set_precision(lowered, "bf16")
        found[LOWERED] = passes(lowered)
    return found | {WHOLE: lambda: whole.run([REFINED], feeds), CUT: lambda: cut.run([REFINED], feeds)}


def map_alone(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The file with the refined map as its only output."""
    kept = [value for value in proto.graph.output if value.name == REFINED]
    del proto.graph.output[:]
    proto.graph.output.extend(kept)
    return proto


def in_turns(works: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Seconds of each in every turn, after one to warm up."""
    for work in works.values():
        work()
    times: dict[str, list[float]] = {name: [] for name in works}
    start = time.perf_counter()
    while len(times[PYTORCH]) < FEWEST or time.perf_counter() - start < SECONDS:
        for name, work in works.items():
            before = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - before)
    return times


def main() -> None:
    """Measure and print."""
    keep_freed_memory()
    rows, shares = [], {}
    found = networks()
    del found[OLDER]  # untrained, it makes rounding four times as large, and `export` refuses what is off by 1.2e-4
    for name, model in found.items():
        with tempfile.TemporaryDirectory() as folder:
            times = in_turns(engines(model, Path(folder)))
        for engine, taken in times.items():
            low, share, high = np.quantile(np.divide(taken, times[PYTORCH]), (0.25, 0.5, 0.75))
            spread = "–" if engine == PYTORCH else f"{low:.2f} to {high:.2f}"
            rows.append([name, engine, str(len(taken)), f"{statistics.median(taken):.2f}", f"{share:.2f}", spread])
            if name.startswith("ships"):
                shares[engine] = float(share)
    print(f"torch {torch.__version__}, onnxruntime {onnxruntime.__version__}, {torch.get_num_threads()} threads,")
    print(f"matrix product {matrix_rate(torch.device('cpu'), torch.float32) / 1e9:.0f} GFLOP/s.\n")
    print(table(["network", "engine", "turns", "seconds", "share of PyTorch's time", "half of the turns"], rows))
    best = min(shares[WHOLE], shares[CUT])
    verdict = "worth" if best <= FASTER else "not worth"
    print(f"\nFor the network that ships onnxruntime needs {best:.2f} of the time at best, and {FASTER} is asked:")
    print(f"{verdict} an option of `dgrl detect`.")


if __name__ == "__main__":
    main()
