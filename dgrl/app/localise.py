"""The Localise tab: what RLN looks at, level by level and step by step."""

from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.events import Dependency

from dgrl.app.layers import brightest, grid
from dgrl.app.parts import (
    CLICK,
    LATEX,
    MOST_STEPS,
    QUIET,
    Source,
    Wanted,
    map_image,
    photo_point,
    picture_file,
    picture_point,
    wanted_point,
)
from dgrl.app.runs import View
from dgrl.figures import KINDS, layer, legend, mark, readings
from dgrl.places import inside

WHAT_IT_IS = (
    "At each **time step** the network looks at the photo again, with feedback from the step before. At three "
    "**levels** of detail (conv3 fine, conv5 coarse) its **Contextual Weighting Module** (CWM) says where to look: a "
    "**weight map** with a mean of 1, bright where features count more. The weighted features give the step's "
    "**prediction**; **change** is what this step altered."
)
EQUATION = r"""
With $f_k$ the features of level $k$ and $c$ their context from 3×3, 5×5 and 7×7 filters (CWM, paper, section 3.2):

$$ a_i = w * c_i, \qquad m_i = N \frac{e^{a_i}}{\sum_{j=1}^{N} e^{a_j}}, \qquad
s_t = \mathrm{softmax}\Big(\text{classify}\big(\textstyle\sum_k \mathrm{up}(m^{(k)} \cdot (w_k * f_k))\big)\Big) $$

Feedback (section 3.3): at $t \ge 1$ block $k$ receives $f_{k-1}(t) + \mathrm{up}(w_k^r * f_k(t-1))$.
"""
SECONDS_PER_STEP = 1.2


@dataclass(frozen=True)
class Looking:
    """The controls that say what is looked at in this tab: time step, level or other map, column and row."""

    step: gr.Radio
    kind: gr.Radio
    x: gr.Number
    y: gr.Number


@dataclass
class Handlers:
    """What happens on the tab's events. The first three arguments are always the values of `source.inputs`."""

    source: Source

    def localise(
        self,
        photo: str | None,
        checkpoint: str,
        steps: int,
        step: int,
        kind: str,
        opacity: float,
        wanted: Wanted | None,
        request: gr.Request,
    ) -> tuple[Any, ...]:
        """Show what the network looked at: the CWM weight maps, predictions and changes of every time step.

        Args:
            photo: the picture, any format that Pillow reads.
            checkpoint: one of the networks that the app offers.
            steps: time steps after the first pass, 0 to 4; -1 for the number trained.
            step: the time step to show large.
            kind: the map to show large: conv3, conv4, conv5, prediction or change.
            opacity: of the maps over the photo, 0 to 1.

        Returns:
            PNGs of all maps with captions; the large one, its colour scale and all values at one pixel, as HTML;
            column and row of that pixel, which is where the network is surest.
        """
        if photo is None:
            return None, None, "", "", None, None
        view = self.source.localised(photo, checkpoint, steps, request)
        x, y = wanted_point(view, photo, wanted) or brightest(view)
        large = self._draw(view, step, kind, opacity, x, y)
        return grid(view, opacity), *large, x, y

    def times(self, photo: str | None, checkpoint: str, steps: int, step: int, request: gr.Request) -> gr.Radio:
        """The time steps to choose from."""
        last = self._last(photo, checkpoint, steps, request)
        return gr.Radio(list(range(last + 1)), value=min(step, last))

    def redraw(
        self,
        photo: str | None,
        checkpoint: str,
        steps: int,
        step: int,
        kind: str,
        opacity: float,
        x: float | None,
        y: float | None,
        request: gr.Request,
    ) -> tuple[str | None, str, str]:
        """The large picture again, with other settings or another point."""
        if photo is None:
            return None, "", ""
        view = self.source.localised(photo, checkpoint, steps, request)
        return self._draw(view, step, kind, opacity, *inside(x or 0, y or 0, view.trace.photo.shape))

    def redraw_grid(
        self, photo: str | None, checkpoint: str, steps: int, opacity: float, request: gr.Request
    ) -> list[tuple[str, str]] | None:
        """The grid again, with another opacity."""
        return None if photo is None else grid(self.source.localised(photo, checkpoint, steps, request), opacity)

    def click(
        self,
        photo: str | None,
        checkpoint: str,
        steps: int,
        step: int,
        kind: str,
        opacity: float,
        request: gr.Request,
        event: gr.SelectData,
    ) -> tuple[Any, ...]:
        """The large picture again, with the point where it was clicked."""
        view = self.source.localised(photo, checkpoint, steps, request)
        x, y = photo_point(view, event.index, view.photo.shape)
        return *self._draw(view, step, kind, opacity, x, y), x, y

    def choose(self, event: gr.SelectData) -> tuple[int, str]:
        """Time step and kind of the map of the grid that was clicked."""
        return event.index // len(KINDS), KINDS[event.index % len(KINDS)]

    def back(self, photo: str | None, checkpoint: str, steps: int, step: int, request: gr.Request) -> int:
        """The time step before."""
        return min(max(step - 1, 0), self._last(photo, checkpoint, steps, request))

    def forward(self, photo: str | None, checkpoint: str, steps: int, step: int, request: gr.Request) -> int:
        """The time step after."""
        return min(step + 1, self._last(photo, checkpoint, steps, request))

    def tick(
        self, photo: str | None, checkpoint: str, steps: int, step: int, request: gr.Request
    ) -> tuple[int, gr.Timer]:
        """The time step after, while playing; the clock stops at the last one."""
        last = self._last(photo, checkpoint, steps, request)
        return min(step + 1, last), gr.Timer(active=step + 1 < last)

    def play(self) -> tuple[int, gr.Timer]:
        """The first time step, and the clock starts."""
        return 0, gr.Timer(active=True)

    def _last(self, photo: str | None, checkpoint: str, steps: int, request: gr.Request) -> int:
        """T of the pass that is looked at."""
        return 0 if photo is None else len(self.source.localised(photo, checkpoint, steps, request).trace.steps) - 1

    def _draw(self, view: View, t: int, kind: str, opacity: float, x: int, y: int) -> tuple[str, str, str]:
        """The large picture with its point marked, its colour scale, and the readings at the point."""
        t = min(t, len(view.trace.steps) - 1)
        chosen = layer(view.trace, t, kind)
        picture = chosen.over(view.photo, opacity) if chosen else view.photo
        file = picture_file(mark(picture, *picture_point(view, x, y, picture)), f"t{t}_{kind}")
        nothing = f"There is no {kind} at t = {t}: here is the photo."
        scale = legend(chosen.colour_map, chosen.low, chosen.high, chosen.label) if chosen else nothing
        return file, scale, readings(view.trace, x, y, t)


