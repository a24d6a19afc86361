"""Every picture of the project, for the app, the notebooks and the reports alike.

| file | what it gives |
|---|---|
| `pixels` | (H, W, 3) uint8 arrays in milliseconds: the app and the explorer redraw with them |
| `layers` | the maps of a time step, each with its scale and colours |
| `tables` | numbers on their colours and colour scales, as HTML |
| `kernels` | BRN's kernels over the photo, and a pixel close up |
| `localise`, `refine`, `compare` | Matplotlib figures with colour bars, units and captions, ready for a page |
| `attribution`, `evaluation` | the same of an attribution or evaluation; imported by name, they bring more |
| `training` | a run's loss, and a few pictures as it sees them; imported by name |
| `page` | what all figures share, and `save` |

All are pure functions. None uses pyplot, so threads may draw at once.
"""

from dgrl.figures.compare import ablation, comparison, overview, side_by_side
from dgrl.figures.layers import (
    CHANGE,
    KINDS,
    PREDICTION,
    REFINED,
    REFINEMENT,
    Layer,
    changes,
    layer,
    on_one_scale,
    weight_limit,
)
from dgrl.figures.layout import jpeg, png, save, svg
from dgrl.figures.localise import time_steps, weight_maps
from dgrl.figures.pixels import (
    SALIENCY,
    SIGNED,
    SPREAD,
    WEIGHTS,
    Map,
    colour,
    fit,
    largest,
    luminance,
    mark,
    number,
    overlay,
    pale,
    png_file,
    resize_map,
    shrink,
)
from dgrl.figures.refine import (
    arithmetic,
    kernel,
    kernel_field,
    refinement,
)
from dgrl.figures.tables import embedded, legend, number_grid, pixel_tables, reading_table, readings

__all__ = [
    "CHANGE",
    "KINDS",
    "PREDICTION",
    "REFINED",
    "REFINEMENT",
    "SALIENCY",
    "SIGNED",
    "SPREAD",
    "WEIGHTS",
    "Layer",
    "Map",
    "ablation",
    "arithmetic",
    "changes",
    "colour",
    "comparison",
    "embedded",
    "fit",
    "jpeg",
    "kernel",
    "kernel_field",
    "largest",
    "layer",
    "legend",
    "luminance",
    "mark",
    "number",
    "number_grid",
    "on_one_scale",
    "overlay",
    "overview",
    "pale",
    "pixel_tables",
    "png",
    "png_file",
    "reading_table",
    "readings",
    "refinement",
    "resize_map",
    "save",
    "shrink",
    "side_by_side",
    "svg",
    "time_steps",
    "weight_limit",
    "weight_maps",
]
