"""A shareable address: which example, tab, step, level and pixel somebody looks at, in the query of a link."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import gradio as gr
from gradio.processing_utils import hash_file, save_file_to_cache
from gradio.utils import get_upload_folder

from dgrl.app.localise import Looking
from dgrl.app.parts import MOST_STEPS, Source, Wanted
from dgrl.app.runs import AS_TRAINED
from dgrl.figures import KINDS

WITH_PHOTO = "It opens this example as you see it."
WITHOUT_PHOTO = "It carries your settings and not your photo, which stays with you."
# The page knows best which tab is open.
OPEN_TAB = """(...values) => {
  const tab = document.querySelector('[role=tab][aria-selected=true]')?.textContent.trim().toLowerCase() ?? '';
  return [...values.slice(0, -1), tab.replaceAll(' ', '-')];
}"""
COPY = """async (query, note) => {
  const link = window.location.origin + window.location.pathname + query;
  try {
    await navigator.clipboard.writeText(link);
    return [link, `Copied. ${note}`];
  } catch {
    return [link, `Copy the link from the field. ${note}`];
  }
}"""


class Addresses:
    """Writes and reads the queries of links. They name examples and settings, and never a file.

    Args:
        checkpoints: the names that may be asked for.
        examples: the photographs that may be.
        tabs: the ids of the tabs.
    """

    def __init__(self, checkpoints: Sequence[str], examples: Sequence[str | Path], tabs: Sequence[str]) -> None:
        self._checkpoints, self._tabs = list(checkpoints), list(tabs)
        self._examples = {Path(path).stem: path for path in examples}
        self._names = {hash_file(path): name for name, path in self._examples.items()}

    def write(
        self,
        photo: str | None,
        checkpoint: str,
        steps: int,
        step: int,
        kind: str,
        localised: tuple[float | None, float | None],
        refined: tuple[float | None, float | None],
        tab: str,
    ) -> tuple[str, str]:
        """The query of a link, and what to say about it; the pixel is that of the open tab."""
        example = self._names.get(hash_file(photo)) if photo is not None else None
        x, y = refined if tab == "refine" else localised
        query: dict[str, Any] = {"example": example, "tab": tab, "checkpoint": checkpoint}
        query |= {"steps": None if steps == AS_TRAINED else steps, "step": step, "level": kind}
        if example is not None and x is not None and y is not None:
            query |= {"x": int(x), "y": int(y)}
        given = {name: value for name, value in query.items() if value is not None}
        return f"?{urlencode(given)}", WITHOUT_PHOTO if example is None else WITH_PHOTO

    def read(self, query: Mapping[str, str]) -> dict[str, Any]:
        """What a link asks for, by the names in `write`: only what the app offers; anything else is passed over."""
        offered: dict[str, Sequence[str]] = {
            "example": list(self._examples),
            "tab": self._tabs,
            "checkpoint": self._checkpoints,
            "level": KINDS,
            "steps": [str(steps) for steps in range(MOST_STEPS + 1)],
            "step": [str(step) for step in range(MOST_STEPS + 1)],
        }
        found: dict[str, Any] = {name: query[name] for name in offered if query.get(name) in offered[name]}
        for number in ("steps", "step"):
            if number in found:
                found[number] = int(found[number])
        pixel = [query.get("x", ""), query.get("y", "")]
        if all(at.isdecimal() and at.isascii() and len(at) < 7 for at in pixel):
            found["pixel"] = tuple(int(at) for at in pixel)
        return found

    def photo(self, example: str) -> str | None:
        """A copy of an example where Gradio serves its files; None if it is none."""
        path = self._examples.get(example)
        return None if path is None else save_file_to_cache(path, get_upload_folder())


def add(
    source: Source, looking: Looking, refined: Sequence[gr.Number], addresses: Addresses, tabs: gr.Tabs, app: gr.Blocks
) -> None:
    """Lay the button out inside the current `gr.Blocks`, and let the app open as its address says.

    Args:
        source: the controls of the pass.
        looking: the controls of the Localise tab.
        refined: column and row in the Refine tab.
        addresses: what links may say.
        tabs: all the tabs.
        app: the app.
    """
    with gr.Column(min_width=320):
        button = gr.Button("Copy link to this view", size="md")
        link = gr.Textbox(label="Link to this view", visible=False, interactive=False, buttons=["copy"], elem_id="link")
        note = gr.Markdown(elem_id="link-note")
        tab = gr.Textbox(visible=False)
        example = gr.Textbox(visible="hidden", label="Example", elem_id="example")

    def share(
        photo: str | None,
        checkpoint: str,
        steps: int,
        step: int,
        kind: str,
        x: float | None,
        y: float | None,
        refined_x: float | None,
        refined_y: float | None,
        tab: str,
    ) -> tuple[str, str]:
        return addresses.write(photo, checkpoint, steps, step, kind, (x, y), (refined_x, refined_y), tab)

    def restore(request: gr.Request) -> list[Any]:
        wanted = addresses.read(dict(request.query_params))
        photo = addresses.photo(wanted.get("example", ""))
        pixel = Wanted(photo, *wanted["pixel"]) if photo is not None and "pixel" in wanted else None
        values = [wanted.get(name, gr.skip()) for name in ("checkpoint", "steps", "step", "level")]
        selected = gr.Tabs(selected=wanted["tab"]) if "tab" in wanted else gr.skip()
        return [*values, pixel, selected, wanted.get("example", "")]

    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    shown = [looking.step, looking.kind, looking.x, looking.y, *refined]
    written = button.click(share, [*source.inputs, *shown, tab], [link, note], js=OPEN_TAB, queue=False, **private)
    written.success(lambda: gr.Textbox(visible=True), None, link, queue=False, **private).success(
        None, [link, note], [link, note], js=COPY
    )
    restored = [source.checkpoint, source.steps, looking.step, looking.kind, source.wanted, tabs, example]
    app.load(restore, None, restored, queue=False, **private)
    # Not `restore` itself: it would have to skip the photo where none is asked for, and a skip makes Gradio build the
    # component anew, without what `photo_input` did to it.
    example.change(addresses.photo, example, source.photo, queue=False, **private)
