"""Check requests for passes and run them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dgrl.app.passes import MAX_PIXELS, Passes
from dgrl.app.refusals import Refused, refused_argument, refused_picture
from dgrl.app.results import picture_of
from dgrl.app.runs import AS_TRAINED, View
from dgrl.data.masks import read_mask
from dgrl.edits import MAX_STEPS, read_edits
from dgrl.images import MAX_PIXELS as LARGEST_MASK
from dgrl.images import ImageError
from dgrl.places import contains
from dgrl.prompts import resolved_prompt
from dgrl.taps import Edit
from dgrl.trace import Trace

BAD_EDIT = "This cannot be changed"
PhotoPath = Callable[[Any], Any]


@dataclass(frozen=True)
class PassRequest:
    """One forward pass to compute.

    Attributes:
        photo: path of the picture.
        checkpoint: name of one of the app's networks.
        steps: T, or AS_TRAINED.
        edits: changes made at taps.
    """

    photo: str
    checkpoint: str
    steps: int = AS_TRAINED
    edits: tuple[Edit, ...] = ()


@dataclass(frozen=True)
class Requests:
    """Reads requests and runs them on the app's networks."""

    passes: Passes

    def read(
        self,
        photo: Any,
        checkpoint: Any = None,
        steps: Any = None,
        edits: Any = None,
        session: str | None = None,
        photo_path: PhotoPath | None = None,
    ) -> PassRequest:
        """Check a request. None means the first checkpoint, the steps trained, no edits.

        Args:
            photo: path of the picture.
            checkpoint: name of one of the app's networks.
            steps: T, or AS_TRAINED.
            edits: edits as `dgrl.edits` reads them. The pass that a patch takes its value from is computed.
            session: the requesting session.
            photo_path: finds the file of another photo that a patch names.

        Raises:
            Refused: an argument is missing or out of range.
        """
        names = self.passes.names
        if not photo:
            raise Refused("Choose a photo first.", "No photo")
        if checkpoint is not None and checkpoint not in names:
            raise Refused(f"Choose one of {', '.join(names)}.", "No such checkpoint")
        steps = AS_TRAINED if steps is None else steps
        if isinstance(steps, bool) or steps not in (AS_TRAINED, *range(MAX_STEPS + 1)):
            sentence = f"The number of time steps is 0 to {MAX_STEPS}, or {AS_TRAINED} for as many as trained."
            raise Refused(sentence, "Too many time steps")
        pass_request = PassRequest(str(photo), checkpoint or names[0], int(steps))

        def other_trace(fields: Mapping[str, Any]) -> Trace:
            photo_name = photo if "photo" not in fields else photo_path(fields["photo"]) if photo_path else None
            request = self.read(
                photo_name, fields.get("checkpoint", pass_request.checkpoint), fields.get("steps", pass_request.steps)
            )
            return self.view(request, session).trace

        try:
            return replace(pass_request, edits=read_edits(edits or [], other_trace))
        except ValueError as error:
            raise refused_argument(error, BAD_EDIT) from error

    def prompted(self, pass_request: PassRequest, box: Any, point: Any, session: str | None) -> PassRequest:
        """Return a request for the same pass with a prompt, if there is one.

        Args:
            pass_request: the request.
            box: [left, top, right, bottom] in the photo's pixels, or None.
            point: [x, y] in the same pixels, or None.
            session: the requesting session.

        Raises:
            Refused: the value is not a box or point, lies outside the photo, or the network accepts no prompt.
        """
        if box is None and point is None:
            return pass_request

        def find(*prompts: Edit) -> NDArray[np.float32]:
            return (
                self.localised(replace(pass_request, edits=(*prompts, *pass_request.edits)), session)
                .trace.steps[-1]
                .saliency
            )

        config = self.passes.networks.config(pass_request.checkpoint)
        shape = picture_of(pass_request.photo).seen.shape
        try:
            numbers = pixels_of(box, "box", ("left", "top", "right", "bottom")), pixels_of(point, "point", ("x", "y"))
            prompts = resolved_prompt(config, shape, find, *numbers)  # type: ignore[arg-type]
        except ValueError as error:
            raise refused_argument(error, "This prompt cannot be used") from error
        return replace(pass_request, edits=(*prompts, *pass_request.edits))

    def view(self, pass_request: PassRequest, session: str | None) -> View:
        """Run a pass, or find it among the recent ones.

        Raises:
            Refused: the picture cannot be read, an edit does not fit, or the result is not finite.
        """
        return self._run(self.passes.view, pass_request, session)

    def localised(self, pass_request: PassRequest, session: str | None) -> View:
        """Run RLN alone; raise as `view` does."""
        return self._run(self.passes.localised, pass_request, session)

    def _run(self, run: Callable[..., View], pass_request: PassRequest, session: str | None) -> View:
        try:
            return run(pass_request.photo, pass_request.checkpoint, pass_request.steps, session, pass_request.edits)
        except ImageError as error:
            raise refused_picture(error, pass_request.photo, "This picture cannot be used") from error
        except FloatingPointError as error:
            raise Refused(str(error)) from error
        except ValueError as error:
            raise refused_argument(error, BAD_EDIT) from error


def pixels_of(value: Any, name: str, parts: Sequence[str]) -> tuple[float, ...] | None:
    """Read places in the photo, a list of numbers; None if nothing was sent.

    Raises:
        ValueError: it is something else.
    """
    if value is None:
        return None
    numbers = value if isinstance(value, (list, tuple)) else ()
    if len(numbers) != len(parts) or any(
        isinstance(number, bool) or not isinstance(number, (int, float)) for number in numbers
    ):
        raise ValueError(f"the prompt's {name} is a list of {len(parts)} numbers: {', '.join(parts)}, in pixels")
    return tuple(map(float, numbers))


def ground_truth(mask: str, shape: tuple[int, ...], full_size: tuple[int, int] | None) -> NDArray[np.uint8]:
    """Read a mask file as (H, W) of 0 and 1.

    Args:
        mask: the file.
        shape: (H, W, …) of the photo.
        full_size: width and height of the photo's file, if it was read at reduced size.

    Raises:
        Refused: it cannot be read, has another size than the photo, or is empty.
    """
    title = "This mask cannot be used"
    pixel_limit = MAX_PIXELS
    if full_size is not None:
        pixel_limit = min(max(pixel_limit, full_size[0] * full_size[1]), LARGEST_MASK)
    try:
        truth = read_mask(mask, pixel_limit)
    except ImageError as error:
        raise refused_picture(error, mask, title) from error
    (height, width), (mask_height, mask_width) = shape[:2], truth.shape
    if (mask_width, mask_height) == full_size:
        truth = np.asarray(Image.fromarray(truth).resize((width, height), Image.Resampling.NEAREST))
    if truth.shape != (height, width):
        size = f"The mask has {mask_width}×{mask_height} pixels and the photo {width}×{height}; they must be alike."
        raise Refused(size, title)
    if not truth.any():
        empty = "The mask is empty: none of its pixels is brighter than half, so there is no object to compare with."
        raise Refused(empty, title)
    return truth


def checked_point(view: View, x: float | None, y: float | None) -> tuple[int, int]:
    """Return column and row as whole numbers.

    Raises:
        Refused: they lie outside the photo.
    """
    height, width = view.trace.photo.shape[:2]
    if x is None or y is None or not contains(x, y, view.trace.photo.shape):
        raise Refused(f"The photo has columns 0 to {width - 1} and rows 0 to {height - 1}.", "Outside the photo")
    return int(x), int(y)
