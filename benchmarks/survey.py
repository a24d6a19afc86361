"""Measure how much longer a survey takes than detection: `python -m benchmarks survey DATA [--count N]`.

DATA holds `image` and `mask`. Runs `dgrl detect`, `dgrl survey --no-parts` and, with `--parts`, `dgrl survey` over the
same pictures, one after the other, each with one thread. Prints a Markdown table.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.parts import chosen_pairs
from benchmarks.timing import table
from dgrl.data.pairs import Pair

GOAL = 1.5
"""A survey without the parts takes at most this many times what detection takes."""


def link(pairs: Sequence[Pair], folder: Path) -> tuple[Path, Path]:
    """Link the pictures and masks into two folders under `folder`, which are returned."""
    image, mask = folder / "image", folder / "mask"
    image.mkdir()
    mask.mkdir()
    for pair in pairs:
        (image / pair.image.name).symlink_to(pair.image.resolve())
        (mask / pair.mask.name).symlink_to(pair.mask.resolve())
    return image, mask


def commands(image: Path, mask: Path, out: Path, parts: bool) -> Iterator[tuple[str, list[str]]]:
    """Yield the name and the arguments of each command that is measured."""
    yield "`dgrl detect`", ["detect", str(image), "-o", str(out / "detect")]
    surveyed = ["survey", str(image), "--masks", str(mask), "-o"]
    yield "`dgrl survey --no-parts`", [*surveyed, str(out / "survey"), "--no-parts"]
    if parts:
        yield "`dgrl survey`", [*surveyed, str(out / "parts")]


def seconds_of(arguments: Sequence[str]) -> tuple[float, float]:
    """Run `dgrl` with one thread; return the seconds that it took and the processor time that it used."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    before, start = os.times(), time.perf_counter()
    subprocess.run([sys.executable, "-m", "dgrl", *arguments], check=True, capture_output=True, env=environment)
    seconds, after = time.perf_counter() - start, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return seconds, used


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--count", type=int, default=200, help="how many pictures, evenly spaced; 0 for all")
    parser.add_argument("--parts", action="store_true", help="measure also the survey of what each part does")
    options = parser.parse_args()
    pairs = chosen_pairs(options.data, None, options.count)
    rows: list[tuple[str, float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        image, mask = link(pairs, Path(folder))
        for name, arguments in commands(image, mask, Path(folder), options.parts):
            rows.append((name, *seconds_of(arguments)))
    _, detection, detection_used = rows[0]
    print(f"{len(pairs)} pictures, one thread; goal of `--no-parts`: at most {GOAL} times the seconds of detection\n")
    cells = [
        [name, f"{seconds:.0f}", f"{seconds / detection:.2f}", f"{used:.0f}", f"{used / detection_used:.2f}"]
        for name, seconds, used in rows
    ]
    print(table(["command", "seconds", "times detection", "processor time in seconds", "times detection"], cells))


if __name__ == "__main__":
    main()
