"""Every picture of a trace, for the app, the notebooks and the reports alike.

Two kinds of pure functions. `shrink`, `resize_map`, `colour`, `overlay` and `mark` give (H, W, 3) uint8 arrays in
milliseconds: the app redraws with them. `weight_maps`, `time_steps`, `refinement`, `kernel` and `kernel_field` give
Matplotlib figures with colour bars and units, ready for a page. They use no pyplot, so threads may draw at once.
"""

import io
import itertools
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch.nn import functional as F

from dgrl.images import RGB
from dgrl.trace import PixelTrace, Trace

# All safe for colour-blind people: two are monotone in lightness, the signed one is white at zero, blue and red beside.
WEIGHTS = "magma"
SALIENCY = "gray"
SPREAD = "viridis"
SIGNED = "RdBu_r"

ARROW_CELL = 12
ARROW_INK = "#0b3d91"
BOUNDARY_RANGE = 0.2

Map = NDArray[np.floating[Any]]


def shrink(photo: RGB, longest: int) -> RGB:
    """The photo (H, W, 3), made smaller if its longer side exceeds `longest` pixels."""
    return fit(photo, longest) if max(photo.shape[:2]) > longest else photo


def fit(photo: RGB, longest: int) -> RGB:
    """The photo (H, W, 3) with its longer side made `longest` pixels, smaller or larger."""
    height, width = photo.shape[:2]
    factor = longest / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.BILINEAR, reducing_gap=2))


def resize_map(values: Map, height: int, width: int, aligned: bool = False) -> NDArray[np.float32]:
    """A map (h, w) as (height, width), bilinear.

    `aligned` puts the corner cells' centres on the corners, as RLN does with its weight maps.
    """
    maps = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))[None, None]
    if aligned:
        resized = F.interpolate(maps, size=(height, width), mode="bilinear", align_corners=True)
    else:
        resized = F.interpolate(maps, size=(height, width), mode="bilinear", antialias=True)
    array: NDArray[np.float32] = resized[0, 0].numpy()
    return array


def largest(*maps: Map) -> float:
    """The largest absolute value in the maps: the limit of a signed scale, which is then the same for all of them."""
    return max((float(np.abs(values).max()) for values in maps), default=0.0) or 1.0


def weight_limit(trace: Trace, level: str) -> float:
    """The largest weight of a level over all time steps: one scale for a column of maps, so that steps compare."""
    return largest(*(step.weight_maps[level] for step in trace.steps))


def changes(trace: Trace) -> list[NDArray[np.float32]]:
    """Each time step's prediction minus the one before, for t = 1 … T, in [−1, 1]."""
    predictions = [step.saliency for step in trace.steps]
    return [after - before for before, after in itertools.pairwise(predictions)]


def colour(values: Map, low: float, high: float, colour_map: str = SALIENCY) -> RGB:
    """A map (H, W) as colours (H, W, 3); `low` and `high` are the ends of the scale, values beyond them are clipped."""
    span = high - low if high > low else 1.0
    index = np.clip((values - low) / span * 256, 0, 255).astype(np.uint8)
    colours: RGB = _palette(colour_map)[index]
    return colours


def overlay(photo: RGB, colours: RGB, opacity: float) -> RGB:
    """Colours (H, W, 3) over the photo in grey, so that every colour seen is the map's."""
    grey = np.asarray(Image.fromarray(photo).convert("L"), dtype=np.float32)[:, :, None]
    blended: RGB = np.rint(grey * (1 - opacity) + colours * opacity).astype(np.uint8)
    return blended


def pale(photo: RGB) -> RGB:
    """The photo in light grey, to draw on."""
    return overlay(photo, photo, 0.0) // 2 + 127


