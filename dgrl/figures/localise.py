"""Figures of RLN: attention maps, and each time step's prediction."""

import numpy as np
from matplotlib.figure import Figure

from dgrl.figures.layers import changes, weight_limit
from dgrl.figures.layout import DRAWN_LENGTH, caption, colour_bar, grid, message, show, show_map
from dgrl.figures.pixels import SALIENCY, SIGNED, WEIGHTS, colour, largest, overlay, resize_map, shrink
from dgrl.trace import Trace


def weight_maps(trace: Trace, opacity: float = 0.65) -> Figure:
    """Draw every weight map over the photo: a row per time step, a column per level with its own scale."""
    photo = shrink(trace.photo, DRAWN_LENGTH)
    levels = list(trace.steps[0].weight_maps)
    if not levels:
        return message("This network has no Contextual Weighting Module, so there are no weight maps.")
    figure, axes = grid(photo, len(trace.steps), len(levels))
    for column, level in enumerate(levels):
        limit = weight_limit(trace, level)
        for row, step in enumerate(trace.steps):
            spread_out = resize_map(step.weight_maps[level], photo.shape[0], photo.shape[1], aligned=True)
            show(axes[row, column], overlay(photo, colour(spread_out, 0, limit, WEIGHTS), opacity))
            if column == 0:
                axes[row, column].set_ylabel(f"t = {step.t}")
        height, width = trace.steps[0].weight_maps[level].shape
        axes[0, column].set_title(f"{level} ({width}×{height})")
        colour_bar(figure, axes[:, column], WEIGHTS, 0, limit, "weight (mean 1)")
    caption(figure, "Attention maps of the contextual weighting module: 1 leaves a feature as it is, 2 doubles it.")
    return figure


def time_steps(trace: Trace) -> Figure:
    """Draw each time step's prediction, and below it the change from the step before."""
    photo = shrink(trace.photo, DRAWN_LENGTH)
    differences = changes(trace)
    figure, axes = grid(photo, 2 if differences else 1, len(trace.steps) + 1, bar_beside=True, row_titles=0.5)
    show(axes[0, 0], photo, "photo")
    for step, ax in zip(trace.steps, axes[0, 1:], strict=True):
        show_map(ax, step.saliency, photo, 0, 1, SALIENCY, f"t = {step.t}")
    colour_bar(figure, axes[0, :], SALIENCY, 0, 1, "saliency", beside=True)
    if differences:
        limit = largest(*differences)
        axes[1, 0].axis("off")
        axes[1, 1].axis("off")
        for t, (difference, ax) in enumerate(zip(differences, axes[1, 2:], strict=True), start=1):
            title = f"t = {t} minus t = {t - 1}\nmean |change| {np.abs(difference).mean():.4f}"
            show_map(ax, difference, photo, -limit, limit, SIGNED, title)
        colour_bar(figure, axes[1, :], SIGNED, -limit, limit, "change", beside=True)
    caption(figure, "RLN's prediction at each time step, and what each step changed: red more salient, blue less.")
    return figure
