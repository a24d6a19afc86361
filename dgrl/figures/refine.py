"""Figures of BRN: its change of the map, one pixel's kernel, and a summary of all kernels."""

import numpy as np
from matplotlib.figure import Figure

from dgrl.figures.kernels import edge_arrows, kernel_scale, windows
from dgrl.figures.layout import DRAWN_LENGTH, caption, colour_bar, grid, show, show_map
from dgrl.figures.pixels import SALIENCY, SIGNED, ink_on, largest, number, pale, shrink
from dgrl.trace import PixelTrace, Trace

ARROW_INK = "#0b3d91"
ARROW_LENGTH = 30


def refinement(trace: Trace) -> Figure:
    """Draw the map before and after BRN, and the change."""
    photo = shrink(trace.photo, DRAWN_LENGTH)
    change = trace.refined - trace.prior
    limit = largest(change)
    figure, axes = grid(photo, 1, 4)
    show(axes[0, 0], photo, "photo")
    show_map(axes[0, 1], trace.prior, photo, 0, 1, SALIENCY, "before BRN (prior)")
    show_map(axes[0, 2], trace.refined, photo, 0, 1, SALIENCY, "after BRN (refined)")
    show_map(axes[0, 3], change, photo, -limit, limit, SIGNED, "after − before")
    colour_bar(figure, axes[0, 1:3], SALIENCY, 0, 1, "saliency")
    colour_bar(figure, axes[0, 3:], SIGNED, -limit, limit, "change")
    n = trace.kernel_size
    text = f"The Boundary Refinement Network recomputes every pixel from its {n}×{n} neighbours"
    caption(figure, f"{text}; mean |change| {np.abs(change).mean():.4f}.")
    return figure


def kernel(pixel: PixelTrace) -> Figure:
    """Draw how BRN computed one pixel: coefficients, neighbours and products in the n×n window, with numbers."""
    n = len(pixel.coefficients)
    side = max(2.6, 0.55 * n)
    left, top, bottom = 0.45, 0.7, 1.25  # inches for rows' numbers, titles, and what stands below
    width, height = 4 * (side + left) + 0.15, top + side + bottom
    figure = Figure(figsize=(width, height))
    offsets = [f"{d:+d}" if d else "0" for d in range(-(n // 2), n // 2 + 1)]
    for place, window in enumerate(windows(pixel)):
        ax = figure.add_axes(((left + place * (side + left)) / width, bottom / height, side / width, side / height))
        colours, scale = window.colours, window.scale
        show(ax, colours, window.title)
        ax.set_xticks(range(n), offsets)
        ax.set_yticks(range(n), offsets)
        for (row, column), value in np.ndenumerate(window.values):
            ink = ink_on(colours[row, column])
            ax.text(column, row, number(value), ha="center", va="center", color=ink, fontsize=8)
        colour_bar(figure, ax, scale.colour_map, scale.low, scale.high, window.unit, below=0.42)
    title = f"Pixel ({pixel.x}, {pixel.y}) of the photo, ({pixel.column}, {pixel.row}) of BRN's map"
    figure.suptitle(title, y=1 - 0.08 / height)
    figure.text(0.5, 0.06 / height, "    ".join(arithmetic(pixel)), ha="center", va="bottom", fontsize=9)
    return figure


def kernel_field(trace: Trace) -> Figure:
    """Draw a summary of all kernels: centre weight, spread, and along edges arrows to the weighted neighbours."""
    photo = shrink(trace.photo, DRAWN_LENGTH)
    field = trace.kernel_field
    figure, axes = grid(photo, 1, 3)
    panels = [("centre coefficient", "coefficient", field.centre), ("spread", "pixels, root mean square", field.spread)]
    for ax, (title, unit, values) in zip(axes[0], panels, strict=False):
        scale = kernel_scale(values)
        show_map(ax, values, photo, scale.low, scale.high, scale.colour_map, title)
        colour_bar(figure, ax, scale.colour_map, scale.low, scale.high, unit)
    arrows = edge_arrows(trace)
    show(axes[0, 2], pale(photo), "where edge pixels draw from")
    across, down = photo.shape[1] / trace.prior.shape[1], photo.shape[0] / trace.prior.shape[0]
    # Angles and lengths in the photo's own axes.
    arrow_plot = axes[0, 2].quiver(
        (arrows.x + 0.5) * across,
        (arrows.y + 0.5) * down,
        arrows.shift_x * across,
        arrows.shift_y * down,
        angles="xy",
        scale_units="xy",
        scale=arrows.unit / ARROW_LENGTH,
        width=0.006,
        color=ARROW_INK,
    )
    label = f"{arrows.unit:g} pixels of BRN's map"
    axes[0, 2].quiverkey(arrow_plot, 0.1, -0.09, arrows.unit * across, label, labelpos="E", coordinates="axes")
    caption(figure, "BRN's kernels: weight of the pixel itself, how far it draws from others, and from which side.")
    return figure


def arithmetic(pixel: PixelTrace) -> list[str]:
    """Return the sums that give the refined value, one line of text each."""
    evidence = pixel.foreground - pixel.background
    return [
        f"foreground = Σ v·s = {number(pixel.foreground, 4)}",
        f"background = Σ v·(1 − s) = {number(pixel.background, 4)}",
        f"refined = sigmoid(foreground − background) = sigmoid({number(evidence, 4)}) = {number(pixel.refined, 4)}",
        f"before BRN: {number(pixel.prior, 4)}",
    ]
