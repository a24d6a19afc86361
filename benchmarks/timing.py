"""Helpers of the benchmarks: timing, the machine's rate, memory, and tables."""

import resource
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch


def seconds(work: Callable[[], object], repeats: int = 5) -> float:
    """Return the median seconds of a few runs, after one run to warm up."""
    wait = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
    work()
    wait()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        wait()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def matrix_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Return the FLOP/s of a large matrix product, as the machine's rate."""
    side = 8192 if device.type == "cuda" else 2048
    a, b, product = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(3))
    return 2 * side**3 / seconds(lambda: torch.mm(a, b, out=product))


def peak_memory() -> float:
    """Return the peak memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def held_memory(process: int) -> float:
    """Return the memory that a process holds now, in MB (Linux)."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [f"| {' | '.join(columns)} |", "|---|" + "---|" * (len(columns) - 1)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
