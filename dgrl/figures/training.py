"""Figures of a training run: its loss, and its maps of a few pictures."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dgrl.figures.pixels import Map, colour, largest, overlay, resize_map
from dgrl.images import RGB


def loss_curve(losses: Sequence[tuple[int, float]]) -> Figure:
    """Plot the loss by update: each value (thin) and the moving average over a twentieth of the run (thick)."""
    figure = Figure(figsize=(6, 2.5), layout="constrained")
    ax = figure.subplots()
    if losses:
        updates, values = np.array(losses).T
        window = max(1, len(values) // 20)
        ax.plot(updates, values, linewidth=0.5, alpha=0.5)
        ax.plot(updates[window - 1 :], np.convolve(values, np.ones(window) / window, "valid"), color="C0", linewidth=2)
    ax.set(xlabel="update", ylabel="loss", title="Training loss")
    return figure


def run_curves(losses: Sequence[tuple[int, float]], validations: Sequence[Mapping[str, Any]]) -> Figure:
    """Plot side by side the loss by update, and each validation's hold-out error of every look and after BRN."""
    figure = Figure(figsize=(10, 2.7), layout="constrained")
    left, right = figure.subplots(1, 2)
    if losses:
        updates, values = np.array(losses).T
        window = max(1, len(values) // 20)
        left.plot(updates, values, linewidth=0.5, alpha=0.5)
        left.plot(updates[window - 1 :], np.convolve(values, np.ones(window) / window, "valid"), linewidth=2)
    left.set(xlabel="update", ylabel="loss", title="Training loss")
    for kind in validations[-1]["validation"]["MAE"] if validations else ():
        points = [(line["update"], line["validation"]["MAE"][kind]) for line in validations]
        right.plot(*np.array(points).T, "o-", markersize=3, label=kind)
    if validations:
        right.legend(fontsize=7)
    for ax, words in ((left, "" if losses else "no update yet"), (right, "" if validations else "no validation yet")):
        if words:
            ax.set(xticks=[], yticks=[])
            ax.text(0.5, 0.5, words, transform=ax.transAxes, ha="center", va="center", color="0.4")
    right.set(xlabel="update", ylabel="mean absolute error", title="Hold-out error of each look")
    return figure


def seen(photo: RGB, maps: Mapping[str, Map], weight_maps: Mapping[str, Map]) -> dict[str, RGB]:
    """Return a row of `rows_of_pictures`: the photo, maps in [0, 1] of its size, and weight maps over it, by title."""
    height, width = photo.shape[:2]
    pictures = {"photo": photo} | {title: colour(values, 0, 1) for title, values in maps.items()}
    for level, weights in weight_maps.items():
        colours = colour(resize_map(weights, height, width, aligned=True), 0, largest(weights), "magma")
        pictures[f"{level}: max. {weights.max():.1f}"] = overlay(photo, colours, 0.65)
    return pictures


def rows_of_pictures(rows: Sequence[Mapping[str, NDArray[np.uint8]]]) -> Figure:
    """Draw a grid of pictures, (H, W, 3) uint8 by title; all rows have the same number."""
    figure = Figure(figsize=(1.5 * len(rows[0]), 1.5 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), len(rows[0]), squeeze=False)
    for row, line in zip(axes, rows, strict=True):
        for ax, (title, picture) in zip(row, line.items(), strict=True):
            ax.imshow(picture)
            ax.set_axis_off()
            ax.set_title(title, fontsize=7)
    return figure
