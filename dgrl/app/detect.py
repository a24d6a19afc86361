"""The Detect tab: a photo in, its salient object out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.events import Dependency
from numpy.typing import NDArray
from PIL import Image

from dgrl.app.parts import LATEX, Source, map_image, photo_input, picture_file, steps_control
from dgrl.app.passes import Passes
from dgrl.figures import resize_map
from dgrl.images import RGB, cutout, to_grey

WHAT_IT_IS = (
    "Drop a photo, or choose an example. DGRL finds the **salient object**, what a person would look at first, and "
    "gives every pixel a probability of belonging to it: the **saliency map**."
)
EQUATION = r"""
The picture $x$ passes through two networks. RLN localises, over time steps $t = 0 \dots T$; BRN refines its last map:

$$ s_t = \mathrm{RLN}_t(x, \text{features at } t-1), \qquad \hat s = \mathrm{BRN}(x, s_T) $$

Wang et al., "Detect Globally, Refine Locally: A Novel Approach to Saliency Detection", CVPR 2018.
"""


def spotlight(photo: RGB, saliency: NDArray[np.float32]) -> RGB:
    """The photo, dark and grey where it is not salient."""
    grey = np.asarray(Image.fromarray(photo).convert("L"), dtype=np.float32)[:, :, None]
    lit: RGB = np.rint(photo * saliency[:, :, None] + 0.25 * grey * (1 - saliency[:, :, None])).astype(np.uint8)
    return lit


def add(passes: Passes, examples: Sequence[str | Path]) -> tuple[Source, Dependency]:
    """Lay the tab out inside the current `gr.Blocks`; the controls of the pass, and the event that has made one."""
    gr.Markdown(WHAT_IT_IS)
    with gr.Row():
        with gr.Column(min_width=320):
            photo = photo_input()
            checkpoint = gr.Dropdown(passes.names, value=passes.names[0], label="Checkpoint", filterable=False)
            if examples:
                gr.Examples([[str(path)] for path in examples], photo, label="Examples", api_visibility="private")
        with gr.Column(min_width=320):
            compared = gr.ImageSlider(
                label="Original and result: drag the handle",
                interactive=False,
                format="png",
                max_height=420,
                buttons=["fullscreen"],
                elem_classes="map",
                elem_id="compared",
            )
            summary = gr.Markdown(elem_id="summary")
    with gr.Row():
        saliency = map_image("Saliency map: white is salient", "saliency")
        cut = map_image("Cut-out on transparency", "cutout")
    with gr.Row():
        map_file = gr.DownloadButton("Download the saliency map (PNG)", size="md")
        cut_file = gr.DownloadButton("Download the cut-out (PNG)", size="md")
    with gr.Accordion("The equation", open=False):
        gr.Markdown(EQUATION, latex_delimiters=LATEX)

    source = Source(passes, photo, checkpoint, steps_control())

    def detect(photo: str | None, checkpoint: str, steps: int, request: gr.Request) -> tuple[Any, ...]:
        """Find the salient object of a photo.

        Args:
            photo: the picture, any format that Pillow reads.
            checkpoint: one of the networks that the app offers.
            steps: time steps after the first pass, 0 to 4; -1 for the number trained.

        Returns:
            Original and result for comparison; the saliency map as an 8-bit grey PNG of the photo's own size, once to
            look at and once to download; a sentence on what was found.
        """
        if photo is None:
            return None, None, None, ""
        view = source.view(photo, checkpoint, steps, request)
        height, width = view.photo.shape[:2]
        result = spotlight(view.photo, np.clip(resize_map(view.trace.saliency, height, width), 0, 1))
        name = Path(photo).stem
        map_path = picture_file(to_grey(view.trace.saliency), name)
        pair = (picture_file(view.photo, "original", "jpeg"), picture_file(result, "result"))
        share = float((view.trace.saliency > 0.5).mean())
        found = f"The object covers **{share:.0%}** of the photo." if share else "**Nothing stands out** in this photo."
        text = f"{found} One pass of T = {len(view.trace.steps) - 1} took {view.seconds:.2f} s ({view.machine})."
        return pair, map_path, map_path, text

    def cut_out(photo: str | None, checkpoint: str, steps: int, request: gr.Request) -> tuple[Any, ...]:
        """Cut the salient object of a photo out.

        Args:
            photo: the picture, any format that Pillow reads.
            checkpoint: one of the networks that the app offers.
            steps: time steps after the first pass, 0 to 4; -1 for the number trained.

        Returns:
            The photo with its saliency map as transparency, an RGBA PNG: once 960 pixels long to look at,
            once in the photo's own size.
        """
        if photo is None:
            return None, None
        view = source.view(photo, checkpoint, steps, request)
        height, width = view.photo.shape[:2]
        small = cutout(view.photo, np.clip(resize_map(view.trace.saliency, height, width), 0, 1))
        path = picture_file(cutout(view.trace.photo, view.trace.saliency), f"{Path(photo).stem}_cutout")
        return picture_file(small, "cutout"), path

    found = gr.on(
        [photo.change, checkpoint.input, source.steps.input],
        detect,
        source.inputs,
        [compared, saliency, map_file, summary],
        api_name="detect",
        concurrency_limit=2,
        trigger_mode="always_last",
    )
    found.success(cut_out, source.inputs, [cut, cut_file], api_name="cutout", show_progress="minimal")
    return source, found
