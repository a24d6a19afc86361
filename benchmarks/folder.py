"""Whether a folder takes longer than its pictures' computation: `python -m benchmarks.folder [COUNT]`.

Runs `dgrl detect` on a folder of COUNT (1,000) drawn photos with cut-outs, and the same network on one photo that is in
memory already. Prints both times, and how the memory of the process grew from the hundredth photo to the last.
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
"""By this photo what is allocated once has been."""
WANTED_RATE, WANTED_SHARE = "≥ 5", "≥ 90%"


def draw(folder: Path, count: int) -> None:
    """Photos that differ: smooth noise with a bright ellipse."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    for index in range(count):
        coarse = Image.fromarray(random.integers(0, 200, (HEIGHT // 8, WIDTH // 8, 3), np.uint8))
        photo = np.asarray(coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)).copy()
        row, column = random.uniform(0.3, 0.7, 2) * (HEIGHT, WIDTH)
        photo[((y - row) / 100) ** 2 + ((x - column) / 140) ** 2 < 1] += 50
        Image.fromarray(photo).save(folder / f"{index:05d}.jpg", quality=90)


def run(folder: Path, count: int) -> tuple[float, list[float]]:
    """Seconds from the first map to the last, and the memory after each map, of one command over the folder."""
    command = [sys.executable, "-m", "dgrl", "detect", str(folder), "-o", str(folder / "out"), "--cutout"]
    held: list[float] = []
    begin = 0.0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if " -> " in line:
                begin = begin or time.perf_counter()
                held.append(held_memory(process.pid))
        taken = time.perf_counter() - begin
    if len(held) != count:
        raise SystemExit(f"{len(held)} maps instead of {count}")
    return taken, held


def main() -> None:
    """Measure and print the table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder), count)
        taken, held = run(Path(folder), count)
        photo = to_tensor(read_image(Path(folder) / "00000.jpg"))
    model, _ = load_model(None)
    with torch.inference_mode():
        alone = seconds(lambda: model(photo), repeats=15)
    settled = min(SETTLED, count // 2)
    slope = np.polyfit(range(settled, count), held[settled:], 1)[0] * 1000
    each = taken / (count - 1)
    rows = [
        ["photos", f"{count} of {WIDTH}×{HEIGHT}", "–"],
        ["the network alone, s for each", f"{alone:.3f}", "–"],
        ["the command, s for each", f"{each:.3f}", "–"],
        ["the command, photos/s", f"{1 / each:.1f}", WANTED_RATE],
        ["as many as the network alone", f"{alone / each:.0%}", WANTED_SHARE],
        [f"memory after {settled} photos, and at the end, MB", f"{held[settled - 1]:.0f}, {held[-1]:.0f}", "–"],
        ["growth for 1,000 photos, MB", f"{slope:.1f}", "–"],
    ]
    print(f"\n{table(['dgrl detect', 'reached', 'wanted'], rows)}")  # after what `load_model` says


if __name__ == "__main__":
    main()
