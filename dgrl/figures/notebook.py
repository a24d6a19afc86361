"""Figures as a notebook's output."""

from typing import Any

from IPython.display import Image as Shown
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from dgrl.figures.layout import jpeg


def described(figure: Figure, words: str) -> Any:
    """Return a figure for a notebook's output, with alternative text; a JPEG, because notebooks keep their outputs."""
    plt.close(figure)  # else a figure of pyplot is shown a second time, without the words
    return Shown(jpeg(figure), format="jpeg", alt=words)  # type: ignore[no-untyped-call]
