"""The page without a server: its modules as text, in one HTML file or in a notebook's widget."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from markupsafe import Markup

from dgrl.page import FOLDER
from dgrl.templates import render

SERVED_ONLY = (
    "main.js",
    "engines/server.js",
    "engines/space.js",
    "engines/streams.js",
    "engines/browser.js",
    "engines/surveyed.js",
    "engines/worker/",
)
"""Modules that need a server."""


@dataclass(frozen=True)
class StoredPass:
    """A pass that a page holds, and the request that it answers.

    Attributes:
        bundle: what `dgrl.bundle.bundle` returned.
        photo: the photo's name on the page.
        checkpoint: the network's name.
        trained: T as the network was trained.
        steps: T of the pass; None for as many as trained.
        edits: its edits in the form of `dgrl.edits`, for the page's titles.
    """

    bundle: bytes
    photo: str
    checkpoint: str = "DGRL"
    trained: int = 2
    steps: int | None = None
    edits: Sequence[Mapping[str, Any]] = ()

    def request(self) -> dict[str, Any]:
        """Return the page's request for it."""
        return {
            "photo": self.photo,
            "checkpoint": self.checkpoint,
            "steps": self.steps,
            "edits": [dict(edit) for edit in self.edits],
        }


def all_sources() -> dict[str, str]:
    """Return the text of every module, by its path below `dgrl/page`."""
    paths = sorted(FOLDER.rglob("*.js"))
    return {path.relative_to(FOLDER).as_posix(): path.read_text(encoding="utf-8") for path in paths}


@cache
def sources() -> dict[str, str]:
    """Return the text of every module that needs no server, by its path below `dgrl/page`."""
    return {name: text for name, text in all_sources().items() if not name.startswith(SERVED_ONLY)}


@cache
def survey_sources() -> dict[str, str]:
    """Return the text of the survey's modules."""
    return {name: text for name, text in all_sources().items() if name.startswith("survey/") or name == "dom.js"}


@cache
def loader() -> str:
    """Return the function `loadInline`, for a script that loads modules from text."""
    return sources()["inline.js"].replace("export async function", "async function")


@cache
def style() -> str:
    """Return the style sheets."""
    return "".join((FOLDER / name).read_text(encoding="utf-8") for name in ("page.css", "survey/survey.css"))


@cache
def notebook_module() -> str:
    """Return one ES module as anywidget needs it: its default export has `render`."""
    return "\n".join(
        [
            loader(),
            f"const SOURCES = {json.dumps(sources())};",
            'const page = loadInline(SOURCES, "notebook.js");',
            "export default { render: async (place) => (await page).render(place) };",
            "",
        ]
    )


def stored_page(
    passes: Sequence[StoredPass],
    title: str,
    scene: Mapping[str, Any] | None = None,
    template: str = "page",
    **words: Any,
) -> str:
    """Return an HTML page with one pass, or with two beside each other. It works from a disk, offline.

    Args:
        passes: one or two.
        title: of the page.
        scene: where to begin, fields of `Scene` in `page/state/scene.js`.
        template: a template of `dgrl/templates` that extends `page.html`.
        words: what that template needs besides.

    Raises:
        ValueError: there are no passes, or more than two.
    """
    if len(passes) not in (1, 2):
        raise ValueError(f"a page shows one pass or two, not {len(passes)}")
    stored = [
        {"request": one.request(), "trained": one.trained, "bundle": base64.b64encode(one.bundle).decode()}
        for one in passes
    ]
    return render(
        template,
        title=title,
        content={"stored": stored, "scene": dict(scene or {})},
        sources=sources(),
        loader=Markup(loader()),
        style=Markup(style()),
        **words,
    )
