"""Figures of attributions: red parts raise the explained value, blue ones lower it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dgrl.attribution.attribute import Attribution
from dgrl.attribution.evidence import blurred
from dgrl.attribution.question import CellTarget
from dgrl.figures.layout import DRAWN_LENGTH, caption, colour_bar, grid, show
from dgrl.figures.pixels import SIGNED, colour, largest, pale, resize_map, shrink
from dgrl.images import RGB

SMOOTHING = 1 / 96
TITLES = {"integrated_gradients": "Integrated Gradients", "occlusion": "Occlusion", "grad_cam": "Layer Grad-CAM"}


@dataclass(frozen=True)
class AttributionLayer:
    """An attribution as drawn.

    Attributes:
        values: (S, S) float32, signed, in the label's units.
        limit: the end of the scale, which starts at −limit; a few pixels may be beyond it.
        label: what the scale means.
    """

    values: NDArray[np.float32]
    limit: float
    label: str

    def over(self, photo: RGB) -> RGB:
        """Draw the map in colours over the pale photo, which is unchanged where the map is 0."""
        values = resize_map(self.values, *photo.shape[:2])
        ink = colour(values, -self.limit, self.limit, SIGNED).astype(np.uint16)
        printed: RGB = (ink * pale(photo) // 255).astype(np.uint8)
        return printed


def attribution_layer(attribution: Attribution) -> AttributionLayer:
    """Convert an attribution to readable units.

    Integrated Gradients speckle, since neighbouring pixels share the credit at random: their sum over a small
    neighbourhood (Gaussian, a hundredth of the side) is drawn. Grad-CAM has no units: it is drawn as shares of its
    strongest place.
    """
    unit = "attention" if isinstance(attribution.target, CellTarget) else "evidence (log-odds)"
    values = attribution.square
    if attribution.method == "integrated_gradients":
        smooth = blurred(torch.from_numpy(values)[None], SMOOTHING * len(values))
        values = smooth[0].numpy() * np.float32(values.size / 100)
        label = f"{unit} added by 1 % of the photo's area"
        # A few pixels beyond the scale, so that the others show.
        return AttributionLayer(values, float(np.quantile(np.abs(values), 0.998)) or largest(values), label)
    if attribution.method == "occlusion":
        return AttributionLayer(values, largest(values), f"{unit} lost when this part is blurred")
    return AttributionLayer(values / largest(values), 1.0, "share of the strongest part")


def attributions(photo: RGB, found: Sequence[Attribution], titles: Sequence[str] | None = None) -> Figure:
    """Draw attributions over one photo side by side, each with its own scale; the default titles are the methods."""
    photo = shrink(photo, DRAWN_LENGTH)
    figure, axes = grid(photo, 1, len(found) + 1)
    show(axes[0, 0], photo, "photo")
    titles = titles or [TITLES[attribution.method] for attribution in found]
    for ax, attribution, title in zip(axes[0, 1:], found, titles, strict=True):
        layer = attribution_layer(attribution)
        show(ax, layer.over(photo), title)
        colour_bar(figure, ax, SIGNED, -layer.limit, layer.limit, layer.label)
    caption(figure, "Red parts raise the explained value, blue ones lower it.")
    return figure
