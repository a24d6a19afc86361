"""What is asked of the app's networks: one small value for a pass, and words for a visitor where it cannot be had."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dgrl.app.passes import MAX_PIXELS, Passes
from dgrl.app.runs import AS_TRAINED, View
from dgrl.data.masks import read_mask
from dgrl.explorer.edits import read_edits
from dgrl.images import MAX_PIXELS as LARGEST_MASK
from dgrl.images import ImageError
from dgrl.places import contains
from dgrl.taps import Edit

MOST_STEPS = 4


@dataclass(frozen=True)
class Wish:
    """A pass that somebody wants to look at.

    Attributes:
        photo: path of the picture.
        checkpoint: one of the networks that the app offers.
        steps: T, or AS_TRAINED.
        edits: what is altered in it.
    """

    photo: str
    checkpoint: str
    steps: int = AS_TRAINED
    edits: tuple[Edit, ...] = ()


@dataclass(frozen=True)
class Asking:
    """Reads wishes and has them granted; whatever is wrong with one is said to the visitor."""

    passes: Passes

    def wish(self, photo: Any, checkpoint: Any = None, steps: Any = None, edits: Any = None) -> Wish:
        """A wish of what was sent: None stands for the first checkpoint, the steps trained, no edits."""
        names = self.passes.names
        if not isinstance(photo, str) or not photo:
            raise gr.Error("Choose a photo first.", title="No photo", print_exception=False)
        if checkpoint is not None and checkpoint not in names:
            raise gr.Error(f"Choose one of {', '.join(names)}.", title="No such checkpoint", print_exception=False)
        steps = AS_TRAINED if steps is None else steps
        if isinstance(steps, bool) or steps not in (AS_TRAINED, *range(MOST_STEPS + 1)):
            message = f"The number of time steps is 0 to {MOST_STEPS}, or {AS_TRAINED} for as many as trained."
            raise gr.Error(message, title="So often it cannot look", print_exception=False)
        try:
            return Wish(photo, checkpoint or names[0], int(steps), read_edits(edits or []))
        except ValueError as error:
            raise objection(error, "This cannot be altered") from error

    def sent(self, wish: Any) -> Wish:
        """The same of an object {photo: file, checkpoint, steps, edits}."""
        if not isinstance(wish, dict):
            raise gr.Error("Choose a photo first.", title="No photo", print_exception=False)
        photo = wish.get("photo")
        path = photo.get("path") if isinstance(photo, dict) else None
        return self.wish(path, *(wish.get(name) for name in ("checkpoint", "steps", "edits")))

    def view(self, wish: Wish, request: gr.Request | None) -> View:
        """The pass; a message to the visitor if it cannot be had."""
        return self._ask(self.passes.view, wish, request)

    def localised(self, wish: Wish, request: gr.Request | None) -> View:
        """Like `view`, as soon as RLN has run."""
        return self._ask(self.passes.localised, wish, request)

    def _ask(self, run: Callable[..., View], wish: Wish, request: gr.Request | None) -> View:
        visitor = request.session_hash if request is not None else None
        try:
            return run(wish.photo, wish.checkpoint, wish.steps, visitor, wish.edits)
        except ImageError as error:
            raise refusal(error, wish.photo, "This picture cannot be used") from error
        except FloatingPointError as error:
            raise gr.Error(str(error), title="No result", print_exception=False) from error
        except ValueError as error:
            raise objection(error, "This cannot be altered") from error


def refusal(error: ImageError, path: str, title: str) -> gr.Error:
    """The message to a visitor about a file of theirs, which they know by its name, not by where the server put it."""
    return gr.Error(str(error).replace(path, Path(path).name), title=title, print_exception=False)


def objection(error: Exception, title: str) -> gr.Error:
    """The message to a visitor about what was asked for."""
    text = str(error)
    return gr.Error(f"{text[:1].upper()}{text[1:]}.", title=title, print_exception=False)


def ground_truth(mask: str, view: View) -> NDArray[np.uint8]:
    """The mask file as (H, W) of 0 and 1, the photo's size; a message to the visitor if it is not of this photo."""
    title = "This mask cannot be used"
    most = MAX_PIXELS
    if view.full_size is not None:
        most = min(max(most, view.full_size[0] * view.full_size[1]), LARGEST_MASK)
    try:
        truth = read_mask(mask, most)
    except ImageError as error:
        raise refusal(error, mask, title) from error
    (height, width), (mask_height, mask_width) = view.trace.photo.shape[:2], truth.shape
    if (mask_width, mask_height) == view.full_size:
        truth = np.asarray(Image.fromarray(truth).resize((width, height), Image.Resampling.NEAREST))
    if truth.shape != (height, width):
        message = f"The mask has {mask_width}×{mask_height} pixels and the photo {width}×{height}; they must be alike."
        raise gr.Error(message, title=title, print_exception=False)
    if not truth.any():
        message = "The mask is empty: none of its pixels is brighter than half, so there is no object to compare with."
        raise gr.Error(message, title=title, print_exception=False)
    return truth


def checked_point(view: View, x: float | None, y: float | None) -> tuple[int, int]:
    """Column and row as whole numbers; a message to the visitor if they are outside the photo."""
    height, width = view.trace.photo.shape[:2]
    if x is None or y is None or not contains(x, y, view.trace.photo.shape):
        message = f"The photo has columns 0 to {width - 1} and rows 0 to {height - 1}."
        raise gr.Error(message, title="Outside the photo", print_exception=False)
    return int(x), int(y)
