"""The explorer as a page: one HTML file that holds its passes, its script and its style, and asks nobody for anything."""

import base64
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from dgrl.explorer.assets import script, style

HEIGHT = "100vh"


def page(
    bundles: Sequence[bytes],
    title: str,
    names: tuple[str, str] = ("first", "second"),
    state: Mapping[str, Any] | None = None,
    template: str = "explorer.html.jinja",
    height: str = HEIGHT,
    **words: Any,
) -> str:
    """A page with one pass, or two beside each other.

    Args:
        bundles: one or two results of `dgrl.explorer.bundle`.
        title: of the page.
        names: what stands above two passes.
        state: where to begin; `script/state.js` lists its parts.
        template: a template of `dgrl/templates` that extends `explorer.html.jinja`.
        height: of the explorer, where the window is wide enough for all of it side by side; CSS.
        words: what that template needs besides.

    Raises:
        ValueError: there are no bundles, or more than two.
    """
    if len(bundles) not in (1, 2):
        raise ValueError(f"a page shows one pass or two, not {len(bundles)}")
    return (
        _templates()
        .get_template(template)
        .render(
            title=title,
            bundles=[Markup(base64.b64encode(data).decode()) for data in bundles],
            options={"names": list(names), "state": dict(state or {})},
            script=Markup(script()),
            style=Markup(style()),
            height=height,
            **words,
        )
    )


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("dgrl", "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
