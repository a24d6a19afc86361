"""Figures as a notebook's output."""

import base64
from typing import Any

from IPython.display import Image as Shown
from IPython.display import display
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from dgrl.figures.layout import jpeg


def described(figure: Figure, words: str) -> Any:
    """Return a figure for a notebook's output, with alternative text; a JPEG, because notebooks keep their outputs."""
    plt.close(figure)  # else a figure of pyplot is shown a second time, without the words
    return Shown(jpeg(figure), format="jpeg", alt=words)  # type: ignore[no-untyped-call]


VIEW = "application/vnd.jupyter.widget-view+json"
OUTPUT = ":is(.jp-OutputArea-child, .output_container, .output_subarea)"
"""One of a cell's outputs, in JupyterLab, VS Code and Colab."""


def show_with_picture(bundle: Any, kind: str, picture: bytes, words: str) -> None:
    """Show a widget and, as an output of its own, a picture that stands for it where no kernel runs.

    JupyterLab shows one kind of data of an output, and of a saved widget that is "model not found". While the widget is
    there, its style (`hidden_picture`) hides the picture.

    Args:
        bundle: what the widget's `_repr_mimebundle_` returns.
        kind: of the picture: "image/jpeg", say.
        picture: its bytes.
        words: its alternative text.
    """
    data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
    display({VIEW: data[VIEW], "text/plain": words}, metadata=metadata, raw=True)  # type: ignore[no-untyped-call]
    shown = {kind: base64.b64encode(picture).decode(), "text/plain": words}
    display(shown, metadata={kind: {"alt": words}}, raw=True)  # type: ignore[no-untyped-call]


def hidden_picture(widget: str) -> str:
    """Return the style sheet that hides the picture of a widget, which is the output after it.

    Args:
        widget: selector of an element that is there only while the widget is.
    """
    return f"{OUTPUT}:has({widget}) + {OUTPUT}:has(img) {{ display: none; }}"
