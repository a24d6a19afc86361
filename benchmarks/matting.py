"""Measure edges of cut-outs before and after matting, where alpha is known.

`python -m benchmarks.matting [--large] [--noise N]`.

Objects (a disc, one with hair, one with holes) have the colours of one example photo and lie on another one. One map is
the true alpha as a perfect BRN would give it, at 480×480 and enlarged; the other is the network's. Each map is enlarged
as in this package, enlarged by a guided filter, and refined by matting. Prints a Markdown table of the mean absolute
error in the band around the outline, and of the mean width of the edge from 10 to 90 %.
"""

import argparse
import io
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
from dgrl.images.matting import BRN_SIDE, matted, trimap_of

SIZE, LARGE = (1200, 900), (4000, 3000)
SHAPES = ("disc", "hair", "holes")
PHOTOS = (("tea", "lake"), ("spices", "osprey"))
"""Example photos that give the object and the background their colours."""
GUIDED_RADIUS, GUIDED_EPSILON = 1, 1e-4
"""The guided filter's radius in pixels at BRN's size, and its ε, the variance of colours that it treats as noise."""
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
        line = [(x + distance * np.cos(direction), y + distance * np.sin(direction)) for distance, direction in ends]
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
    return enlarged(reduced(alpha), alpha.shape[::-1])


def reduced(alpha: Map) -> Map:
    """Reduce the alpha to BRN's size."""
    return np.asarray(Image.fromarray(alpha).resize((BRN_SIDE, BRN_SIDE), Image.Resampling.BOX))


def enlarged(values: Map, size: tuple[int, ...]) -> Map:
    """Enlarge a map to a width and height."""
    return np.asarray(Image.fromarray(values).resize((size[0], size[1]), Image.Resampling.BILINEAR))


def guided(photo: RGB, values: Map) -> Map:
    """Enlarge a map of BRN's size by a guided filter: in each window the result is linear in the photo's colours.

    He, Sun and Tang, "Guided Image Filtering", TPAMI 2013; the coefficients are computed at BRN's size and enlarged.
    """
    size = photo.shape[1], photo.shape[0]
    colours = np.asarray(Image.fromarray(photo).resize((BRN_SIDE, BRN_SIDE), Image.Resampling.BOX), np.float32) / 255

    def mean(array: NDArray[np.float32]) -> NDArray[np.float32]:
        side = 2 * GUIDED_RADIUS + 1
        return ndimage.uniform_filter(array, (side, side) + (1,) * (array.ndim - 2), mode="nearest")

    mean_colours, mean_values = mean(colours), mean(values)
    products = colours[..., :, None] * colours[..., None, :]
    variance = mean(products) - mean_colours[..., :, None] * mean_colours[..., None, :]
    covariance = mean(colours * values[..., None]) - mean_colours * mean_values[..., None]
    slopes = np.linalg.solve(variance + GUIDED_EPSILON * np.eye(3), covariance[..., None])[..., 0].astype(np.float32)
    offsets = mean_values - (slopes * mean_colours).sum(-1)
    layers = [mean(layer) for layer in (*np.moveaxis(slopes, -1, 0), offsets)]
    *factors, offset = (enlarged(layer, size) for layer in layers)
    result = offset + sum(factor * (photo[..., index] / np.float32(255)) for index, factor in enumerate(factors))
    return np.clip(result, 0, 1, dtype=np.float32)


def as_photographed(photo: RGB, noise: float) -> RGB:
    """Add noise of this standard deviation, of 255, and the losses of a JPEG; 0 for neither."""
    if not noise:
        return photo
    noisy = photo + np.random.default_rng(0).normal(0, noise, photo.shape)
    buffer = io.BytesIO()
    Image.fromarray(np.rint(noisy).clip(0, 255).astype(np.uint8)).save(buffer, "jpeg", quality=85)
    return np.asarray(Image.open(buffer))


def edge_width(alpha: Map) -> float:
    """Return the area between 10 and 90 % divided by the length of the outline at one half, in pixels."""
    inside = alpha > 0.5
    length = (inside & ~ndimage.binary_erosion(inside)).sum()
    return float(((alpha > 0.1) & (alpha < 0.9)).sum() / max(length, 1))


def rows(model: DGRL, sizes: Sequence[tuple[int, int]], noise: float) -> Iterator[list[str]]:
    """Yield one row for each size, shape and kind of map."""
    for width, height in sizes:
        for kind in SHAPES:
            alpha = shape(kind, width, height)
            measured: dict[str, list[list[float]]] = {"perfect": [], "network": []}
            for foreground, background in PHOTOS:
                photo = as_photographed(composed(alpha, foreground, background), noise)
                for name, values in (("perfect", reduced(alpha)), ("network", model.trace(photo).refined)):
                    saliency = enlarged(values, alpha.shape[::-1])
                    start = time.perf_counter()
                    after = matted(photo, saliency)
                    seconds = time.perf_counter() - start
                    band = (trimap_of(at_brn_resolution(alpha)) == 0.5) | (trimap_of(saliency) == 0.5)
                    maps = (saliency, guided(photo, values), after)
                    errors = [float(np.abs(alpha_map - alpha)[band].mean()) for alpha_map in maps]
                    measured[name].append([*errors, *map(edge_width, maps), seconds])
            for name, photo_errors in measured.items():
                means = np.mean(photo_errors, 0)
                errors, widths, seconds = means[:3], means[3:6], means[6]
                numbers = [*(f"{error:.3f}" for error in errors), *(f"{edge:.1f}" for edge in widths), f"{seconds:.1f}"]
                yield [f"{width}×{height}", kind, name, *numbers]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true", help="also 12 megapixels")
    parser.add_argument("--noise", type=float, default=0, help="of the photos, as JPEGs; standard deviation, of 255")
    options = parser.parse_args()
    sizes = (SIZE, LARGE) if options.large else (SIZE,)
    columns = ["size", "object", "map", "error", "guided", "matting", "edge", "guided", "matting", "seconds"]
    print(table(columns, list(rows(DGRL.from_pretrained(), sizes, options.noise))))
    print(f"\nlargest memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


if __name__ == "__main__":
    main()
