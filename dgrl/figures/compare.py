"""Figures that compare: one pass, several passes, several maps, several networks' scores."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from dgrl.figures.layers import weight_limit
from dgrl.figures.layout import DRAWN_LENGTH, caption, colour_bar, grid, show, show_map
from dgrl.figures.pixels import SALIENCY, WEIGHTS, Map, colour, largest, overlay, resize_map, shrink
from dgrl.images import RGB
from dgrl.taps import LEVELS
from dgrl.trace import Trace


def overview(trace: Trace, opacity: float = 0.65) -> Figure:
    """Draw one pass: photo, each time step's weight maps and prediction, and the map after BRN."""
    rows = [(f"t = {step.t}", trace, step.t) for step in trace.steps]
    figure = _passes(rows, opacity)
    caption(figure, "One pass: from the photo through the weight maps and prediction of each time step to the result.")
    return figure


def comparison(traces: Mapping[str, Trace], opacity: float = 0.65) -> Figure:
    """Draw passes by name, one row each: photo, the last step's weight maps and prediction, and the map after BRN."""
    rows = [(name, trace, len(trace.steps) - 1) for name, trace in traces.items()]
    figure = _passes(rows, opacity)
    caption(figure, "The last time step and the result of each pass; a column has one scale.")
    return figure


def _passes(rows: Sequence[tuple[str, Trace, int]], opacity: float) -> Figure:
    """Draw a row for each (name, trace, time step)."""
    levels = [level for level in LEVELS if any(level in trace.steps[t].weight_maps for _, trace, t in rows)]
    having = {level: [trace for _, trace, _ in rows if level in trace.steps[0].weight_maps] for level in levels}
    limits = {level: max(weight_limit(trace, level) for trace in traces) for level, traces in having.items()}
    figure, axes = grid(shrink(rows[0][1].photo, DRAWN_LENGTH), len(rows), len(levels) + 3)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[], frame_on=False)
    for title, ax in zip(["photo", *levels, "prediction"], axes[0], strict=False):
        ax.set_title(title, fontsize="medium")
    first_refined = next(row for row, (_, trace, t) in enumerate(rows) if t == len(trace.steps) - 1)
    axes[first_refined, -1].set_title("after BRN", fontsize="medium")
    for row, (name, trace, t) in enumerate(rows):
        photo, step = shrink(trace.photo, DRAWN_LENGTH), trace.steps[t]
        if row == 0 or rows[row - 1][1] is not trace:
            show(axes[row, 0], photo)
        axes[row, 0].set_ylabel(name)
        for ax, level in zip(axes[row, 1:], levels, strict=False):
            if level in step.weight_maps:
                weights = resize_map(step.weight_maps[level], photo.shape[0], photo.shape[1], aligned=True)
                show(ax, overlay(photo, colour(weights, 0, limits[level], WEIGHTS), opacity))
        show_map(axes[row, -2], step.saliency, photo, 0, 1, SALIENCY)
        if t == len(trace.steps) - 1:
            show_map(axes[row, -1], trace.refined, photo, 0, 1, SALIENCY)
    for column, level in enumerate(levels, start=1):
        colour_bar(figure, axes[:, column], WEIGHTS, 0, limits[level], "weight (mean 1)")
    colour_bar(figure, axes[:, -2:], SALIENCY, 0, 1, "saliency")
    return figure


def side_by_side(
    rows: Sequence[tuple[RGB, Mapping[str, Map]]],
    low: float = 0,
    high: float | None = 1,
    colour_map: str = SALIENCY,
    unit: str = "saliency",
    aligned: bool = False,
) -> Figure:
    """Draw a row for each photo (H, W, 3) and its maps (h, w), on one scale, with the first row's names above.

    Args:
        rows: photos with their maps.
        low, high: ends of the scale; `None` is the largest value of all maps.
        colour_map: `SALIENCY`, `WEIGHTS`, `SPREAD` or `SIGNED`.
        unit: what the colour bar says.
        aligned: see `resize_map`.
    """
    high = largest(*(values for _, maps in rows for values in maps.values())) if high is None else high
    names = list(rows[0][1])
    figure, axes = grid(shrink(rows[0][0], DRAWN_LENGTH), len(rows), len(names) + 1)
    for title, ax in zip(["photo", *names], axes[0], strict=True):
        ax.set_title(title, fontsize="medium")
    for (picture, maps), row in zip(rows, axes, strict=True):
        photo = shrink(picture, DRAWN_LENGTH)
        show(row[0], photo)
        for ax, values in zip(row[1:], maps.values(), strict=True):
            resized = resize_map(values, photo.shape[0], photo.shape[1], aligned)
            show(ax, colour(resized, low, high, colour_map))
    colour_bar(figure, axes[:, 1:], colour_map, low, high, unit)
    return figure


def ablation(scores: Mapping[str, Mapping[str, float]], metrics: Sequence[str] = ("MAE", "maxF", "S")) -> Figure:
    """Draw scores of several variants of a network: a panel per metric, a row per variant, the best one filled."""
    names = list(scores)
    figure = Figure(figsize=(2.2 + 2.4 * len(metrics), 1.3 + 0.32 * len(names)), layout="constrained")
    panels = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
    rows = np.arange(len(names))
    for ax, metric in zip(panels, metrics, strict=True):
        values = np.array([scores[name][metric] for name in names])
        lower_is_better = metric == "MAE"
        best = values.argmin() if lower_is_better else values.argmax()
        ax.plot(values, rows, "o", color="#0b3d91", markerfacecolor="white", markersize=6)
        ax.plot(values[best], rows[best], "o", color="#0b3d91", markersize=6)
        for row, value in enumerate(values):
            ax.annotate(f"{value:.4f}", (value, row), (0, 5), textcoords="offset points", ha="center", fontsize=8)
        ax.set_title(f"{metric} ({'lower' if lower_is_better else 'higher'} is better)", fontsize="medium")
        ax.set_yticks(rows, names)
        ax.set_ylim(len(names) - 0.5, -0.8)
        ax.grid(axis="y", color="0.9")
        ax.margins(x=0.2)
        ax.set_xticks([])  # every value stands beside its dot
        ax.spines[:].set_visible(False)
        ax.tick_params(left=False)
    figure.supxlabel("What each part adds; the best variant of a panel is filled.", fontsize=8.5, color="0.25")
    return figure
