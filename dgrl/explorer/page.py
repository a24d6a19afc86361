"""The explorer as a page: one HTML file with its passes, its script and its style; it asks nobody for anything."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from dgrl.explorer.assets import script, style
from dgrl.templates import render


def page(
    bundles: Sequence[bytes],
    title: str,
    names: tuple[str, str] = ("first", "second"),
    state: Mapping[str, Any] | None = None,
    template: str = "page",
    **words: Any,
) -> str:
    """A page with one pass, or two beside each other.

    Args:
        bundles: one or two results of `dgrl.explorer.bundle`.
        title: of the page.
        names: what stands above two passes.
        state: where to begin; `script/state.js` lists its parts.
        template: a template of `dgrl/templates` that extends `page.html`.
        words: what that template needs besides.

    Raises:
        ValueError: there are no bundles, or more than two.
    """
    if len(bundles) not in (1, 2):
        raise ValueError(f"a page shows one pass or two, not {len(bundles)}")
    return render(
        template,
        title=title,
        bundles=[base64.b64encode(data).decode() for data in bundles],
        options={"names": list(names), "state": dict(state or {})},
        script=Markup(script()),
        style=Markup(style()),
        **words,
    )