def add(source: Source, localised: Dependency) -> Looking:
    """Lay the tab out inside the current `gr.Blocks`; it is drawn after `localised`, the event of a new pass of RLN."""
    gr.Markdown(WHAT_IT_IS)
    source.steps.render()  # type: ignore[no-untyped-call]
    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            shown = map_image("Over the photo: click to read values", "shown", pick=True)
            scale = gr.HTML()
        with gr.Column(scale=2, min_width=320):
            step = gr.Radio(list(range(MOST_STEPS + 1)), value=0, label="Time step t", elem_id="step")
            with gr.Row():
                back = gr.Button("◀ Back", size="md", min_width=90)
                play = gr.Button("▶ Play", variant="primary", size="md", min_width=90)
                forward = gr.Button("Next ▶", size="md", min_width=90)
            kind = gr.Radio(list(KINDS), value=KINDS[1], label="Level, prediction or change", elem_id="kind")
            opacity = gr.Slider(0, 1, value=0.65, step=0.05, label="Opacity of the map over the photo")
            values = gr.HTML(elem_id="values")
            with gr.Row():
                x = gr.Number(label="Column x", precision=0, minimum=0, min_width=80)
                y = gr.Number(label="Row y", precision=0, minimum=0, min_width=80)
    gallery = gr.Gallery(
        label="Every map of every step: a row for each time step; click one to enlarge it above",
        columns=len(KINDS),
        format="png",
        allow_preview=False,
        interactive=False,
        object_fit="contain",
        height="auto",
        buttons=["download_all", "fullscreen"],
        elem_classes="map grid",
        elem_id="maps",
    )
    with gr.Accordion("The equations", open=False):
        gr.Markdown(EQUATION, latex_delimiters=LATEX)
    clock = gr.Timer(SECONDS_PER_STEP, active=False)

    on = Handlers(source)
    controls, large, time = [*source.inputs, step, kind, opacity], [shown, scale, values], [*source.inputs, step]
    drawn = [gallery, *large, x, y]
    counted = localised.success(on.times, time, step, **QUIET)
    counted.success(
        on.localise,
        [*controls, source.wanted],
        drawn,
        api_name="localise",
        show_progress="hidden",
        concurrency_limit=4,
        trigger_mode="always_last",
    )
    redraw_on = [step.change, kind.change, opacity.input, x.submit, y.submit]
    gr.on(redraw_on, on.redraw, [*controls, x, y], large, **QUIET)
    gr.on([opacity.input], on.redraw_grid, [*source.inputs, opacity], gallery, **QUIET)
    shown.select(on.click, controls, [*large, x, y], **CLICK)
    gallery.select(on.choose, None, [step, kind], **CLICK)
    back.click(on.back, time, step, **QUIET)
    forward.click(on.forward, time, step, **QUIET)
    play.click(on.play, None, [step, clock], **QUIET)
    clock.tick(on.tick, time, [step, clock], **QUIET)
    return Looking(step, kind, x, y)
