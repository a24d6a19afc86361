"""The maps of one photo that are scored, and CSV tables of their scores and curves."""

from collections.abc import Iterator, Mapping

import torch

from dgrl.app.runs import View
from dgrl.evaluation import metrics
from dgrl.evaluation.evaluate import REFINED
from dgrl.evaluation.metrics import CURVES, METRICS, THRESHOLDS, Measured
from dgrl.evaluation.tables import as_csv
from dgrl.network import sizing


def maps(view: View, stretch: bool) -> Iterator[tuple[str, metrics.Bytes]]:
    """Yield the name ("t0", "t1", … or "refined") and the 8-bit pixels (H, W) of each map of the pass."""
    for step in view.trace.steps:
        yield f"t{step.t}", metrics.as_bytes(view.trace.sized(step.t, stretch))
    refined = torch.from_numpy(view.trace.saliency)[None, None]
    yield REFINED, metrics.as_bytes((sizing.stretch(refined) if stretch else refined)[0, 0].numpy())


def name_of(kind: str) -> str:
    """Return a readable name for a kind of map: "t = 2" for "t2"."""
    return "after BRN" if kind == REFINED else f"t = {kind[1:]}"


def scores_table(scores: Mapping[str, Mapping[str, float]]) -> str:
    """Return the scores as CSV: a row for each kind of map."""
    return as_csv(["map", *METRICS], ([kind, *(row[metric] for metric in METRICS)] for kind, row in scores.items()))


def curves_table(measured: Mapping[str, Measured]) -> str:
    """Return the curves as CSV: a row for each kind of map and threshold."""
    rows = (
        [kind, (THRESHOLDS - 1 - i) / (THRESHOLDS - 1), *(curve[i] for curve in evaluation.curves().values())]
        for kind, evaluation in measured.items()
        for i in range(THRESHOLDS)
    )
    return as_csv(["map", "threshold", *CURVES], rows)
