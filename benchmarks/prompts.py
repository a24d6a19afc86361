"""Whether a prompt finds the object that is meant: `python -m benchmarks prompts DATA [--only LIST] [--count N]`.

DATA holds `image` and `mask`. Pictures of two objects are made of pairs: two photos side by side; and a photo on which
the object of another one is pasted at a third of its size, which the network without a prompt often misses. Each object
is asked for by its box, by a click on its innermost pixel, and by its mask. Prints a Markdown table.
"""

import argparse
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from benchmarks.parts import chosen_pairs, side_by_side
from benchmarks.timing import table
from dgrl.commands.common import load_model
from dgrl.data.pairs import Pair
from dgrl.images import RGB, read_image
from dgrl.model import DGRL
from dgrl.prompts import part_at

SMALL = 3
"""By what the pasted object's width and height are divided."""
LEAST_PIXELS = 100
"""Objects of fewer pixels are left out."""
WAYS = ("no prompt", "its box", "a click", "its mask")
MISSED = "a click on a missed one"
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Scene:
    """A picture of two objects: (H, W, 3) uint8, and the masks (H, W) of the one that is meant and of the other."""

    photo: RGB
    meant: Mask
    other: Mask


@dataclass
class Found:
    """Mean saliency on the object that is meant and on the other one, and mean absolute error, for each picture."""

    meant: list[float] = field(default_factory=list)
    other: list[float] = field(default_factory=list)
    error: list[float] = field(default_factory=list)

    def add(self, saliency: NDArray[np.float32], scene: Scene) -> None:
        """Add what was found in one picture."""
        self.meant.append(float(saliency[scene.meant].mean()))
        self.other.append(float(saliency[scene.other].mean()))
        self.error.append(float(np.abs(saliency - scene.meant).mean()))

    def row(self) -> list[str]:
        """The means, and the number of pictures."""
        means = f"{np.mean(self.meant):.2f}", f"{np.mean(self.other):.2f}", f"{np.mean(self.error):.3f}"
        return [*means, str(len(self.error))]


def halves(pairs: Sequence[Pair], size: int) -> Iterator[Scene]:
    """Two photos side by side, either object meant."""
    for left, right in itertools.pairwise(pairs):
        photo, *objects = side_by_side(left, right, size)
        if min(mask.sum() for mask in objects) >= LEAST_PIXELS:
            yield Scene(photo, objects[0], objects[1])
            yield Scene(photo, objects[1], objects[0])


def pasted(pairs: Sequence[Pair], size: int) -> Iterator[Scene]:
    """A photo with another one's object, a third as wide and high, where it hides least of its own; it is meant."""
    for ground, source in itertools.pairwise(pairs):
        photo, own = _square(ground, size)
        colours, mask = _square(source, size // SMALL)
        if mask.sum() < LEAST_PIXELS or own.sum() < LEAST_PIXELS:
            continue
        top, left = _free_place(own, mask)
        window = np.s_[top : top + len(mask), left : left + len(mask)]
        meant = np.zeros_like(own)
        meant[window] = mask
        photo[window][mask] = colours[mask]
        if (own & ~meant).sum() >= LEAST_PIXELS:
            yield Scene(photo, meant, own & ~meant)


def _square(pair: Pair, size: int) -> tuple[RGB, Mask]:
    photo = Image.fromarray(read_image(pair.image)).resize((size, size), Image.Resampling.BILINEAR)
    mask = Image.fromarray(pair.truth() * np.uint8(255)).resize((size, size), Image.Resampling.BILINEAR)
    return np.array(photo), np.asarray(mask) > 127


def _free_place(own: Mask, mask: Mask) -> tuple[int, int]:
    """Row and column of a window of the mask's size that is farthest from the photo's own object."""
    room = len(own) - len(mask)
    distance = ndimage.distance_transform_edt(~own)
    places = [(top, left) for top in range(0, room + 1, room // 8) for left in range(0, room + 1, room // 8)]
    return max(places, key=lambda at: distance[at[0] : at[0] + len(mask), at[1] : at[1] + len(mask)][mask].min())


def ways(scene: Scene) -> dict[str, dict[str, Any]]:
    """What `DGRL.detect` is given, by the words for it."""
    rows, columns = np.nonzero(scene.meant)
    inside = ndimage.distance_transform_edt(np.pad(scene.meant, 1))[1:-1, 1:-1]
    y, x = np.unravel_index(int(inside.argmax()), inside.shape)
    box = (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
    return dict(zip(WAYS, [{}, {"box": box}, {"point": (int(x), int(y))}, {"prompt": scene.meant}], strict=True))


def measure(model: DGRL, scenes: Iterator[Scene]) -> dict[str, Found]:
    """What each way finds; and a click where nothing is found without a prompt."""
    found = {way: Found() for way in (*WAYS, MISSED)}
    for scene in scenes:
        given = ways(scene)
        plain = model.trace_localised(scene.photo).steps[-1].saliency
        missed = part_at(plain, *given["a click"]["point"], scene.photo.shape) is None
        for way, prompt in given.items():
            saliency = model.detect(scene.photo, **prompt)
            found[way].add(saliency, scene)
            if way == "a click" and missed:
                found[MISSED].add(saliency, scene)
    return {way: of for way, of in found.items() if of.error}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--weights", help="folder of weights; default: shipped")
    parser.add_argument("--only", type=Path, help="list of stems")
    parser.add_argument("--count", type=int, default=100, help="how many pictures, evenly spaced; 0 for all")
    options = parser.parse_args()
    pairs = chosen_pairs(options.data, options.only, options.count)
    model, _ = load_model(options.weights, precision="fp32")
    size = model.config.rln_size
    rows = []
    for kind, scenes in (("side by side", halves), ("pasted at a third of its size", pasted)):
        rows += [[kind, way, *of.row()] for way, of in measure(model, scenes(pairs, size)).items()]
    print()  # ends the line that says what it runs on
    print(table(["two objects", "prompt", "object meant", "other object", "error", "pictures"], rows))


if __name__ == "__main__":
    main()
