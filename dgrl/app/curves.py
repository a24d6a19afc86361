"""The measured maps of one photo as files to keep: scores and curves as CSV, precision over recall as a figure."""

import csv
import io
from collections.abc import Iterable, Mapping
from itertools import cycle

from matplotlib.figure import Figure

from dgrl.evaluation import REFINED
from dgrl.metrics import CURVES, METRICS, THRESHOLDS, Measured

# Okabe and Ito's colours, told apart by colour-blind people; every curve has a dash pattern of its own besides.
INKS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
DASHES = ("--", "-.", ":", (0, (8, 2, 1, 2)), (0, (1, 3)))
REFINED_INK = "#000000"


def name_of(kind: str) -> str:
    """The name of a kind of map for people: "t = 2" for "t2"."""
    return "after BRN" if kind == REFINED else f"t = {kind[1:]}"


def curves_figure(measured: Mapping[str, Measured]) -> Figure:
    """Precision over recall at 256 thresholds, a line for each kind of map; that after BRN is solid and black."""
    figure = Figure(figsize=(6, 4.6), layout="constrained")
    axes = figure.subplots()
    styles = zip(cycle(INKS), cycle(DASHES), strict=False)
    for kind, one in measured.items():
        ink, dashes = (REFINED_INK, "-") if kind == REFINED else next(styles)
        curves = one.curves()
        axes.plot(curves["recall"], curves["precision"], color=ink, ls=dashes, lw=1.8, label=name_of(kind))
    axes.set(xlabel="recall", ylabel="precision", xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    axes.grid(color="0.9")
    axes.set_axisbelow(True)
    figure.legend(loc="outside upper center", ncols=4, frameon=False)
    return figure


def svg(figure: Figure) -> bytes:
    """The figure as an SVG file: sharp at every size."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def scores_table(scores: Mapping[str, Mapping[str, float]]) -> bytes:
    """The scores as CSV: a row for each kind of map."""
    return _table(["map", *METRICS], ([kind, *(row[metric] for metric in METRICS)] for kind, row in scores.items()))


def curves_table(measured: Mapping[str, Measured]) -> bytes:
    """The curves as CSV: a row for each kind of map and threshold."""
    rows = (
        [kind, (THRESHOLDS - 1 - i) / (THRESHOLDS - 1), *(curve[i] for curve in one.curves().values())]
        for kind, one in measured.items()
        for i in range(THRESHOLDS)
    )
    return _table(["map", "threshold", *CURVES], rows)


def _table(header: list[str], rows: Iterable[list[object]]) -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue().encode()
