"""What the tabs share: the controls that say which pass is looked at, pictures as files, legends and tables."""

import html
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.processing_utils import hash_bytes
from gradio.utils import get_upload_folder
from numpy.typing import NDArray
from PIL import Image

from dgrl.app.passes import AS_TRAINED, Passes, View
from dgrl.figures import SIGNED, colour, luminance, number
from dgrl.images import RGB, ImageError

MOST_STEPS = 4
LATEX: list[dict[str, str | bool]] = [
    {"left": "$$", "right": "$$", "display": True},
    {"left": "$", "right": "$", "display": False},
]


def photo_input() -> gr.Image:
    """Where the photo comes in. It reaches Python as the very file the visitor gave: `read_image` does the rest."""
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
    # Gradio's own opens the file first, to refuse what is no picture with a traceback. `read_image` says what is wrong.
    photo.preprocess = lambda payload: None if payload is None else payload.path  # type: ignore[method-assign]
    return photo


@dataclass
class Source:
    """The three controls that say which pass is looked at. Their values come first in every handler's arguments."""

    passes: Passes
    photo: gr.Image
    checkpoint: gr.Dropdown
    steps: gr.Radio

    @property
    def inputs(self) -> list[Any]:
        """The controls, for an event's `inputs`."""
        return [self.photo, self.checkpoint, self.steps]

    def view(self, photo: str | None, checkpoint: str, steps: int, request: gr.Request | None) -> View:
        """The pass; a message to the visitor if there is no photo or it cannot be used."""
        if photo is None:
            raise gr.Error("Choose a photo first.", title="No photo", print_exception=False)
        visitor = request.session_hash if request is not None else None
        try:
            return self.passes.view(photo, checkpoint, steps, visitor)
        except ImageError as error:
            # The visitor knows the file by its name, not by where the server put it.
            message = str(error).replace(photo, Path(photo).name)
            raise gr.Error(message, title="This picture cannot be used", print_exception=False) from error
        except FloatingPointError as error:
            raise gr.Error(str(error), title="No result", print_exception=False) from error


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
    )


def picture_file(picture: RGB | Image.Image, name: str, suffix: str = "png") -> str:
    """Write a picture where Gradio serves its files; the path. PNG is written fast rather than small."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    buffer = io.BytesIO()
    if suffix == "png":
        image.save(buffer, "png", compress_level=1)
    else:
        image.save(buffer, suffix, quality=92)
    content = buffer.getvalue()
    folder = Path(get_upload_folder()) / hash_bytes(content)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.{suffix}"
    path.write_bytes(content)
    return str(path)


def picture_point(view: View, x: int, y: int, picture: RGB) -> tuple[int, int]:
    """The pixel of a drawn picture that shows the photo's pixel (x, y)."""
    height, width = view.trace.photo.shape[:2]
    return int((x + 0.5) * picture.shape[1] / width), int((y + 0.5) * picture.shape[0] / height)


def photo_point(view: View, click: Any, shape: tuple[int, ...]) -> tuple[int, int]:
    """The photo's pixel that a click on a picture of `shape` (height, width) meant, kept inside the photo."""
    height, width = view.trace.photo.shape[:2]
    return inside(view, (click[0] + 0.5) * width / shape[1], (click[1] + 0.5) * height / shape[0])


def inside(view: View, x: float, y: float) -> tuple[int, int]:
    """The photo's pixel nearest to (x, y)."""
    height, width = view.trace.photo.shape[:2]
    return min(max(int(x), 0), width - 1), min(max(int(y), 0), height - 1)


def checked_point(view: View, x: float | None, y: float | None) -> tuple[int, int]:
    """Column and row as whole numbers; a message to the visitor if they are outside the photo."""
    height, width = view.trace.photo.shape[:2]
    if x is None or y is None or not (0 <= x < width and 0 <= y < height):
        message = f"The photo has columns 0 to {width - 1} and rows 0 to {height - 1}."
        raise gr.Error(message, title="Outside the photo", print_exception=False)
    return int(x), int(y)


def legend(colour_map: str, low: float, high: float, label: str) -> str:
    """A colour bar with its ends and its meaning, as HTML."""
    stops = ",".join(_css(rgb) for rgb in colour(np.linspace(0, 1, 17)[None], 0, 1, colour_map)[0])
    middle = f"<span>{html.escape(label)}</span>"
    bar = f'<span class="legend-bar" style="background:linear-gradient(to right,{stops})"></span>'
    return f'<div class="legend"><span>{number(low)}</span>{bar}<span>{number(high)}</span>{middle}</div>'


def number_grid(caption: str, values: NDArray[np.float64], low: float, high: float, colour_map: str = SIGNED) -> str:
    """An n×n window as an HTML table: every number, on its colour; offsets from the centre as headings."""
    half = len(values) // 2
    offsets = [f"{offset:+d}" if offset else "0" for offset in range(-half, half + 1)]
    colours = colour(values, low, high, colour_map)
    rows = ["<tr><th></th>" + "".join(f'<th scope="col">{offset}</th>' for offset in offsets) + "</tr>"]
    for row, offset in enumerate(offsets):
        cells = []
        for column, value in enumerate(values[row]):
            ink = "black" if luminance(colours[row, column]) > 0.5 else "white"
            centre = ' class="centre"' if row == column == half else ""
            style = f"background:{_css(colours[row, column])};color:{ink}"
            cells.append(f'<td{centre} style="{style}">{number(value)}</td>')
        rows.append(f'<tr><th scope="row">{offset}</th>{"".join(cells)}</tr>')
    return f'<table class="numbers"><caption>{html.escape(caption)}</caption>{"".join(rows)}</table>'


def reading_table(caption: str, columns: list[str], rows: Mapping[str, list[str]], chosen: str) -> str:
    """Readings as an HTML table, a row for each key; the chosen row is bold."""
    head = "".join(f'<th scope="col">{html.escape(column)}</th>' for column in columns)
    body = []
    for name, cells in rows.items():
        mark = ' class="chosen"' if name == chosen else ""
        values = "".join(f"<td>{cell}</td>" for cell in cells)
        body.append(f'<tr{mark}><th scope="row">{html.escape(name)}</th>{values}</tr>')
    table = f"<caption>{html.escape(caption)}</caption><tr><th></th>{head}</tr>{''.join(body)}"
    return f'<div class="scroll"><table class="numbers">{table}</table></div>'


def _css(rgb: NDArray[np.uint8]) -> str:
    return "#" + bytes(rgb).hex()
