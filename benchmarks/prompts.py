"""Measure whether prompts find the object that is meant: `python -m benchmarks prompts DATA [--only LIST] [--count N]`.

DATA holds `image` and `mask`. Pictures of two objects are composed from pairs in two ways. Some are two photos side by
side; in the others, an object of a third of its size is pasted into a photo, and the network often misses it without a
prompt. The prompts are the object's box, a click on its innermost pixel, and its mask. Prints a Markdown table.
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
"""Divisor of the pasted object's width and height."""
LEAST_PIXELS = 100
"""Smaller objects (in pixels) are left out."""
PROMPTS = ("no prompt", "its box", "a click", "its mask")
MISSED = "a click on a missed one"
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Scene:
    """A picture of two objects: (H, W, 3) uint8, the mask (H, W) of the object that is meant, and that of the other."""

    photo: RGB
    meant: Mask
    other: Mask


@dataclass
class Scores:
    """Mean saliency on the object that is meant and on the other one, and mean absolute error, per picture."""

    meant: list[float] = field(default_factory=list)
    other: list[float] = field(default_factory=list)
    error: list[float] = field(default_factory=list)

    def add(self, saliency: NDArray[np.float32], scene: Scene) -> None:
        """Add one picture's result."""
        self.meant.append(float(saliency[scene.meant].mean()))
        self.other.append(float(saliency[scene.other].mean()))
        self.error.append(float(np.abs(saliency - scene.meant).mean()))

    def row(self) -> list[str]:
        """Return the means, and the number of pictures."""
        means = f"{np.mean(self.meant):.2f}", f"{np.mean(self.other):.2f}", f"{np.mean(self.error):.3f}"
        return [*means, str(len(self.error))]


def halves(pairs: Sequence[Pair], size: int) -> Iterator[Scene]:
    """Yield two photos side by side; each of the two objects is meant once."""
    for left, right in itertools.pairwise(pairs):
        photo, *objects = side_by_side(left, right, size)
        if min(mask.sum() for mask in objects) >= LEAST_PIXELS:
            yield Scene(photo, objects[0], objects[1])
            yield Scene(photo, objects[1], objects[0])


def pasted(pairs: Sequence[Pair], size: int) -> Iterator[Scene]:
    """Paste a small object into another photo, where it hides least of the object there; the small one is meant."""
    for ground, source in itertools.pairwise(pairs):
        photo, ground_object = _square(ground, size)
        colours, mask = _square(source, size // SMALL)
        if mask.sum() < LEAST_PIXELS or ground_object.sum() < LEAST_PIXELS:
            continue
        top, left = _free_place(ground_object, mask)
        window = np.s_[top : top + len(mask), left : left + len(mask)]
        target = np.zeros_like(ground_object)
        target[window] = mask
        photo[window][mask] = colours[mask]
        if (ground_object & ~target).sum() >= LEAST_PIXELS:
            yield Scene(photo, target, ground_object & ~target)


def _square(pair: Pair, size: int) -> tuple[RGB, Mask]:
    photo = Image.fromarray(read_image(pair.image)).resize((size, size), Image.Resampling.BILINEAR)
    mask = Image.fromarray(pair.truth() * np.uint8(255)).resize((size, size), Image.Resampling.BILINEAR)
    return np.array(photo), np.asarray(mask) > 127


def _free_place(ground_object: Mask, mask: Mask) -> tuple[int, int]:
    """Return row and column of the window of the mask's size that is farthest from the photo's object."""
    room = len(ground_object) - len(mask)
    distance = ndimage.distance_transform_edt(~ground_object)
    places = [(top, left) for top in range(0, room + 1, room // 8) for left in range(0, room + 1, room // 8)]
    return max(places, key=lambda at: distance[at[0] : at[0] + len(mask), at[1] : at[1] + len(mask)][mask].min())


def prompt_arguments(scene: Scene) -> dict[str, dict[str, Any]]:
    """Return the arguments of `DGRL.detect` for each kind of prompt."""
    rows, columns = np.nonzero(scene.meant)
    inside = ndimage.distance_transform_edt(np.pad(scene.meant, 1))[1:-1, 1:-1]
    y, x = np.unravel_index(int(inside.argmax()), inside.shape)
    box = (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
    return dict(zip(PROMPTS, [{}, {"box": box}, {"point": (int(x), int(y))}, {"prompt": scene.meant}], strict=True))


def measure(model: DGRL, scenes: Iterator[Scene]) -> dict[str, Scores]:
    """Measure each kind of prompt; also a click on objects that are not found without a prompt."""
    scores_of = {kind: Scores() for kind in (*PROMPTS, MISSED)}
    for scene in scenes:
        prompts = prompt_arguments(scene)
        unprompted = model.trace_localised(scene.photo).steps[-1].saliency
        missed = part_at(unprompted, *prompts["a click"]["point"], scene.photo.shape) is None
        for kind, prompt in prompts.items():
            saliency = model.detect(scene.photo, **prompt)
            scores_of[kind].add(saliency, scene)
            if kind == "a click" and missed:
                scores_of[MISSED].add(saliency, scene)
    return {kind: result for kind, result in scores_of.items() if result.error}


def main() -> None:
    """Measure and print the table."""
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
        rows += [[kind, prompt, *scores.row()] for prompt, scores in measure(model, scenes(pairs, size)).items()]
    print()  # end the line that names the device
    print(table(["two objects", "prompt", "object meant", "other object", "error", "pictures"], rows))


if __name__ == "__main__":
    main()
