"""The Refine tab: how BRN recomputes every pixel from its neighbours."""

from typing import Any

import gradio as gr
import numpy as np
from gradio.events import Dependency

from dgrl.app.one_pixel import explanation, numbers
from dgrl.app.parts import (
    CLICK,
    LATEX,
    QUIET,
    Source,
    Wanted,
    checked_point,
    map_image,
    photo_point,
    picture_file,
    picture_point,
    wanted_point,
)
from dgrl.app.runs import View
from dgrl.figures import SALIENCY, SIGNED, Map, colour, largest, legend, mark, resize_map
from dgrl.figures.kernels import Arrows, Scale, arrow_picture, kernel_scale
from dgrl.images import RGB

WHAT_IT_IS = (
    "The localised map has soft edges. The **Boundary Refinement Network** (BRN) gives every pixel a small **kernel** "
    "of **propagation coefficients** and recomputes the pixel as a weighted vote of its neighbours. Click a pixel to "
    "see its vote."
)
EQUATION = r"""
With coefficients $v_{di}$ and the map before BRN, $s_{di}$, at neighbour $d$ of pixel $i$ (0 outside the photo; paper,
section 4):

$$ \mathrm{foreground}_i = \sum_d v_{di}\, s_{di}, \qquad \mathrm{background}_i = \sum_d v_{di}\,(1 - s_{di}), \qquad
\hat s_i = \sigma(\mathrm{foreground}_i - \mathrm{background}_i) $$

The coefficients are signed and need not sum to 1. The kernel field weighs each place of a window by its share of the
sum of absolute coefficients, with $o_d$ the way from the pixel to its neighbour $d$, in pixels of BRN's map:

$$ p_{di} = \frac{|v_{di}|}{\sum_e |v_{ei}|}, \qquad
\mathrm{spread}_i = \sqrt{\textstyle\sum_d p_{di} \|o_d\|^2}, \qquad \mathrm{arrow}_i = \sum_d p_{di}\, o_d $$
"""
WHAT_THE_FIELD_IS = (
    "**Arrows**, along edges: where a pixel looks on average, in pixels of BRN's map.\n\n"
    "**Centre coefficient**: how much of its own value a pixel keeps.\n\n"
    "**Spread**: how far around itself a pixel looks, root mean square, in pixels of BRN's map.\n\n"
    "Coefficients can be negative, so arrows and spread count |v|: where a pixel looks, whichever way it then votes."
)


def as_drawn(view: View, values: Map, low: float, high: float, colour_map: str) -> RGB:
    """A map of BRN in colours, in the size in which the photo is drawn."""
    height, width = view.photo.shape[:2]
    return colour(resize_map(values, height, width), low, high, colour_map)


def most_changed(view: View) -> tuple[int, int]:
    """The photo's pixel that BRN changed most."""
    pixel = view.trace.most_changed(count=1)[0]
    return pixel.x, pixel.y


def scale_legend(scale: Scale, label: str) -> str:
    """The colour bar of a map of kernels."""
    return legend(scale.colour_map, scale.low, scale.high, f"{label}; the ends are the 1st and the 99th percentile")


def arrows_legend(arrows: Arrows) -> str:
    """What the arrows say, and their scale."""
    if not len(arrows.x):
        return "The map has no edge, so there are no arrows."
    return (
        f"From its dot each of the {len(arrows.x)} arrows points to where that pixel looks. An arrow as long as the "
        f"one in the corner means {arrows.unit:g} pixels of BRN's map; the longest here means {arrows.longest:.2f}."
    )


