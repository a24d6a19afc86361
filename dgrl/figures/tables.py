"""A picture inside a page (`dgrl.templates`)."""

import base64

from markupsafe import Markup

from dgrl.templates import render


def embedded(image: bytes, alternative: str, kind: str = "png", **attributes: object) -> Markup:
    """Return an image file of `kind` (png, svg+xml) as HTML, with a text for people who cannot see it."""
    data = base64.b64encode(image).decode()
    return render("image", kind=kind, data=data, alternative=alternative, attributes=attributes)
