"""The measured maps of one photo as tables to keep: scores and curves as CSV."""

import csv
import io
from collections.abc import Iterable, Mapping

from dgrl.evaluation.evaluate import REFINED
from dgrl.evaluation.metrics import CURVES, METRICS, THRESHOLDS, Measured


def name_of(kind: str) -> str:
    """The name of a kind of map for people: "t = 2" for "t2"."""
    return "after BRN" if kind == REFINED else f"t = {kind[1:]}"


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