def add(source: Source, found: Dependency) -> tuple[gr.Number, gr.Number]:
    """Lay the tab out inside the current `gr.Blocks`; it is drawn after `found`, the event of a new pass.

    Returns:
        Where column and row of the pixel are given.
    """

    gr.Markdown(WHAT_IT_IS)
    with gr.Row():
        with gr.Column(min_width=320):
            compared = gr.ImageSlider(
                label="Before and after BRN: drag the handle",
                interactive=False,
                format="png",
                max_height=440,
                buttons=["fullscreen"],
                elem_classes="map",
            )
            compared_scale = gr.HTML()
        with gr.Column(min_width=320):
            changed = map_image("Where BRN changed the map: click a pixel", "changed", pick=True)
            changed_scale = gr.HTML()
    gr.Markdown("### One pixel\nClick in any picture of this tab except the slider, or give column and row.")
    with gr.Row():
        with gr.Column(scale=2, min_width=320):
            picked = map_image("The refined map: click a pixel", "picked", pick=True)
            with gr.Row():
                x = gr.Number(label="Column x", precision=0, minimum=0, min_width=80, elem_id="pixel-x")
                y = gr.Number(label="Row y", precision=0, minimum=0, min_width=80, elem_id="pixel-y")
                ask = gr.Button("Show its kernel", size="md", min_width=200)
            with gr.Accordion("All digits", open=False):
                digits = gr.JSON(label="The pixel in numbers", open=True)
        with gr.Column(scale=3, min_width=320):
            kernel = gr.HTML(elem_id="kernel")
    gr.Markdown("### All kernels at a glance")
    with gr.Row():
        with gr.Column(min_width=320):
            arrows = map_image("Where pixels on edges look", "arrows", pick=True)
        with gr.Column(min_width=320):
            gr.Markdown(WHAT_THE_FIELD_IS)
            arrows_scale = gr.HTML()
    with gr.Row():
        with gr.Column(min_width=320):
            centre = map_image("Centre coefficient over the photo", "centre", pick=True)
            centre_scale = gr.HTML()
        with gr.Column(min_width=320):
            spread = map_image("Spread over the photo", "spread", pick=True)
            spread_scale = gr.HTML()
    with gr.Accordion("The equations", open=False):
        gr.Markdown(EQUATION, latex_delimiters=LATEX)

    def show(view: View, x: int, y: int) -> tuple[Any, ...]:
        explained = view.trace.pixel(x, y)
        picture = as_drawn(view, view.trace.refined, 0, 1, SALIENCY)
        marked = mark(picture, *picture_point(view, x, y, picture))
        return numbers(explained), explanation(view.trace, explained), picture_file(marked, "refined"), x, y

    def refine(
        photo: str | None, checkpoint: str, steps: int, wanted: Wanted | None, request: gr.Request
    ) -> tuple[Any, ...]:
        """Show what the Boundary Refinement Network did: before, after, change, and the field of kernels.

        Args:
            photo: the picture, any format that Pillow reads.
            checkpoint: one of the networks that the app offers.
            steps: time steps after the first pass, 0 to 4; -1 for the number trained.

        Returns:
            PNGs with their colour scales as HTML: before and after; change; centre coefficient; spread; arrows. Then
            the pixel that BRN changed most, as `/pixel` gives it.
        """
        if photo is None:
            return *[None] * 13, None, None
        view = source.view(photo, checkpoint, steps, request)
        trace, field = view.trace, view.trace.kernel_field
        change = trace.refined - trace.prior
        limit, centres, spreads = largest(change), kernel_scale(field.centre), kernel_scale(field.spread)
        before, after = (as_drawn(view, values, 0, 1, SALIENCY) for values in (trace.prior, trace.refined))
        drawn, edges = arrow_picture(trace, view.photo)
        return (
            (picture_file(before, "before"), picture_file(after, "after")),
            legend(SALIENCY, 0, 1, "saliency"),
            picture_file(as_drawn(view, change, -limit, limit, SIGNED), "change"),
            legend(SIGNED, -limit, limit, f"after − before, mean |change| {np.abs(change).mean():.4f}"),
            picture_file(centres.over(view.photo, field.centre), "centre"),
            scale_legend(centres, "coefficient"),
            picture_file(spreads.over(view.photo, field.spread), "spread"),
            scale_legend(spreads, "pixels of BRN's map"),
            picture_file(drawn, "arrows"),
            arrows_legend(edges),
            *show(view, *(wanted_point(view, photo, wanted) or most_changed(view))),
        )

    def pixel(
        photo: str | None, checkpoint: str, steps: int, x: float, y: float, request: gr.Request
    ) -> tuple[Any, ...]:
        """Explain one pixel of the refined map: coefficients, neighbours, products, sums and result.

        Args:
            photo: the picture, any format that Pillow reads.
            checkpoint: one of the networks that the app offers.
            steps: time steps after the first pass, 0 to 4; -1 for the number trained.
            x: the photo's column, from 0.
            y: the photo's row, from 0.

        Returns:
            All numbers (refined = sigmoid(foreground − background)); the same as HTML tables; the refined map with the
            pixel marked; column and row.
        """
        view = source.view(photo, checkpoint, steps, request)
        return show(view, *checked_point(view, x, y))

    def click(photo: str | None, checkpoint: str, steps: int, request: gr.Request, event: gr.SelectData) -> Any:
        view = source.view(photo, checkpoint, steps, request)
        return show(view, *photo_point(view, event.index, view.photo.shape))

    maps = [compared, compared_scale, changed, changed_scale]
    field_maps = [centre, centre_scale, spread, spread_scale, arrows, arrows_scale]
    one_pixel = [digits, kernel, picked, x, y]
    found.success(
        refine,
        [*source.inputs, source.wanted],
        [*maps, *field_maps, *one_pixel],
        api_name="refine",
        show_progress="hidden",
        concurrency_limit=4,
        trigger_mode="always_last",
    )
    open_to_all = {**QUIET, "api_visibility": "public"}
    gr.on([ask.click, x.submit, y.submit], pixel, [*source.inputs, x, y], one_pixel, api_name="pixel", **open_to_all)
    clickable = [image.select for image in (picked, changed, centre, spread, arrows)]
    gr.on(clickable, click, source.inputs, one_pixel, **CLICK)
    return x, y
