"""Two passes side by side, as the What if tab shows them: a map of both, their difference, and a table of readings."""

import numpy as np

from dgrl.app.parts import picture_file
from dgrl.app.runs import View
from dgrl.evaluation.comparison import Comparison
from dgrl.figures import PREDICTION, REFINED, SIGNED, Layer, largest, layer, legend, number, on_one_scale, reading_table
from dgrl.taps import LEVELS

LAST = -1
SHOWN = (REFINED, PREDICTION, *LEVELS)


def draw(view: View, altered: View, shown: str, at: int) -> tuple[str | None, ...]:
    """The untouched map, the altered one and their difference: each a file and its colour scale as HTML."""
    before, after = on_one_scale([shown_layer(each, shown, at) for each in (view, altered)])
    difference = None
    if before and after and before.values.shape == after.values.shape:
        values = after.values - before.values
        limit = largest(values)
        label = f"altered − untouched, mean |change| {np.abs(values).mean():.4f}"
        difference = Layer(values, -limit, limit, SIGNED, label, after.aligned)
    drawn: list[str | None] = []
    for name, found in (("untouched", before), ("altered", after), ("difference", difference)):
        if found is None:
            drawn += [None, f"There is no {shown} at t = {at} in both passes." if name == "difference" else "None."]
            continue
        # Saliency and differences in pure colours; weights over the photo, as in the Localise tab.
        opacity = 0.65 if shown in LEVELS and name != "difference" else 1
        picture = picture_file(found.over(view.photo, opacity), f"{name}_{shown.replace(' ', '_')}")
        drawn += [picture, legend(found.colour_map, found.low, found.high, found.label)]
    return tuple(drawn)


def shown_layer(view: View, shown: str, at: int) -> Layer | None:
    """A map of the pass at a time step, or at its last one; None where there is none."""
    last = len(view.trace.steps) - 1
    return layer(view.trace, last if at == LAST else at, shown) if at <= last else None


def table(compared: Comparison) -> str:
    """The comparison as HTML tables, one for RLN's last step and one for after BRN."""
    tables = []
    for title, (before, after) in (("RLN's last step", compared.localised), ("After BRN", compared.refined)):
        rows = {}
        readings = (
            ("inside", before.inside, after.inside),
            ("outside", before.outside, after.outside),
            ("MAE", before.mae, after.mae),
        )
        for what, old, new in readings:
            if old is not None and new is not None:
                change = round(new - old, 4) + 0.0  # never a negative zero
                rows[what] = [number(old, 4), number(new, 4), f"{change:+.4f}"]
        tables.append(reading_table(title, ["untouched", "altered", "change"], rows, ""))
    return "<br>".join(tables)
