"""What the tabs share: the controls that say which pass is looked at, pictures as files, legends and tables."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.processing_utils import hash_bytes
from gradio.utils import get_upload_folder
from numpy.typing import NDArray
from PIL import Image

from dgrl.app.passes import MAX_PIXELS, Passes
from dgrl.app.runs import AS_TRAINED, View
from dgrl.figures import png_file
from dgrl.files import replacing
from dgrl.images import RGB, ImageError, read_mask
from dgrl.places import carried, contains, inside

MOST_STEPS = 4
QUIET: dict[str, Any] = {
    "show_progress": "hidden",
    "api_visibility": "private",
    "concurrency_limit": None,
    "trigger_mode": "always_last",  # Gradio's own choice drops what is asked while the answer before is on its way
}
"""For events that only redraw."""
CLICK: dict[str, Any] = {**QUIET, "trigger_mode": "multiple", "queue": False}
"""For clicks in pictures: "always_last" would answer the last one with the place of the one before.

They do not stand in line, which takes longer than the answer."""
LATEX: list[dict[str, str | bool]] = [
    {"left": "$$", "right": "$$", "display": True},
    {"left": "$", "right": "$", "display": False},
]


def photo_input() -> gr.Image:
    """Where the photo comes in."""
    photo = gr.Image(
        label="Photo",
        type="filepath",
        image_mode=None,
        sources=["upload", "webcam", "clipboard"],
        webcam_options=gr.WebcamOptions(mirror=False),
        height=360,
        buttons=["fullscreen"],
        alt_text="the photo you chose",
        elem_id="photo",
    )
    return as_given(photo)


def mask_input() -> gr.Image:
    """Where the ground truth of the photo comes in. The Measure tab renders it; any tab may read it."""
    mask = gr.Image(
        label="Ground-truth mask",
        type="filepath",
        image_mode=None,
        sources=["upload", "clipboard"],
        height=300,
        buttons=["fullscreen"],
        alt_text="the ground-truth mask you chose",
        elem_id="mask",
        render=False,
    )
    return as_given(mask)


def as_given(image: gr.Image) -> gr.Image:
    """The file reaches Python as the very one the visitor gave: `read_image` does the rest.

    Gradio's own way opens it first, to refuse what is no picture with a traceback. `read_image` says what is wrong.
    """
    image.preprocess = lambda payload: None if payload is None else payload.path  # type: ignore[method-assign]
    return image


@dataclass(frozen=True)
class Wanted:
    """The pixel of a photo (the file's path) that a shared link points at."""

    photo: str
    x: int
    y: int


@dataclass
class Source:
    """The three controls that say which pass is looked at. Their values come first in every handler's arguments.

    `mask` is the photo's ground truth, for the tabs that have a use for it. `wanted` holds a `Wanted`, or None.
    """

    passes: Passes
    photo: gr.Image
    checkpoint: gr.Dropdown
    steps: gr.Radio
    mask: gr.Image
    wanted: gr.State

    @property
    def inputs(self) -> list[Any]:
        """The controls, for an event's `inputs`."""
        return [self.photo, self.checkpoint, self.steps]

    def view(self, photo: str | None, checkpoint: str, steps: int, request: gr.Request | None) -> View:
        """The pass; a message to the visitor if there is no photo or it cannot be used."""
        return self._ask(self.passes.view, photo, checkpoint, steps, request)

    def localised(self, photo: str | None, checkpoint: str, steps: int, request: gr.Request | None) -> View:
        """Like `view`, as soon as RLN has run."""
        return self._ask(self.passes.localised, photo, checkpoint, steps, request)

    def _ask(
        self, run: Callable[..., View], photo: str | None, checkpoint: str, steps: int, request: gr.Request | None
    ) -> View:
        if photo is None:
            raise gr.Error("Choose a photo first.", title="No photo", print_exception=False)
        try:
            return run(photo, checkpoint, steps, visitor(request))
        except ImageError as error:
            raise refusal(error, photo, "This picture cannot be used") from error
        except FloatingPointError as error:
            raise gr.Error(str(error), title="No result", print_exception=False) from error


def refusal(error: ImageError, path: str, title: str) -> gr.Error:
    """The message to a visitor about a file of theirs, which they know by its name, not by where the server put it."""
    return gr.Error(str(error).replace(path, Path(path).name), title=title, print_exception=False)


def objection(error: Exception, title: str) -> gr.Error:
    """The message to a visitor about what was asked for."""
    text = str(error)
    return gr.Error(f"{text[:1].upper()}{text[1:]}.", title=title, print_exception=False)


def visitor(request: gr.Request | None) -> str | None:
    """Who asks; None if nobody's browser does."""
    return request.session_hash if request is not None else None


def ground_truth(mask: str, view: View) -> NDArray[np.uint8]:
    """The mask file as (H, W) of 0 and 1, the photo's size; a message to the visitor if it is not of this photo."""
    title = "This mask cannot be used"
    try:
        truth = read_mask(mask, MAX_PIXELS)
    except ImageError as error:
        raise refusal(error, mask, title) from error
    (height, width), (mask_height, mask_width) = view.trace.photo.shape[:2], truth.shape
    if truth.shape != (height, width):
        message = f"The mask has {mask_width}×{mask_height} pixels and the photo {width}×{height}; they must be alike."
        raise gr.Error(message, title=title, print_exception=False)
    if not truth.any():
        message = "The mask is empty: none of its pixels is brighter than half, so there is no object to compare with."
        raise gr.Error(message, title=title, print_exception=False)
    return truth


def steps_control() -> gr.Radio:
    """How many time steps follow the first pass; -1 stands for the number trained."""
    return gr.Radio(
        [("as trained", AS_TRAINED), *((str(steps), steps) for steps in range(MOST_STEPS + 1))],
        value=AS_TRAINED,
        label="Number of time steps T",
        info="After the first pass (t = 0) the network looks T times more. Another number is a new pass.",
        render=False,
    )


def map_image(label: str, elem_id: str, pick: bool = False) -> gr.Image:
    """A picture that the app draws; `pick` says that it can be clicked."""
    return gr.Image(
        label=label,
        format="png",
        image_mode=None,
        interactive=False,
        buttons=["fullscreen", "download"],
        alt_text=label,
        elem_classes="map pick" if pick else "map",
        elem_id=elem_id,
        min_width=280,
    )


def picture_file(picture: RGB | Image.Image, name: str, suffix: str = "png") -> str:
    """Write a picture where Gradio serves its files; the path. PNG is written fast rather than small."""
    if suffix == "png":
        return served_file(png_file(picture), f"{name}.png")
    buffer = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(buffer, suffix, quality=92)
    return served_file(buffer.getvalue(), f"{name}.{suffix}")


def served_file(content: bytes, name: str) -> str:
    """Write a file where Gradio serves its files, and later deletes them; the path."""
    path = Path(get_upload_folder()) / hash_bytes(content) / name
    try:
        with replacing(path) as partial:  # two visitors may be given the same file at once
            partial.write_bytes(content)
    except OSError as error:
        reason = getattr(error.__cause__ or error, "strerror", None)
        message = f"The server cannot write it ({reason}); please try again later."
        raise gr.Error(message, title="No result", print_exception=False) from error
    return str(path)


def picture_point(view: View, x: int, y: int, picture: RGB) -> tuple[int, int]:
    """The pixel of a drawn picture that shows the photo's pixel (x, y)."""
    return carried(x, y, view.trace.photo.shape, picture.shape)


def photo_point(view: View, click: Any, shape: tuple[int, ...]) -> tuple[int, int]:
    """The photo's pixel that a click on a picture of `shape` (height, width) meant, kept inside the photo."""
    return inside(*carried(click[0], click[1], shape, view.trace.photo.shape), view.trace.photo.shape)


def wanted_point(view: View, photo: str, wanted: Wanted | None) -> tuple[int, int] | None:
    """The pixel that a link points at, kept inside the photo; None if there is none for this photo."""
    return inside(wanted.x, wanted.y, view.trace.photo.shape) if wanted is not None and wanted.photo == photo else None


def checked_point(view: View, x: float | None, y: float | None) -> tuple[int, int]:
    """Column and row as whole numbers; a message to the visitor if they are outside the photo."""
    height, width = view.trace.photo.shape[:2]
    if x is None or y is None or not contains(x, y, view.trace.photo.shape):
        message = f"The photo has columns 0 to {width - 1} and rows 0 to {height - 1}."
        raise gr.Error(message, title="Outside the photo", print_exception=False)
    return int(x), int(y)
