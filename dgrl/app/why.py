"""The Why tab: which places of the photo speak for a number that the network computed, and which against it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np
from gradio.events import Dependency

from dgrl.app.explanations import CELL, LAST, OBJECT, PIXEL, answer, chosen_target, draw_choice
from dgrl.app.parts import (
    LATEX,
    MOST_STEPS,
    Source,
    checked_point,
    map_image,
    photo_point,
    picture_file,
)
from dgrl.attribution import (
    BASELINES,
    BLOCKS,
    Attribution,
    attribute_in_batches,
)
from dgrl.attribution_figures import TITLES
from dgrl.images import RGB
from dgrl.model import DGRL
from dgrl.rln import LEVELS

try:
    import spaces  # Hugging Face ZeroGPU: lends a GPU for the time of one call
except ImportError:
    spaces = None

WHAT_IT_IS = (
    "Choose a number that the network computed, and see which places of the photo it rests on: **red** speaks for it, "
    "**blue** against it. This is **attribution**; each method asks in its own way, and takes some seconds."
)
EQUATION = r"""
**The number** $F$: at a pixel and over the object RLN's **evidence**, its logits' difference $z_1 - z_0$, so that
$\sigma(F)$ is the probability; after BRN foreground − background (paper, section 4); for a cell its weight $m_i$.

**Integrated Gradients** (Sundararajan et al., 2017) follow the path from a baseline $x'$, where nothing is seen, to the
photo $x$. What the places add is all there is between the two (**completeness**):

