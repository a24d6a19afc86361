"""The What if tab: the pass with something altered, beside the untouched one."""

import gradio as gr
from gradio.events import Dependency

from dgrl.app.alterations import EVERY_STEP, KERNELS, STRENGTH, STRONGEST
from dgrl.app.altering import AS_UNTOUCHED, NOTHING_YET, Handlers
from dgrl.app.painting import BRUSH, BRUSH_OPACITY, painting_file
from dgrl.app.parts import LATEX, MOST_STEPS, QUIET, Source, as_given, map_image
from dgrl.app.side_by_side import LAST, SHOWN
from dgrl.taps import BLOCKS, LEVELS

WHAT_IT_IS = (
    "Reach into the network and see what follows: alter **where it looks**, **what it feeds back** or **how it "
    "refines**, and run the pass again. The untouched pass stays beside it."
)
EQUATION = r"""
**Painting.** With $p_i$ the share of cell $i$ of a weight map that is painted, $m_i$ its weight (1 if the map is
flattened) and $a$ the strength, the cell gets $m'_i$, so that the mean is 1 again:

$$ m'_i = N\, \frac{m_i\,(1 + (a - 1)\,p_i)}{\sum_j m_j\,(1 + (a - 1)\,p_j)} $$

**Feedback.** At $t \ge 1$ block $k$ receives $f_{k-1}(t) + \lambda_k\, \mathrm{up}(w_k^r * f_k(t-1))$; $\lambda_k = 0$
cuts it.

**Kernels.** The identity is 1 at the centre and 0 elsewhere; the mean of the picture is one kernel for all pixels.

**Inside and outside** the found object: where the untouched map is above one half. **MAE** is against the mask of the
Measure tab, of the maps as computed, not stretched.
"""


def add(source: Source, found: Dependency) -> None:
    """Lay the tab out inside the current `gr.Blocks`; it is cleared after `found`, the event of a new pass."""
    gr.Markdown(WHAT_IT_IS)
    every = ("every step", EVERY_STEP)
    gr.Markdown("### Where it looks")
    with gr.Row():
        with gr.Column(scale=1, min_width=320):
            editor = gr.ImageEditor(
                label="Paint here",
                type="pil",
                height="min(440px, 75vw)",
                sources=(),
                transforms=(),
                layers=False,
                brush=gr.Brush(default_size=40, colors=[(BRUSH, BRUSH_OPACITY)], color_mode="fixed"),
                eraser=gr.Eraser(default_size=40),
                buttons=["fullscreen"],
                elem_id="editor",
            )
            paint_object = gr.Button("Paint the found object", size="md")
            painted = gr.CheckboxGroup(list(LEVELS), value=list(LEVELS), label="Paint the weight maps of")
            strength = gr.Slider(
                0,
                STRONGEST,
                value=STRENGTH,
                step=0.1,
                label="Strength of the painting",
                info="Painted weights are multiplied by it: 0 takes them away, 1 leaves them.",
            )
        with gr.Column(scale=1, min_width=320):
            flattened = gr.CheckboxGroup(list(LEVELS), value=[], label="Flatten the weight maps of")
            maps_at = gr.Radio(
                [every, *range(MOST_STEPS + 1)],
                value=EVERY_STEP,
                label="Paint and flatten at time step t",
                info="A weight map shapes the prediction of its own step; the last step's goes on to BRN.",
            )
            gr.Markdown("### What it feeds back")
            with gr.Row():
                factors = [
                    gr.Slider(0, 2, value=1, step=0.05, label=f"Feedback into {block}, times", min_width=200)
                    for block in BLOCKS
                ]
            feedback_at = gr.Radio(
                [every, *range(1, MOST_STEPS + 1)], value=EVERY_STEP, label="Change the feedback at time step t"
            )
            gr.Markdown("### How often it looks, how it refines")
            altered_steps = gr.Radio(
                [("as untouched", AS_UNTOUCHED), *range(MOST_STEPS + 1)],
                value=AS_UNTOUCHED,
                label="Time steps T of the altered pass",
            )
            kernels = gr.Radio(list(KERNELS), value=KERNELS[0], label="BRN's kernels")
    with gr.Row():
        run = gr.Button("Run the altered pass", variant="primary", elem_id="run")
        reset = gr.Button("Reset")
    words = gr.Markdown(NOTHING_YET, elem_id="altered-words")
    with gr.Row():
        shown = gr.Radio(list(SHOWN), value=SHOWN[0], label="Map to compare")
        shown_at = gr.Radio([("last", LAST), *range(MOST_STEPS + 1)], value=LAST, label="Its time step t")
    pictures = []
    with gr.Row():
        for name in ("Untouched", "Altered", "Difference"):
            with gr.Column(min_width=280):
                pictures += [map_image(name, f"what-if-{name.lower()}"), gr.HTML()]
    gr.Markdown("Mean saliency inside and outside the found object, and mean absolute error where there is a mask:")
    numbers = gr.HTML(elem_id="change")
    with gr.Accordion("All digits", open=False):
        digits = gr.JSON(label="The readings in numbers", open=True)
    with gr.Accordion("The equations", open=False):
        gr.Markdown(EQUATION, latex_delimiters=LATEX)
    painting = as_given(gr.Image(type="filepath", image_mode=None, label="Painting", visible=False))
    last, painted_on = gr.State(None), gr.State(None)

    on = Handlers(source)
    controls = [painted, strength, flattened, maps_at, *factors, feedback_at, altered_steps, kernels]
    results = [last, words, *pictures, numbers, digits]
    run.click(painting_file, editor, painting, **QUIET).success(
        on.what_if,
        [*source.inputs, painting, *controls, source.mask, shown, shown_at],
        results,
        api_name="what_if",
        show_progress_on=words,
        concurrency_limit=2,
        trigger_mode="always_last",
    )
    gr.on([shown.input, shown_at.input], on.redraw, [last, shown, shown_at], pictures, **QUIET)
    found.success(on.fresh, [*source.inputs, painted_on], [editor, painted_on, *results], **QUIET)
    paint_object.click(on.paint_object, source.inputs, editor, **QUIET)
    editor.clear(on.canvas, source.inputs, editor, **QUIET)  # its waste bin takes the photo with the paint
    untouched = [control.value for control in controls]
    reset.click(lambda: untouched, None, controls, **QUIET)
    reset.click(on.reset, source.inputs, [editor, *results], **QUIET)
