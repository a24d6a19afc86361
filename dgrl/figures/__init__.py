"""Figures for the app, the notebooks and the reports.

| file | what it gives |
|---|---|
| `pixels` | (H, W, 3) uint8 arrays in milliseconds: the app and the explorer redraw with them |
| `layers` | the maps of a time step, each with its scale and colours |
| `tables` | a picture inside a page |
| `kernels` | BRN's kernels over the photo, and a pixel close up |
| `localise`, `refine`, `compare` | Matplotlib figures with colour bars, units and captions, ready for a page |
| `attribution`, `evaluation` | the same of an attribution or evaluation; imported by name, they bring more |
| `training` | a run's loss, and a few pictures as it sees them; imported by name |
| `notebook` | a figure with alternative text; imported by name |
| `page` | what all figures share, and `save` |

All are pure functions. None uses pyplot, so threads may draw at once. Figures need Matplotlib (the extra `report`),
which is imported on first use; `pixels`, `layers`, `tables` and `kernels` do not need it.
"""

import importlib
from typing import TYPE_CHECKING

from dgrl.extras import require
from dgrl.figures.layers import CHANGE as CHANGE
from dgrl.figures.layers import KINDS as KINDS
from dgrl.figures.layers import PREDICTION as PREDICTION
from dgrl.figures.layers import REFINED as REFINED
from dgrl.figures.layers import REFINEMENT as REFINEMENT
from dgrl.figures.layers import Layer as Layer
from dgrl.figures.layers import changes as changes
from dgrl.figures.layers import layer as layer
from dgrl.figures.layers import weight_limit as weight_limit
from dgrl.figures.pixels import SALIENCY as SALIENCY
from dgrl.figures.pixels import SIGNED as SIGNED
from dgrl.figures.pixels import SPREAD as SPREAD
from dgrl.figures.pixels import WEIGHTS as WEIGHTS
from dgrl.figures.pixels import Map as Map
from dgrl.figures.pixels import colour as colour
from dgrl.figures.pixels import fit as fit
from dgrl.figures.pixels import largest as largest
from dgrl.figures.pixels import luminance as luminance
from dgrl.figures.pixels import mark as mark
from dgrl.figures.pixels import number as number
from dgrl.figures.pixels import overlay as overlay
from dgrl.figures.pixels import pale as pale
from dgrl.figures.pixels import png_file as png_file
from dgrl.figures.pixels import resize_map as resize_map
from dgrl.figures.pixels import shrink as shrink
from dgrl.figures.tables import embedded as embedded

if TYPE_CHECKING:
    from dgrl.figures.compare import ablation as ablation
    from dgrl.figures.compare import comparison as comparison
    from dgrl.figures.compare import overview as overview
    from dgrl.figures.compare import side_by_side as side_by_side
    from dgrl.figures.layout import jpeg as jpeg
    from dgrl.figures.layout import png as png
    from dgrl.figures.layout import save as save
    from dgrl.figures.layout import svg as svg
    from dgrl.figures.localise import time_steps as time_steps
    from dgrl.figures.localise import weight_maps as weight_maps
    from dgrl.figures.refine import arithmetic as arithmetic
    from dgrl.figures.refine import kernel as kernel
    from dgrl.figures.refine import kernel_field as kernel_field
    from dgrl.figures.refine import refinement as refinement

_HOMES = {
    "ablation": "compare",
    "comparison": "compare",
    "overview": "compare",
    "side_by_side": "compare",
    "jpeg": "layout",
    "png": "layout",
    "save": "layout",
    "svg": "layout",
    "time_steps": "localise",
    "weight_maps": "localise",
    "arithmetic": "refine",
    "kernel": "refine",
    "kernel_field": "refine",
    "refinement": "refine",
}


def __getattr__(name: str) -> object:
    """Import what draws with Matplotlib on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'dgrl.figures' has no attribute {name!r}")
    require("report")
    return getattr(importlib.import_module(f"dgrl.figures.{_HOMES[name]}"), name)
