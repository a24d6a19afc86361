"""The Refine tab: how BRN recomputes every pixel from its neighbours."""

import dataclasses
from typing import Any

import gradio as gr
import numpy as np
from gradio.events import Dependency

from dgrl.app.parts import (
    LATEX,
    Source,
    checked_point,
    legend,
    map_image,
    number_grid,
    photo_point,
    picture_file,
    picture_point,
)
from dgrl.app.passes import View
from dgrl.figures import SALIENCY, SIGNED, SPREAD, Map, arithmetic, arrow_picture, colour, largest, mark, resize_map
from dgrl.images import RGB
from dgrl.report import striking_pixels
from dgrl.trace import PixelTrace

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

The coefficients are signed and need not sum to 1. **Centre**: the coefficient of the pixel itself. **Spread**: how far,
root mean square, a pixel draws from. **Arrows**: the mean displacement of where it draws from.
"""


def as_drawn(view: View, values: Map, low: float, high: float, colour_map: str) -> RGB:
    """A map of BRN in colours, in the size in which the photo is drawn."""
    height, width = view.photo.shape[:2]
    return colour(resize_map(values, height, width), low, high, colour_map)


def most_changed(view: View) -> tuple[int, int]:
    """The photo's pixel that BRN changed most."""
    pixel = striking_pixels(view.trace, count=1)[0]
    return pixel.x, pixel.y


def explanation(pixel: PixelTrace) -> str:
    """The pixel's window as four tables of numbers, and the arithmetic that gives its refined value, as HTML."""
    limit = largest(pixel.coefficients)
    tables = [
        number_grid("coefficients v", pixel.coefficients, -limit, limit),
        number_grid("neighbours s", pixel.neighbours, 0, 1, SALIENCY),
        number_grid("foreground v · s", pixel.foreground_products, -limit, limit),
        number_grid("background v · (1 − s)", pixel.background_products, -limit, limit),
    ]
    foreground, background, refined, before = arithmetic(pixel)
    return (
        f"<p>Column {pixel.x}, row {pixel.y} of the photo is column {pixel.column}, row {pixel.row} of BRN's map.</p>"
        f'<div class="tables">{"".join(tables)}</div>'
        f'<div class="arithmetic">{foreground}<br>{background}<br><strong>{refined}</strong><br>{before}</div>'
    )


def numbers(pixel: PixelTrace) -> dict[str, Any]:
    """The pixel's trace as JSON: arrays become lists of rows."""
    fields = dataclasses.asdict(pixel)
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in fields.items()}


def add(source: Source, found: Dependency) -> None:
    """Lay the tab out inside the current `gr.Blocks`; it is drawn after `found`, the event of a new pass."""

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
                ask = gr.Button("Show its kernel", size="md", min_width=120)
        with gr.Column(scale=3, min_width=320):
            kernel = gr.HTML(elem_id="kernel")
            with gr.Accordion("All digits", open=False):
                digits = gr.JSON(label="The pixel in numbers", open=True)
    gr.Markdown("### All kernels at a glance")
    with gr.Row():
        with gr.Column(min_width=280):
            centre = map_image("Centre coefficient", "centre", pick=True)
            centre_scale = gr.HTML()
        with gr.Column(min_width=280):
            spread = map_image("Spread", "spread", pick=True)
            spread_scale = gr.HTML()
        with gr.Column(min_width=280):
            arrows = map_image("Where edge pixels draw from", "arrows", pick=True)
            arrows_scale = gr.HTML()
    with gr.Accordion("The equations", open=False):
        gr.Markdown(EQUATION, latex_delimiters=LATEX)

    def show(view: View, x: int, y: int) -> tuple[Any, ...]:
        explained = view.trace.pixel(x, y)
        picture = as_drawn(view, view.trace.refined, 0, 1, SALIENCY)
        marked = mark(picture, *picture_point(view, x, y, picture))
        return numbers(explained), explanation(explained), picture_file(marked, "refined"), x, y

    def refine(photo: str | None, checkpoint: str, steps: int, request: gr.Request) -> tuple[Any, ...]:
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
        limit, strongest, widest = largest(change), largest(field.centre), largest(field.spread)
        before, after = (as_drawn(view, values, 0, 1, SALIENCY) for values in (trace.prior, trace.refined))
        edges, longest = arrow_picture(trace, view.photo)
        return (
            (picture_file(before, "before"), picture_file(after, "after")),
            legend(SALIENCY, 0, 1, "saliency"),
            picture_file(as_drawn(view, change, -limit, limit, SIGNED), "change"),
            legend(SIGNED, -limit, limit, f"after − before, mean |change| {np.abs(change).mean():.4f}"),
            picture_file(as_drawn(view, field.centre, -strongest, strongest, SIGNED), "centre"),
            legend(SIGNED, -strongest, strongest, "coefficient"),
            picture_file(as_drawn(view, field.spread, 0, widest, SPREAD), "spread"),
            legend(SPREAD, 0, widest, "pixels of BRN's map"),
            picture_file(edges, "arrows"),
            f"The longest displacement is {longest:.2f} pixels of BRN's map; arrows are drawn much longer.",
            *show(view, *most_changed(view)),
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
        source.inputs,
        [*maps, *field_maps, *one_pixel],
        api_name="refine",
        show_progress="hidden",
        concurrency_limit=4,
    )
    quiet: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": None, "trigger_mode": "always_last"}
    gr.on([ask.click, x.submit, y.submit], pixel, [*source.inputs, x, y], one_pixel, api_name="pixel", **quiet)
    clickable = [image.select for image in (picked, changed, centre, spread, arrows)]
    gr.on(clickable, click, source.inputs, one_pixel, api_visibility="private", **quiet)
