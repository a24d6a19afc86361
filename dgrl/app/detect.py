"""The Detect tab: a photo in, its salient object out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.events import Dependency
from numpy.typing import NDArray
from PIL import Image

from dgrl.app.parts import LATEX, Source, map_image, mask_input, photo_input, picture_file, steps_control
from dgrl.app.passes import Passes
from dgrl.app.runs import View
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


def object_found(found: NDArray[np.bool_]) -> str:
    """A sentence on how much of the photo is the object (H, W) that was found (see `Trace.found`)."""
    share = float(found.mean())
    if not share:
        return "**No salient object** in this photo."
    percent = f"{share:.0%}" if share >= 0.005 else "less than 1%"
    return f"The object covers **{percent}** of the photo."


def spotlight(photo: RGB, saliency: NDArray[np.float32]) -> RGB:
    """The photo, dark and grey where it is not salient."""
    grey = np.asarray(Image.fromarray(photo).convert("L"), dtype=np.float32)[:, :, None]
    lit: RGB = np.rint(photo * saliency[:, :, None] + 0.25 * grey * (1 - saliency[:, :, None])).astype(np.uint8)
    return lit


def compared_with(view: View) -> tuple[str, str]:
    """The photo and its spotlight, as files."""
    height, width = view.photo.shape[:2]
    result = spotlight(view.photo, np.clip(resize_map(view.trace.saliency, height, width), 0, 1))
    return picture_file(view.photo, "original", "jpeg"), picture_file(result, "result")


def add(passes: Passes, examples: Sequence[str | Path]) -> tuple[Source, Dependency, Dependency]:
    """Lay the tab out inside the current `gr.Blocks`.

    Returns:
        The controls of the pass; the event that has localised, RLN's half of a pass; the event that has made all of it.
    """
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
        map_file = gr.DownloadButton("Download the saliency map (PNG)", size="md", min_width=280)
        cut_file = gr.DownloadButton("Download the cut-out (PNG)", size="md", min_width=280)
    with gr.Accordion("The equation", open=False):
        gr.Markdown(EQUATION, latex_delimiters=LATEX)

    source = Source(passes, photo, checkpoint, steps_control(), mask_input(), gr.State(None))

    def first_look(photo: str | None, checkpoint: str, steps: int, request: gr.Request) -> tuple[Any, ...]:
        """What RLN found, while BRN computes."""
        if photo is None:
            return None, None, None, ""
        view = source.localised(photo, checkpoint, steps, request)
        last = view.trace.steps[-1]
        text = f"RLN found this at t = {last.t} after {view.seconds:.2f} s ({view.machine}). BRN is refining it."
        return compared_with(view), picture_file(to_grey(view.trace.saliency), "localised"), None, text

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
        map_path = picture_file(to_grey(view.trace.saliency), Path(photo).stem)
        found = object_found(view.trace.found())
        text = f"{found} One pass of T = {len(view.trace.steps) - 1} took {view.seconds:.2f} s ({view.machine})."
        return compared_with(view), map_path, map_path, text

    def cut_out(photo: str | None, checkpoint: str, steps: int, request: gr.Request) -> tuple[Any, ...]:
        """Cut the salient object of a photo out.

        Args:
            photo: the picture, any format that Pillow reads.
            checkpoint: one of the networks that the app offers.
            steps: time steps after the first pass, 0 to 4; -1 for the number trained.

        Returns:
            The photo with its saliency map as transparency, an RGBA PNG: once 800 pixels long to look at,
            once in the photo's own size.
        """
        if photo is None:
            return None, None
        view = source.view(photo, checkpoint, steps, request)
        height, width = view.photo.shape[:2]
        small = cutout(view.photo, np.clip(resize_map(view.trace.saliency, height, width), 0, 1))
        path = picture_file(cutout(view.trace.photo, view.trace.saliency), f"{Path(photo).stem}_cutout")
        return picture_file(small, "cutout"), path

    outputs = [compared, saliency, map_file, summary]
    localised = gr.on(
        [photo.change, checkpoint.input, source.steps.input],
        first_look,
        source.inputs,
        outputs,
        api_visibility="private",
        concurrency_limit=2,
        concurrency_id="pass",
        trigger_mode="always_last",
    )
    found = localised.success(
        detect,
        source.inputs,
        outputs,
        api_name="detect",
        show_progress="hidden",
        concurrency_limit=2,
        concurrency_id="pass",
        trigger_mode="always_last",
    )
    found.success(
        cut_out,
        source.inputs,
        [cut, cut_file],
        api_name="cutout",
        show_progress="minimal",
        trigger_mode="always_last",
    )
    return source, localised, found
