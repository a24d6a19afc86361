"""The Why tab: which places of the photo speak for a number that the network computed, and which against it."""

from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.events import Dependency

from dgrl.app.explaining import NOTHING_YET, Handlers, explainer
from dgrl.app.explanations import CELL, LAST, OBJECT, PIXEL
from dgrl.app.parts import CLICK, LATEX, MOST_STEPS, QUIET, Source, map_image
from dgrl.attribution.methods import BLOCKS
from dgrl.attribution.question import BASELINES
from dgrl.figures.attribution import TITLES
from dgrl.model import DGRL
from dgrl.taps import LEVELS

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
STOPPED = "Stopped. Nothing is being computed."


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
            level = gr.Radio(
                list(LEVELS), value="conv4", label="Level of the weight map", visible=False, elem_id="why-level"
            )
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
            block = gr.Radio(
                list(BLOCKS), value="conv5", label="Block that is looked at", visible=False, elem_id="why-block"
            )
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
    explaining = run.click(
        on.attribute,
        [*source.inputs, *asked, method, baseline, block, block_step],
        results,
        api_name="attribute",
        show_progress_on=drawn,
        concurrency_limit=1,  # its gradients are the largest thing in memory
    )
    stop.click(lambda: STOPPED, None, said, cancels=[explaining], **QUIET)
    gone = [source.photo.change, source.checkpoint.input, source.steps.input]
    gr.on(gone, None, cancels=[explaining], api_visibility="private")
    found.success(on.fresh, [*source.inputs, target, step, refined, level], [x, y, chosen, *results], **QUIET)
    chosen.select(on.click, [*source.inputs, *asked], [x, y, chosen], **CLICK)
    redraw_on = [target.input, step.input, level.input, x.submit, y.submit]
    gr.on(redraw_on, on.choice, [*source.inputs, *asked], chosen, **QUIET)
    gr.on([target.input, refined.input], controls_for, [target, refined], [chosen, refined, level, step], **QUIET)
    gr.on([target.input, level.input], blocks_for, [target, level], block, **QUIET)
    method.input(settings_for, method, [method, baseline, block, block_step], **QUIET)


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
