"""Whether onnxruntime is faster than PyTorch on this CPU: `python -m benchmarks.engines`. Prints a Markdown table.

Both compute the same pass in float32, from squares to the refined map: the file of `dgrl export` with no edit given,
and the network as the programs run it. They take turns, so that a busy machine is as unkind to the one as to the other.
"""

import statistics
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.speed import networks
from benchmarks.timing import matrix_rate, table
from dgrl import DGRL
from dgrl.export import export, write
from dgrl.export.graph import session
from dgrl.running.memory import keep_freed_memory

REPEATS = 7
FASTER = 0.9
"""`dgrl detect` would offer an engine that needs at most this share of PyTorch's time for the networks that ship."""


def measure(model: DGRL, folder: Path) -> tuple[float, float]:
    """Median seconds of PyTorch and of onnxruntime."""
    path = folder / "model.onnx"
    export(model, path)
    threads = torch.get_num_threads()
    ready = session(str(path), intra_op_num_threads=threads)
    picture = write.pictures(model)[0]
    feeds = {name: value.numpy() for name, value in picture.items()}
    whole = write.Whole(model, model.config.steps)
    times: dict[str, list[float]] = {"pytorch": [], "onnxruntime": []}
    for turn in range(REPEATS + 1):
        start = time.perf_counter()
        with torch.inference_mode():
            whole(*picture.values())
        between = time.perf_counter()
        ready.run(["brn.refined"], feeds)
        if turn:  # the first one warms up
            times["pytorch"].append(between - start)
            times["onnxruntime"].append(time.perf_counter() - between)
    return statistics.median(times["pytorch"]), statistics.median(times["onnxruntime"])


def main() -> None:
    """Measure and print."""
    import onnxruntime

    keep_freed_memory()
    rows, shares = [], []
    for name, model in networks().items():
        with tempfile.TemporaryDirectory() as folder:
            ours, theirs = measure(model, Path(folder))
        rows.append([name, f"{ours:.2f}", f"{theirs:.2f}", f"{theirs / ours:.2f}"])
        if "published" not in name:
            shares.append(theirs / ours)
    print(f"torch {torch.__version__}, onnxruntime {onnxruntime.__version__}, {torch.get_num_threads()} threads,")
    print(f"matrix product {matrix_rate(torch.device('cpu'), torch.float32) / 1e9:.0f} GFLOP/s.\n")
    print(table(["network", "PyTorch, s", "onnxruntime, s", "share of PyTorch's time"], rows))
    worth = max(shares) <= FASTER
    verdict = "worth an option of dgrl detect" if worth else "not worth an option of dgrl detect"
    print(
        f"\nWhere it counts onnxruntime needs {min(shares):.2f} to {max(shares):.2f} of the time: {verdict} ({FASTER})."
    )


if __name__ == "__main__":
    main()
