"""Measure edges of cut-outs before and after matting, where alpha is known: `python -m benchmarks.matting [--large]`.

Objects (a disc, one with hair, one with holes) have the colours of one example photo and lie on another one. One map is
the true alpha as a perfect BRN would give it, at 480×480 and enlarged; the other is the network's. Prints a Markdown
table: mean absolute error in the band around the outline, and the mean width of the edge from 10 to 90 %.
"""

import argparse
import resource
import time
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from benchmarks.timing import table
from dgrl import DGRL
from dgrl.files import EXAMPLES
from dgrl.images import RGB
from dgrl.images.matting import matted, trimap_of

SIZE, LARGE = (1200, 900), (4000, 3000)
SHAPES = ("disc", "hair", "holes")
PHOTOS = (("tea", "lake"), ("spices", "osprey"))
"""Example photos that give the object and the background their colours."""
Map = NDArray[np.float32]


def shape(kind: str, width: int, height: int) -> Map:
    """Return the alpha (height, width) of a drawn object, anti-aliased."""
    random = np.random.default_rng(0)
    image = Image.new("L", (2 * width, 2 * height))
    pencil = ImageDraw.Draw(image)
    x, y, radius = width, height, 0.56 * height
    pencil.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    for angle in random.uniform(0, 2 * np.pi, 150 if kind == "hair" else 0):
        length, end = radius * random.uniform(1.05, 1.25), angle + random.normal(0, 0.1)
        ends = [(0.95 * radius, angle), (length, end)]
        line = [(x + far * np.cos(turn), y + far * np.sin(turn)) for far, turn in ends]
        pencil.line(line, fill=255, width=max(2, height // 350))
    for angle in np.arange(0, 2 * np.pi, 0.7) if kind == "holes" else ():
        across, down, size = x + 0.6 * radius * np.cos(angle), y + 0.6 * radius * np.sin(angle), 0.12 * radius
        pencil.ellipse((across - size, down - size, across + size, down + size), fill=0)
    return np.asarray(image.resize((width, height), Image.Resampling.BOX), np.float32) / 255


def composed(alpha: Map, foreground: str, background: str) -> RGB:
    """Return the object in the colours of one example, on another example."""
    size = alpha.shape[::-1]
    layers = [
        np.asarray(Image.open(EXAMPLES / f"{name}.jpg").convert("RGB").resize(size, Image.Resampling.BICUBIC), float)
        for name in (foreground, background)
    ]
    return np.rint(alpha[..., None] * layers[0] + (1 - alpha[..., None]) * layers[1]).astype(np.uint8)


def at_brn_resolution(alpha: Map) -> Map:
    """Reduce the alpha to BRN's size and enlarge it again."""
    small = Image.fromarray(alpha).resize((480, 480), Image.Resampling.BOX)
    return np.asarray(small.resize(alpha.shape[::-1], Image.Resampling.BILINEAR))


def edge_width(alpha: Map) -> float:
    """Return the area between 10 and 90 % divided by the length of the outline at one half, in pixels."""
    inside = alpha > 0.5
    length = (inside & ~ndimage.binary_erosion(inside)).sum()
    return float(((alpha > 0.1) & (alpha < 0.9)).sum() / max(length, 1))


def rows(model: DGRL, sizes: Sequence[tuple[int, int]]) -> Iterator[list[str]]:
    """Yield one row for each size, shape and kind of map."""
    for width, height in sizes:
        for kind in SHAPES:
            alpha = shape(kind, width, height)
            measured: dict[str, list[list[float]]] = {"perfect": [], "network": []}
            for foreground, background in PHOTOS:
                photo = composed(alpha, foreground, background)
                for name, saliency in (("perfect", at_brn_resolution(alpha)), ("network", model.detect(photo))):
                    start = time.perf_counter()
                    after = matted(photo, saliency)
                    seconds = time.perf_counter() - start
                    band = (trimap_of(at_brn_resolution(alpha)) == 0.5) | (trimap_of(saliency) == 0.5)
                    errors = [float(np.abs(values - alpha)[band].mean()) for values in (saliency, after)]
                    measured[name].append([*errors, edge_width(saliency), edge_width(after), seconds])
            for name, values in measured.items():
                before, matted_error, width_before, width_after, seconds = np.mean(values, 0)
                numbers = [
                    f"{before:.3f}",
                    f"{matted_error:.3f}",
                    f"{width_before:.1f}",
                    f"{width_after:.1f}",
                    f"{seconds:.1f}",
                ]
                yield [f"{width}×{height}", kind, name, *numbers]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true", help="also 12 megapixels")
    sizes = (SIZE, LARGE) if parser.parse_args().large else (SIZE,)
    columns = ["size", "object", "map", "error", "after matting", "edge", "after matting", "seconds"]
    print(table(columns, list(rows(DGRL.from_pretrained(), sizes))))
    print(f"\nlargest memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


if __name__ == "__main__":
    main()
