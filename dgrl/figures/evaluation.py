"""Figures of an evaluation: precision-recall and F-measure curves of maps, the worst pictures as a contact sheet."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from dgrl.evaluation.metrics import THRESHOLDS, Bytes, Curve
from dgrl.evaluation.tally import Worst
from dgrl.images import read_image

# Okabe and Ito's colours, which colour-blind people can distinguish; in grey, the lines' styles differ.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#000000", "#d55e00")
STYLES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (8, 2, 1, 2)), (0, (1, 3)))
THUMBNAIL = 240
COLUMNS = 2


def curves_figure(curves: Mapping[str, Mapping[str, Curve]], protocol: str = "") -> Figure:
    """Draw precision over recall and F-measure over the threshold, with a line for each kind of map.

    Args:
        curves: `Evaluation.curves`, of one evaluation or merged from several.
        protocol: how the numbers were made, to stand below.
    """
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    # Without a pixel above the threshold the metrics set precision to 0; the curve starts after those thresholds.
    lowest = 1.0
    for index, (kind, curve) in enumerate(curves.items()):
        line = {"color": COLOURS[index % len(COLOURS)], "linestyle": STYLES[index % len(STYLES)]}
        left.plot(curve["recall"], curve["precision"], label=kind, **line)
        f = curve["F"][::-1]
        right.plot(np.arange(THRESHOLDS), f, label=f"{kind}: max {f.max():.3f}, mean {f.mean():.3f}", **line)
        lowest = min(lowest, float(curve["precision"].min()), float(f.min()))
    _axes(left, "recall", "precision", lowest)
    _axes(right, "threshold, of 255", "F-measure, β² = 0.3", lowest)
    left.set_xlim(0, 1)
    right.set_xlim(0, THRESHOLDS - 1)
    if protocol:
        figure.supxlabel(protocol, fontsize=8)
    return figure


def _axes(ax: Axes, across: str, up: str, lowest: float) -> None:
    ax.set(xlabel=across, ylabel=up, ylim=(np.floor(lowest * 10) / 10, 1))
    ax.grid(alpha=0.3)
    ax.legend(fontsize="small")


def precision_recall(curves: Mapping[str, Mapping[str, Curve]]) -> Figure:
    """Draw precision over recall at 256 thresholds, a line for each map by name; the last is solid and black."""
    figure = Figure(figsize=(6, 4.6), layout="constrained")
    axes = figure.subplots()
    for index, (name, curve) in enumerate(curves.items(), start=1):
        dashed = 1 + index % (len(STYLES) - 1)
        ink, style = ("black", "-") if index == len(curves) else (COLOURS[dashed - 1], STYLES[dashed])
        axes.plot(curve["recall"], curve["precision"], color=ink, linestyle=style, linewidth=1.8, label=name)
    axes.set(xlabel="recall", ylabel="precision", xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    axes.grid(color="0.9")
    axes.set_axisbelow(True)
    figure.legend(loc="outside upper center", ncols=4, frameon=False)
    return figure


def contact_sheet(worst: Sequence[Worst]) -> Figure:
    """Draw pictures, masks and maps side by side with names and MAE, for `Evaluation.worst`."""
    rows = -(-len(worst) // COLUMNS)
    figure = Figure(figsize=(6.4 * COLUMNS, 1.95 * rows + 0.5), layout="constrained")
    figure.suptitle(f"The {len(worst)} worst pictures: photo, mask, {worst[0].row.kind}")
    axes = figure.subplots(rows, 3 * COLUMNS, squeeze=False).reshape(rows * COLUMNS, 3)
    for ax in axes.flat:
        ax.axis("off")
    for error, (photo, mask, saliency) in zip(worst, axes, strict=False):
        photo.imshow(_small(Image.fromarray(read_image(error.row.pair.image))))
        mask.imshow(_small(Image.fromarray(error.row.pair.truth() * 255)), cmap="gray", vmin=0, vmax=255)
        saliency.imshow(_small(Image.fromarray(error.saliency)), cmap="gray", vmin=0, vmax=255)
        photo.set_title(_short(error.row.pair.stem), fontsize=8)
        saliency.set_title(f"MAE {error.row.scores['MAE']:.3f}", fontsize=8)
    return figure


def _small(picture: Image.Image) -> Bytes:
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    return np.asarray(picture)


def _short(name: str, longest: int = 28) -> str:
    return name if len(name) <= longest else f"{name[: longest - 8]}…{name[-7:]}"
