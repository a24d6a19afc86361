"""The page without a server: its modules as text, for an HTML file or a notebook's widget."""

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
"""Modules that only work with a server."""
SURVEY_NEEDS = ("dom.js", "vocabulary.js")
"""Modules that the survey's view imports from outside its folder."""


@dataclass(frozen=True)
class StoredPass:
    """A stored pass of a page, and its request.

    Attributes:
        bundle: the result of `dgrl.bundle.bundle`.
        photo: the photo's name on the page.
        checkpoint: the network's name.
        trained: T of the training.
        steps: T of the pass; None for the number trained.
        edits: its edits in the form of `dgrl.edits`, for the page's titles.
    """

    bundle: bytes
    photo: str
    checkpoint: str = "DGRL"
    trained: int = 2
    steps: int | None = None
    edits: Sequence[Mapping[str, Any]] = ()

    def request(self) -> dict[str, Any]:
        """Return the pass's request, as the page writes it."""
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
    """Return the text of every module that works without a server, by its path below `dgrl/page`."""
    return {name: text for name, text in all_sources().items() if not name.startswith(SERVED_ONLY)}


@cache
def survey_sources() -> dict[str, str]:
    """Return the text of the survey's modules."""
    return {name: text for name, text in all_sources().items() if name.startswith("survey/") or name in SURVEY_NEEDS}


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
    """Return one ES module for anywidget: its default export has `render`."""
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
    """Return an HTML page with one pass, or two side by side. It works offline from a file.

    Args:
        passes: one or two.
        title: the page's title.
        scene: the first scene, fields of `Scene` in `page/state/scene.js`.
        template: a template of `dgrl/templates` that extends `page.html`.
        words: further variables of the template.

    Raises:
        ValueError: there are no passes, or more than two.
    """
    if len(passes) not in (1, 2):
        raise ValueError(f"a page shows one pass or two, not {len(passes)}")
    stored_passes = [
        {
            "request": stored_pass.request(),
            "trained": stored_pass.trained,
            "bundle": base64.b64encode(stored_pass.bundle).decode(),
        }
        for stored_pass in passes
    ]
    return render(
        template,
        title=title,
        content={"stored": stored_passes, "scene": dict(scene or {})},
        sources=sources(),
        loader=Markup(loader()),
        style=Markup(style()),
        **words,
    )
