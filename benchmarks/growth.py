"""How cost grows as work grows: `python -m benchmarks.growth`. Prints a Markdown table for each kind of growth.

Pixels of a photo, time steps, photos of one command, visitors of the app at once. Below each table stands the slope of
a straight line through it: what one more costs.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from gradio_client import Client, handle_file
from PIL import Image

from benchmarks.app_latency import PHOTOS, started
from benchmarks.folder import draw
from benchmarks.timing import seconds, table
from dgrl import DGRL
from dgrl.checkpoint import default_weights
from dgrl.running.device import choose_device, rewrite_for_inference
from dgrl.running.memory import keep_freed_memory

MEGAPIXELS = (0.1, 0.3, 1, 4, 16)
STEPS = (0, 1, 2, 3, 4)
PHOTO_COUNTS = (1, 10, 40)
VISITORS = (1, 2, 4)
REPEATS = 3


def grown(what: str, unit: str, amounts: Sequence[float], taken: Sequence[float]) -> str:
    """The table and the slope."""
    slope, start = np.polyfit(amounts, taken, 1)
    rows = [[f"{amount:g}", f"{value:.2f}"] for amount, value in zip(amounts, taken, strict=True)]
    return f"{table([what, 'seconds'], rows)}\n\n{start:.2f} s, and {slope:.3f} s for each {unit}."


def pixels(model: DGRL, folder: Path) -> list[float]:
    """`detect` of a JPEG of each size, from the file to the map in the photo's size."""
    drawn = Image.open(PHOTOS[0]).convert("RGB")
    taken = []
    for amount in MEGAPIXELS:
        side = round((amount * 1e6) ** 0.5)
        path = folder / f"{amount}.jpg"
        drawn.resize((side, side), Image.Resampling.BICUBIC).save(path, quality=90)
        taken.append(seconds(lambda path=path: model.detect(path), REPEATS))
    return taken


def photos(folder: Path) -> list[float]:
    """The command on so many photos, its start included."""
    taken = []
    for count in PHOTO_COUNTS:
        of = folder / f"photos{count}"
        of.mkdir()
        draw(of, count)
        command = [sys.executable, "-m", "dgrl", "detect", str(of), "-o", str(of / "out")]
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - start)
    return taken


def visitors(folder: Path) -> list[float]:
    """Until the last of so many visitors, who ask at once, each with a photo that nobody has given yet, has a map."""
    drawn = folder / "visitors"
    drawn.mkdir()
    draw(drawn, 2 * sum(VISITORS))
    files = iter(sorted(drawn.glob("*.jpg")))
    taken = []
    with started(None) as (url, _):
        for count in (1, *VISITORS):  # the first one warms up
            clients = [Client(url, verbose=False) for _ in range(count)]
            given = [handle_file(next(files)) for _ in range(count)]
            with ThreadPoolExecutor(count) as pool:
                start = time.perf_counter()
                asked = [
                    pool.submit(client.predict, photo, api_name="/detect")
                    for client, photo in zip(clients, given, strict=True)
                ]
                for one in asked:
                    one.result()
                taken.append(time.perf_counter() - start)
    return taken[1:]


def main() -> None:
    """Measure and print."""
    model, device = DGRL.from_pretrained(default_weights()), choose_device()
    if device.type == "cpu":
        keep_freed_memory()
    rewrite_for_inference(model, device)
    photo = Image.open(PHOTOS[0])
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        print(grown("megapixels of the photo", "megapixel", MEGAPIXELS, pixels(model, folder)))
        steps = [seconds(lambda last=last: model.trace_localised(photo, last), REPEATS) for last in STEPS]
        print(f"\n{grown('T, the last time step (RLN alone)', 'step', STEPS, steps)}")
        print(f"\n{grown('photos of one dgrl detect', 'photo', PHOTO_COUNTS, photos(folder))}")
        print(f"\n{grown('visitors at once, one photo each', 'visitor', VISITORS, visitors(folder))}")


if __name__ == "__main__":
    main()