$$ a_i = (x_i - x'_i) \int_0^1 \frac{\partial F(x' + \alpha (x - x'))}{\partial x_i}\, d\alpha, \qquad
\sum_i a_i = F(x) - F(x') $$

**Occlusion** (Zeiler and Fergus, 2014) hides one window $w$ after the other behind the baseline:
$a_i = \text{mean over windows } w \ni i \text{ of } F(x) - F(x \text{ without } w)$.

**Layer Grad-CAM** (Selvaraju et al., 2017) weighs the channels $A^c$ of one block by their mean gradients; here without
the ReLU, so that what speaks against shows too:

$$ a = \sum_c \Big(\frac{1}{Z} \sum_{ij} \frac{\partial F}{\partial A^c_{ij}}\Big) A^c $$
"""
ABOUT = {
    "integrated_gradients": "What every pixel adds on the way from an unseen photo to the seen one. About 50 passes.",
    "occlusion": "How much is lost when a window hides part of the photo. About 50 passes.",
    "grad_cam": "Which of one block's features the number rests on, where. One pass.",
}
NOTHING_YET = "Choose a number and a method, then press **Explain**."
STOPPED = "Stopped. Nothing is being computed."
GPU_SECONDS = 60  # of ZeroGPU
Explain = Callable[..., Iterator[float | Attribution]]


def explainer(models: Mapping[str, DGRL]) -> Explain:
    """The computation, a batch at a time: shares done, and at last the attribution."""

    # A closure over the networks: ZeroGPU sends the arguments to another process, and gets what is yielded back.
    def explain(checkpoint: str, photo: RGB, *settings: Any, **more: Any) -> Iterator[float | Attribution]:
        yield (yield from attribute_in_batches(models[checkpoint], photo, *settings, **more))

    gpu_explain: Explain = explain if spaces is None else spaces.GPU(duration=GPU_SECONDS)(explain)
    return gpu_explain


@dataclass
class Handlers:
    """What happens on the tab's events. The first three arguments are always the values of `source.inputs`."""

    source: Source
    explain: Explain

    def attribute(
        self,
        photo: str,
        checkpoint: str,
        steps: int,
        target: str,
        x: float,
        y: float,
        step: int,
        refined: bool,
        level: str,
        method: str,
        baseline: str,
        block: str,
        block_step: int,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 (Gradio's way to ask for it)
    ) -> Iterator[Any]:
        """Explain a number that the network computed: which places of the photo speak for it, and which against it.

        Args:
            photo: the picture, any format that Pillow reads.
            checkpoint: one of the networks that the app offers.
            steps: time steps after the first pass, 0 to 4; -1 for the number trained.
            target: the number: pixel (RLN's evidence there), object (its mean over the object) or cell (a CWM weight).
            x: the photo's column, from 0, of the pixel, or of the place whose cell is meant.
            y: the photo's row, from 0.
            step: the time step of the number; -1 for the last.
            refined: for a pixel, BRN's evidence instead of RLN's; `step` has no meaning then.
            level: for a cell, the level of its weight map: conv3, conv4 or conv5.
            method: integrated_gradients, occlusion or grad_cam.
            baseline: what stands for an unseen photo in the first two: blurred, grey or black.
            block: for grad_cam, the block that is looked at: conv1 to conv5.
            block_step: for grad_cam, the time step at which it is; -1 for that of the number.

        Returns:
            The attribution over the photo, a PNG; its colour scale as HTML; what it says, in words and in numbers.
        """
        view = self.source.view(photo, checkpoint, steps, request)
        x, y = checked_point(view, x, y)
        settings = {
            "baseline": baseline,
            "block": block,
            "block_step": None if block_step == LAST else block_step,
            "steps": len(view.trace.steps) - 1,
        }
        try:
            asked = chosen_target(view, target, x, y, step, refined, level)
            for news in self.explain(checkpoint, view.trace.photo, asked, method, **settings):
                if isinstance(news, Attribution):
                    yield answer(view, news)
                else:
                    progress(news, desc=TITLES[method])
                    yield gr.skip()  # where Gradio can stop it
        except (ValueError, FloatingPointError) as error:
            message = str(error)[:1].upper() + str(error)[1:] + "."
            raise gr.Error(message, title="This cannot be explained", print_exception=False) from error

    def choice(
        self,
        photo: str | None,
        checkpoint: str,
        steps: int,
        target: str,
        x: float | None,
        y: float | None,
        step: int,
        refined: bool,
        level: str,
        request: gr.Request,
    ) -> str | None:
        """What is about to be explained, as a picture."""
        if photo is None:
            return None
        view = self.source.view(photo, checkpoint, steps, request)
        return picture_file(draw_choice(view, target, *checked_point(view, x, y), step, refined, level), "chosen")

    def click(
        self,
        photo: str | None,
        checkpoint: str,
        steps: int,
        target: str,
        x: float | None,
        y: float | None,
        step: int,
        refined: bool,
        level: str,
        request: gr.Request,
        event: gr.SelectData,
    ) -> tuple[Any, ...]:
        """The same, where the picture was clicked."""
        view = self.source.view(photo, checkpoint, steps, request)
        x, y = photo_point(view, event.index, view.photo.shape)
        return x, y, picture_file(draw_choice(view, target, x, y, step, refined, level), "chosen")

    def fresh(
        self,
        photo: str | None,
        checkpoint: str,
        steps: int,
        target: str,
        step: int,
        refined: bool,
        level: str,
        request: gr.Request,
    ) -> tuple[Any, ...]:
        """What a new pass leaves on the tab: its surest pixel chosen, and no result."""
        nothing = (None, "", NOTHING_YET, None)
        if photo is None:
            return None, None, None, *nothing
        view = self.source.view(photo, checkpoint, steps, request)
        row, column = np.unravel_index(int(view.trace.refined.argmax()), view.trace.refined.shape)
        x, y = photo_point(view, (column, row), view.trace.refined.shape)
        return x, y, picture_file(draw_choice(view, target, x, y, step, refined, level), "chosen"), *nothing


def add(source: Source, found: Dependency, models: Mapping[str, DGRL]) -> None:
    """Lay the tab out inside the current `gr.Blocks`; `found` is the event of a new pass.

    `models` are the networks by the names of `source.checkpoint`.
    """
    gr.Markdown(WHAT_IT_IS)
    moments: list[Any] = list(range(MOST_STEPS + 1))
    with gr.Row():
        with gr.Column(min_width=320):
            gr.Markdown("### The number")
            target = gr.Radio(
                [("one pixel", PIXEL), ("the whole object", OBJECT), ("one cell of a weight map", CELL)],
                value=PIXEL,
                label="What is to be explained",
                elem_id="why-target",
            )
            chosen = map_image("Click a pixel", "why-chosen", pick=True)
            with gr.Row():
                x = gr.Number(label="Column x", precision=0, minimum=0, min_width=80, elem_id="why-x")
                y = gr.Number(label="Row y", precision=0, minimum=0, min_width=80, elem_id="why-y")
            refined = gr.Checkbox(False, label="After BRN, instead of RLN at a time step", elem_id="why-refined")
            level = gr.Radio(list(LEVELS), value="conv4", label="Level of the weight map", visible=False)
            step = gr.Radio([("last", LAST), *moments], value=LAST, label="Time step t of the number")
        with gr.Column(min_width=320):
            gr.Markdown("### The method")
            method = gr.Radio(
                [(title, name) for name, title in TITLES.items()],
                value="integrated_gradients",
                label="How it is asked",
                info=ABOUT["integrated_gradients"],
                elem_id="why-method",
            )
            baseline = gr.Radio(list(BASELINES), value="blurred", label="What stands for an unseen photo")
            block = gr.Radio(list(BLOCKS), value="conv5", label="Block that is looked at", visible=False)
            block_step = gr.Radio(
                [("as the number", LAST), *moments], value=LAST, label="Time step t of the block", visible=False
            )
            with gr.Row():
                run = gr.Button("Explain", variant="primary", min_width=120, elem_id="explain")
                stop = gr.Button("Stop", variant="stop", min_width=120, elem_id="stop-explaining")
            said = gr.Markdown(NOTHING_YET, elem_id="why-words")
            drawn = map_image("Red speaks for it, blue against it", "why-drawn")
            scale = gr.HTML()
    with gr.Accordion("All digits", open=False):
        digits = gr.JSON(label="The attribution in numbers", open=True)
    with gr.Accordion("The equations", open=False):
        gr.Markdown(EQUATION, latex_delimiters=LATEX)

    on = Handlers(source, explainer(models))
    asked, results = [target, x, y, step, refined, level], [drawn, scale, said, digits]
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
    latest = {**quiet, "trigger_mode": "always_last"}
    explaining = run.click(
        on.attribute,
        [*source.inputs, *asked, method, baseline, block, block_step],
        results,
        api_name="attribute",
        show_progress_on=drawn,
        concurrency_limit=1,  # its gradients are the largest thing in memory
    )
    stop.click(lambda: STOPPED, None, said, cancels=[explaining], **quiet)
    gone = [source.photo.change, source.checkpoint.input, source.steps.input]
    gr.on(gone, None, cancels=[explaining], api_visibility="private")
    found.success(on.fresh, [*source.inputs, target, step, refined, level], [x, y, chosen, *results], **quiet)
    chosen.select(on.click, [*source.inputs, *asked], [x, y, chosen], **latest)
    redraw_on = [target.input, step.input, level.input, x.submit, y.submit]
    gr.on(redraw_on, on.choice, [*source.inputs, *asked], chosen, **latest)
    gr.on([target.input, refined.input], controls_for, [target, refined], [chosen, refined, level, step], **quiet)
    gr.on([target.input, level.input], blocks_for, [target, level], block, **quiet)
    method.input(settings_for, method, [method, baseline, block, block_step], **quiet)


def controls_for(target: str, refined: bool) -> tuple[Any, ...]:
    """Which controls a target needs, and what a click in the picture chooses."""
    label = {PIXEL: "Click a pixel", OBJECT: "The object of this time step", CELL: "Click a cell"}[target]
    return (
        gr.Image(label=label),
        gr.Checkbox(visible=target == PIXEL),
        gr.Radio(visible=target == CELL),
        gr.Radio(visible=target != PIXEL or not refined),
    )


def blocks_for(target: str, level: str) -> Any:
    """The blocks that Grad-CAM can look at: those above a level have no influence on its weights."""
    allowed = BLOCKS[: BLOCKS.index(level) + 1] if target == CELL else BLOCKS
    return gr.Radio(list(allowed), value=allowed[-1])


def settings_for(method: str) -> tuple[Any, ...]:
    """Which settings a method has."""
    cam = method == "grad_cam"
    return gr.Radio(info=ABOUT[method]), gr.Radio(visible=not cam), gr.Radio(visible=cam), gr.Radio(visible=cam)
