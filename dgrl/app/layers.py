"""The maps of RLN over the photo, as the Localise tab shows them: what there is, how it is coloured."""

import numpy as np

from dgrl.app.parts import photo_point, picture_file
from dgrl.app.runs import View
from dgrl.figures import KINDS, layer, pale, shrink

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


def brightest(view: View) -> tuple[int, int]:
    """The photo's pixel that the last time step is surest of."""
    saliency = view.trace.steps[-1].saliency
    row, column = np.unravel_index(int(saliency.argmax()), saliency.shape)
    return photo_point(view, (column, row), saliency.shape)
