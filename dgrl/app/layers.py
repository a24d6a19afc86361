"""The maps of RLN over the photo, as the Localise tab shows them: what there is, how it is coloured, what it reads."""

import numpy as np

from dgrl.app.parts import photo_point, picture_file
from dgrl.app.passes import View
from dgrl.figures import KINDS, layer, pale, reading_table, shrink

THUMBNAIL = 240


def grid(view: View, opacity: float) -> list[tuple[str, str]]:
    """Every map of every step over the photo: (file, caption), row by row, as many as there are kinds in a row."""
    photo = shrink(view.photo, THUMBNAIL)
    pictures = []
    for step in view.trace.steps:
        for kind in KINDS:
            found = layer(view.trace, step.t, kind)
            drawn = found.over(photo, opacity) if found else pale(photo)
            caption = f"t = {step.t} · {kind}" if found else f"t = {step.t} · no {kind}"
            pictures.append((picture_file(drawn, f"t{step.t}_{kind}"), caption))
    return pictures


def readings(view: View, x: int, y: int, chosen: int) -> str:
    """A table of all maps' values at the photo's pixel (x, y)."""
    height, width = view.trace.photo.shape[:2]
    across, down = (x + 0.5) / width, (y + 0.5) / height
    rows = {}
    for step in view.trace.steps:
        layers = [layer(view.trace, step.t, kind) for kind in KINDS]
        rows[f"t = {step.t}"] = [f"{found.at(across, down):.3f}" if found else "–" for found in layers]
    return reading_table(f"At column {x}, row {y} of the photo", list(KINDS), rows, f"t = {chosen}")


def brightest(view: View) -> tuple[int, int]:
    """The photo's pixel that the last time step is surest of."""
    saliency = view.trace.steps[-1].saliency
    row, column = np.unravel_index(int(saliency.argmax()), saliency.shape)
    return photo_point(view, (column, row), saliency.shape)