def mark(picture: RGB, x: int, y: int) -> RGB:
    """A copy of the picture with a ring around pixel (x, y), black in white, to be seen on anything."""
    height, width = picture.shape[:2]
    radius = max(6, max(height, width) // 60)
    rows, columns = np.ogrid[:height, :width]
    distance = np.hypot(columns - x, rows - y)
    marked: RGB = picture.copy()
    marked[np.abs(distance - radius) < radius / 3] = 255
    marked[np.abs(distance - radius) < radius / 7] = 0
    return marked


@dataclass(frozen=True)
class Arrows:
    """Where kernels near boundaries draw from: pixels of BRN's map (k,) and their mean displacements in pixels (k,)."""

    x: NDArray[np.intp]
    y: NDArray[np.intp]
    shift_x: NDArray[np.float32]
    shift_y: NDArray[np.float32]

    @property
    def longest(self) -> float:
        """The longest displacement, in pixels of BRN's map."""
        return float(np.hypot(self.shift_x, self.shift_y).max(initial=0))


def boundary_arrows(trace: Trace) -> Arrows:
    """One arrow in each cell of 12×12 pixels through which a boundary of the prior passes, where it is steepest."""
    prior = torch.from_numpy(trace.prior)[None, None]
    n = trace.kernel_size
    highest = F.max_pool2d(prior, n, 1, n // 2)
    lowest = -F.max_pool2d(-prior, n, 1, n // 2)
    steepest, index = F.max_pool2d(highest - lowest, ARROW_CELL, ceil_mode=True, return_indices=True)
    chosen = index[steepest > BOUNDARY_RANGE].numpy()
    y, x = np.unravel_index(chosen, trace.prior.shape)
    return Arrows(x, y, trace.kernel_field.shift_x[y, x], trace.kernel_field.shift_y[y, x])


def arrow_picture(trace: Trace, photo: RGB) -> tuple[RGB, float]:
    """The arrows drawn on the pale photo, a cell long for one pixel of displacement, and the longest displacement."""
    arrows = boundary_arrows(trace)
    height, width = photo.shape[:2]
    across, down = width / trace.prior.shape[1], height / trace.prior.shape[0]
    image = Image.fromarray(pale(photo))
    pen = ImageDraw.Draw(image)
    thick = max(1, max(height, width) // 400)
    for x, y, shift_x, shift_y in zip(arrows.x, arrows.y, arrows.shift_x, arrows.shift_y, strict=True):
        start = np.array([(x + 0.5) * across, (y + 0.5) * down])
        end = start + np.array([shift_x * across, shift_y * down]) * ARROW_CELL
        pen.line([*start, *end], fill=ARROW_INK, width=thick)
        pen.circle(tuple(start), thick, fill=ARROW_INK)
    return np.asarray(image), arrows.longest


def weight_maps(trace: Trace, opacity: float = 0.65) -> Figure:
    """Every CWM weight map over the photo: a row for each time step, a column for each level with its own scale."""
    photo = shrink(trace.photo, 480)
    levels = list(trace.steps[0].weight_maps)
    if not levels:
        return _message("This network has no Contextual Weighting Module, so there are no weight maps.")
    figure, axes = _grid(photo, len(trace.steps), len(levels))
    for column, level in enumerate(levels):
        limit = weight_limit(trace, level)
        for row, step in enumerate(trace.steps):
            weights = step.weight_maps[level]
            spread_out = resize_map(weights, photo.shape[0], photo.shape[1], aligned=True)
            colours = colour(spread_out, 0, limit, WEIGHTS)
            _show(axes[row, column], overlay(photo, colours, opacity))
            if column == 0:
                axes[row, column].set_ylabel(f"t = {step.t}")
        height, width = trace.steps[0].weight_maps[level].shape
        axes[0, column].set_title(f"{level} ({width}×{height})")
        _colour_bar(figure, axes[:, column], WEIGHTS, 0, limit, "weight (mean 1)")
    return figure


def time_steps(trace: Trace) -> Figure:
    """Each time step's prediction, and below it the change from the step before."""
    photo = shrink(trace.photo, 480)
    differences = changes(trace)
    figure, axes = _grid(photo, 2 if differences else 1, len(trace.steps) + 1, bar_beside=True)
    _show(axes[0, 0], photo, "photo")
    for step, ax in zip(trace.steps, axes[0, 1:], strict=True):
        _show_map(ax, step.saliency, photo, 0, 1, SALIENCY, f"t = {step.t}")
    _colour_bar(figure, axes[0, :], SALIENCY, 0, 1, "saliency", location="right")
    if differences:
        limit = largest(*differences)
        axes[1, 0].axis("off")
        axes[1, 1].axis("off")
        for t, (difference, ax) in enumerate(zip(differences, axes[1, 2:], strict=True), start=1):
            title = f"t = {t} minus t = {t - 1}\nmean |change| {np.abs(difference).mean():.4f}"
            _show_map(ax, difference, photo, -limit, limit, SIGNED, title)
        _colour_bar(figure, axes[1, :], SIGNED, -limit, limit, "change", location="right")
    return figure


def refinement(trace: Trace) -> Figure:
    """The map before BRN and after it, and where it changed."""
    photo = shrink(trace.photo, 480)
    change = trace.refined - trace.prior
    limit = largest(change)
    figure, axes = _grid(photo, 1, 4)
    _show(axes[0, 0], photo, "photo")
    _show_map(axes[0, 1], trace.prior, photo, 0, 1, SALIENCY, "before BRN (prior)")
    _show_map(axes[0, 2], trace.refined, photo, 0, 1, SALIENCY, "after BRN (refined)")
    _show_map(axes[0, 3], change, photo, -limit, limit, SIGNED, "after − before")
    _colour_bar(figure, axes[0, 1:3], SALIENCY, 0, 1, "saliency")
    _colour_bar(figure, axes[0, 3:], SIGNED, -limit, limit, "change")
    return figure


def kernel(pixel: PixelTrace) -> Figure:
    """How BRN made one pixel: coefficients, neighbours and products in the n×n window, with every number."""
    n = len(pixel.coefficients)
    limit = largest(pixel.coefficients)
    panels = [
        ("coefficients v", "coefficient", pixel.coefficients, SIGNED, -limit, limit),
        ("neighbours s", "saliency", pixel.neighbours, SALIENCY, 0.0, 1.0),
        ("foreground v · s", "product", pixel.foreground_products, SIGNED, -limit, limit),
        ("background v · (1 − s)", "product", pixel.background_products, SIGNED, -limit, limit),
    ]
    side = max(2.6, 0.55 * n)
    figure = Figure(figsize=(4 * side, side + 1.5), layout="constrained")
    offsets = [f"{d:+d}" if d else "0" for d in range(-(n // 2), n // 2 + 1)]
    for ax, (title, unit, values, colour_map, low, high) in zip(figure.subplots(1, 4), panels, strict=True):
        colours = colour(values, low, high, colour_map)
        ax.imshow(colours)
        ax.set_title(title, fontsize="medium")
        ax.set_xticks(range(n), offsets)
        ax.set_yticks(range(n), offsets)
        for (row, column), value in np.ndenumerate(values):
            ink = "black" if luminance(colours[row, column]) > 0.5 else "white"
            ax.text(column, row, number(value), ha="center", va="center", color=ink, fontsize=8)
        _colour_bar(figure, ax, colour_map, low, high, unit)
    figure.suptitle(f"Pixel ({pixel.x}, {pixel.y}) of the photo, ({pixel.column}, {pixel.row}) of BRN's map")
    figure.supxlabel("    ".join(arithmetic(pixel)), fontsize=9)
    return figure


def kernel_field(trace: Trace) -> Figure:
    """All kernels at a glance: centre weight, spread, and near boundaries arrows to where a pixel draws from."""
    photo = shrink(trace.photo, 480)
    field = trace.kernel_field
    limit, spread = largest(field.centre), largest(field.spread)
    figure, axes = _grid(photo, 1, 3)
    _show_map(axes[0, 0], field.centre, photo, -limit, limit, SIGNED, "centre coefficient")
    _colour_bar(figure, axes[0, :1], SIGNED, -limit, limit, "coefficient")
    _show_map(axes[0, 1], field.spread, photo, 0, spread, SPREAD, "spread")
    _colour_bar(figure, axes[0, 1:2], SPREAD, 0, spread, "root mean square distance, pixels")
    arrows = boundary_arrows(trace)
    _show(axes[0, 2], pale(photo), "where edge pixels draw from")
    across, down = photo.shape[1] / trace.prior.shape[1], photo.shape[0] / trace.prior.shape[0]
    x, y = (arrows.x + 0.5) * across, (arrows.y + 0.5) * down
    # Angles and lengths in the photo's own axes; a displacement of one pixel is drawn as long as a cell.
    drawn = {"angles": "xy", "scale_units": "xy", "scale": 1 / ARROW_CELL, "width": 0.004, "color": ARROW_INK}
    axes[0, 2].quiver(x, y, arrows.shift_x * across, arrows.shift_y * down, **drawn)
    axes[0, 2].set_xlabel(f"drawn {ARROW_CELL} times as long;\nthe longest is {arrows.longest:.2f} pixels")
    return figure


def arithmetic(pixel: PixelTrace) -> list[str]:
    """The sums that give the refined value, a line of text each."""
    evidence = pixel.foreground - pixel.background
    return [
        f"foreground = Σ v·s = {number(pixel.foreground, 4)}",
        f"background = Σ v·(1 − s) = {number(pixel.background, 4)}",
        f"refined = sigmoid(foreground − background) = sigmoid({number(evidence, 4)}) = {number(pixel.refined, 4)}",
        f"before BRN: {number(pixel.prior, 4)}",
    ]


def png(figure: Figure, dpi: int = 130) -> bytes:
    """The figure as a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def number(value: float, decimals: int = 2) -> str:
    """A number with its decimals, and never a negative zero."""
    return f"{round(float(value), decimals) + 0.0:.{decimals}f}"


def luminance(rgb: NDArray[np.uint8]) -> float:
    """How light a colour (3,) is, in [0, 1]: whether black or white is legible on it."""
    return float(rgb @ np.array([0.2126, 0.7152, 0.0722]) / 255)


def _palette(colour_map: str) -> NDArray[np.uint8]:
    """(256, 3): a colour map's colours."""
    palette: NDArray[np.uint8] = matplotlib.colormaps[colour_map].resampled(256)(np.arange(256), bytes=True)[:, :3]
    return palette


def _grid(photo: RGB, rows: int, columns: int, bar_beside: bool = False) -> tuple[Figure, NDArray[np.object_]]:
    """A figure whose axes (rows, columns) have the photo's shape, with room for colour bars below, or beside."""
    # A very long picture gets a figure of bounded size.
    ratio = float(np.clip(photo.shape[0] / photo.shape[1], 0.2, 3))
    width = 2.6 * columns + (1.2 if bar_beside else 0.2)
    height = (2.6 * ratio + 0.4) * rows + (0.1 if bar_beside else 0.8)
    figure = Figure(figsize=(width, height), layout="compressed")
    axes: NDArray[np.object_] = figure.subplots(rows, columns, squeeze=False)
    return figure, axes


def _show(ax: Axes, picture: RGB, title: str = "") -> None:
    ax.imshow(picture)
    ax.set(xticks=[], yticks=[])
    if title:
        ax.set_title(title, fontsize="medium")


def _show_map(ax: Axes, values: Map, photo: RGB, low: float, high: float, colour_map: str, title: str) -> None:
    """A map in the photo's proportions."""
    _show(ax, colour(resize_map(values, *photo.shape[:2]), low, high, colour_map), title)


def _colour_bar(
    figure: Figure, axes: Any, colour_map: str, low: float, high: float, label: str, location: str = "bottom"
) -> None:
    scale = ScalarMappable(Normalize(low, high), colour_map)
    figure.colorbar(scale, ax=axes, location=location, label=label, shrink=0.9)


def _message(text: str) -> Figure:
    figure = Figure(figsize=(6, 1.2), layout="constrained")
    figure.text(0.5, 0.5, text, ha="center", va="center")
    return figure
