"""Measure whether averaging maps over time reduces flicker: `python -m benchmarks video DATA [--count N] [--frames M]`.

DATA holds `image` and `mask`. A clip shows a window of a photo that moves, with noise in each frame; the mask moves
with it. Flicker is how much a map changes between two frames once the movement is undone. A filter that lags has a
larger error. Prints a Markdown table.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.parts import chosen_pairs
from benchmarks.timing import table
from dgrl.commands.common import load_model
from dgrl.data.pairs import Pair
from dgrl.images import RGB, read_image, read_photo
from dgrl.images.video import Frame, steadied

SIZE = 320
"""Side of a frame."""
WINDOW = 0.75
"""Side of the window, as a share of the photo's."""
STEPS = {"slow": 2, "fast": 8}
"""Pixels by which the window moves between frames."""
NOISE = 4.0
"""Standard deviation of a frame's noise, of 255."""
Map = NDArray[np.float32]
Maps = Sequence[Map]


def averaged(share: float) -> Callable[[Maps], list[Map]]:
    """Return the filter whose map is this share of the new one and the rest of the one before."""

    def run(maps: Maps) -> list[Map]:
        smoothed = [maps[0]]
        for values in maps[1:]:
            smoothed.append(share * values + (1 - share) * smoothed[-1])
        return smoothed

    return run


def median(maps: Maps) -> list[Map]:
    """Return each map's median with the one before and the one after, as `dgrl detect --video` does."""
    empty_photo = read_photo(np.zeros((1, 1, 3), np.uint8))
    return [values for _, values in steadied((Frame(empty_photo, 0), values) for values in maps)]


FILTERS: dict[str, Callable[[Maps], list[Map]]] = {
    "none": list,
    "average, 0.7 of the new": averaged(0.7),
    "average, 0.5 of the new": averaged(0.5),
    "median of three": median,
}


def clip(pair: Pair, step: int, frames: int, random: np.random.Generator) -> Iterator[tuple[RGB, Map, int]]:
    """Yield a moving window's frames: photo, mask, and how many pixels it has moved to the right."""
    side = round(SIZE / WINDOW)
    photo = np.asarray(Image.fromarray(read_image(pair.image)).resize((side, side), Image.Resampling.BICUBIC))
    mask = np.asarray(Image.fromarray(pair.truth() * np.uint8(255)).resize((side, side)), np.float32) / 255
    top = (side - SIZE) // 2
    for index in range(frames):
        left = min(index * step, side - SIZE)
        window = np.s_[top : top + SIZE, left : left + SIZE]
        noisy = photo[window] + random.normal(0, NOISE, (SIZE, SIZE, 3))
        yield np.rint(noisy).clip(0, 255).astype(np.uint8), mask[window], left


def flicker(maps: Maps, places: Sequence[int]) -> float:
    """Return the mean absolute change between frames, where both show the same part of the photo."""
    changes = []
    for values, next_values, shift in zip(maps, maps[1:], np.diff(places), strict=False):
        changes.append(np.abs(values[:, shift:] - next_values[:, : SIZE - shift]).mean())
    return float(np.mean(changes))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--weights", help="folder of weights; default: shipped")
    parser.add_argument("--only", type=Path, help="list of stems")
    parser.add_argument("--count", type=int, default=12, help="how many photos, evenly spaced; 0 for all")
    parser.add_argument("--frames", type=int, default=8, help="frames of a clip")
    options = parser.parse_args()
    model, _ = load_model(options.weights, precision="fp32")
    random = np.random.default_rng(0)
    scores: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for pair in chosen_pairs(options.data, options.only, options.count):
        for speed, step in STEPS.items():
            photos, masks, places = zip(*clip(pair, step, options.frames, random), strict=True)
            maps = [model.detect(photo) for photo in photos]
            for name, smooth in FILTERS.items():
                smoothed = smooth(maps)
                error = np.mean([np.abs(values - mask).mean() for values, mask in zip(smoothed, masks, strict=True)])
                scores.setdefault((speed, name), []).append((flicker(smoothed, places), float(error)))
    print()  # ends the line that says what it runs on
    means = {key: np.mean(values, 0) for key, values in scores.items()}
    rows = [[speed, name, *(f"{value:.4f}" for value in scores)] for (speed, name), scores in means.items()]
    print(table(["movement", "filter over time", "flicker", "error"], rows))


if __name__ == "__main__":
    main()
