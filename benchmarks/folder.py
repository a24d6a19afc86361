"""Measure whether a folder takes longer than the network alone: `python -m benchmarks.folder [COUNT]`.

Runs `dgrl detect` with cut-outs on a folder of COUNT (1,000) drawn photos, and the same network on one photo in memory.
Prints both times, and how the memory of the process grew from the hundredth photo to the last.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.timing import held_memory, seconds, table
from dgrl.commands.common import load_model
from dgrl.images import read_image, to_tensor

HEIGHT, WIDTH = 480, 640
SETTLED = 100
"""Number of photos after which all lasting memory has been allocated."""
GOAL_RATE, GOAL_SHARE = "≥ 5", "≥ 90%"


def draw(folder: Path, count: int) -> None:
    """Draw different photos: smooth noise with a bright ellipse."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    for index in range(count):
        coarse = Image.fromarray(random.integers(0, 200, (HEIGHT // 8, WIDTH // 8, 3), np.uint8))
        photo = np.asarray(coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)).copy()
        row, column = random.uniform(0.3, 0.7, 2) * (HEIGHT, WIDTH)
        photo[((y - row) / 100) ** 2 + ((x - column) / 140) ** 2 < 1] += 50
        Image.fromarray(photo).save(folder / f"{index:05d}.jpg", quality=90)


def run(folder: Path, count: int) -> tuple[float, list[float]]:
    """Run one command over the folder; return the seconds from the first map to the last, and the memory after each."""
    command = [sys.executable, "-m", "dgrl", "detect", str(folder), "-o", str(folder / "out"), "--cutout"]
    memory: list[float] = []
    begin = 0.0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if " -> " in line:
                begin = begin or time.perf_counter()
                memory.append(held_memory(process.pid))
        elapsed = time.perf_counter() - begin
    if len(memory) != count:
        raise SystemExit(f"{len(memory)} maps instead of {count}")
    return elapsed, memory


def main() -> None:
    """Measure and print the table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder), count)
        elapsed, memory = run(Path(folder), count)
        photo = to_tensor(read_image(Path(folder) / "00000.jpg"))
    model, _ = load_model(None)
    with torch.inference_mode():
        alone = seconds(lambda: model(photo), repeats=15)
    settled = min(SETTLED, count // 2)
    slope = np.polyfit(range(settled, count), memory[settled:], 1)[0] * 1000
    each = elapsed / (count - 1)
    rows = [
        ["photos", f"{count} of {WIDTH}×{HEIGHT}", "–"],
        ["the network alone, s per photo", f"{alone:.3f}", "–"],
        ["the command, s per photo", f"{each:.3f}", "–"],
        ["the command, photos/s", f"{1 / each:.1f}", GOAL_RATE],
        ["share of the speed of the network alone", f"{alone / each:.0%}", GOAL_SHARE],
        [f"memory after {settled} photos and at the end, MB", f"{memory[settled - 1]:.0f}, {memory[-1]:.0f}", "–"],
        ["growth for 1,000 photos, MB", f"{slope:.1f}", "–"],
    ]
    print(f"\n{table(['dgrl detect', 'reached', 'goal'], rows)}")  # after the messages of `load_model`


if __name__ == "__main__":
    main()
