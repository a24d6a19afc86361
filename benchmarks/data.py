"""Measure how fast one worker loads training pictures: `python -m benchmarks.data [IMAGES MASKS]`.

Pictures are augmented as in training. Prints Markdown tables; the second one says how many cores a given rate needs.
Without folders it draws pictures of DUTS's size, as JPEG with PNG masks.
"""

import math
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader

from benchmarks.timing import table
from dgrl.data.batch import collate
from dgrl.data.pairs import Pair, SaliencyData, augmentation, find_pairs

PICTURES = 200
DRAWN = (300, 400)  # height and width of most pictures of DUTS-TR
SIZES = (256, 384)
BATCH = 16
RATES = (100, 200, 400, 800, 1600)
"""Pictures per second that a training may need."""


def draw(folder: Path) -> list[Pair]:
    """Draw smooth noise with an ellipse on it, which is as hard to decode as a photo."""
    random = np.random.RandomState(0)
    height, width = DRAWN
    y, x = np.mgrid[:height, :width]
    for kind in ("image", "mask"):
        (folder / kind).mkdir()
    for index in range(PICTURES):
        noise = Image.fromarray(random.randint(0, 256, (height // 4, width // 4, 3), np.uint8))
        photo = np.asarray(noise.resize((width, height), Image.Resampling.BICUBIC)).copy()
        mask = ((y - height / 2) / random.uniform(40, 140)) ** 2 + ((x - width / 2) / random.uniform(40, 190)) ** 2 < 1
        photo[mask] = photo[mask] // 2 + 100
        Image.fromarray(photo).save(folder / "image" / f"{index:04d}.jpg", quality=90)
        Image.fromarray(mask).save(folder / "mask" / f"{index:04d}.png")
    return find_pairs(folder / "image", folder / "mask")


def measure(pairs: list[Pair], size: int) -> tuple[float, float]:
    """Return pictures per second of one worker process, and per second of processor time."""
    data = SaliencyData(pairs, augmentation(size))
    start = time.process_time()
    for index in range(len(data)):
        data[index]
    rate_per_core = len(data) / (time.process_time() - start)
    batches = iter(DataLoader(data, BATCH, num_workers=1, collate_fn=collate))
    next(batches)  # wait until the worker has started
    start = time.perf_counter()
    count = sum(len(batch) for batch in batches)
    return count / (time.perf_counter() - start), rate_per_core


def main(folders: Sequence[str] = ()) -> None:
    """Measure the sizes that training uses, with the pictures and masks of two `folders` or drawn ones."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        pairs = find_pairs(*map(Path, folders))[:PICTURES] if folders else draw(Path(folder))
        print(f"{len(pairs)} pictures, one worker, torch {torch.__version__}\n")
        speeds = {size: measure(pairs, size) for size in SIZES}
        rows = [[str(size), *(f"{speed:.0f}" for speed in rates)] for size, rates in speeds.items()]
        print(table(["size", "pictures/s", "pictures per second of processor time"], rows), end="\n\n")
        print(table(["cores to feed", *(f"{rate} pictures/s" for rate in RATES)], [
            [f"at {size}", *(str(cores(rate, per_core)) for rate in RATES)] for size, (_, per_core) in speeds.items()
        ]))  # fmt: skip


def cores(rate: float, rate_per_core: float) -> int:
    """Return how many cores read `rate` pictures per second if one core reads `rate_per_core`."""
    return math.ceil(rate / rate_per_core)


if __name__ == "__main__":
    main(sys.argv[1:])
