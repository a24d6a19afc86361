"""The notebook explorer: one pass, or two side by side, under the hand, in JupyterLab, Notebook 7, VS Code and Colab.

It is the explorer of the app and of the reports (`dgrl.explorer`), shown by anywidget. Where no widget can run (GitHub,
nbviewer) the notebook shows `Explorer.figure` instead.
"""

# ruff: noqa: E402
import base64
from typing import Any

from dgrl.extras import require

require("notebook", "anywidget")

import anywidget
import traitlets
from matplotlib.figure import Figure

from dgrl import figures
from dgrl.explorer import bundle
from dgrl.explorer.assets import notebook_script, style
from dgrl.explorer.report import found
from dgrl.trace import Trace

HEIGHT = "660px"


def explore(first: Trace, second: Trace | None = None, names: tuple[str, str] = ("first", "second")) -> "Explorer":
    """Look into a pass: choose time step, map and opacity; point at a pixel for its kernel and arithmetic.

    Args:
        first: the pass.
        second: another pass to set beside it, of another picture or another checkpoint. The same controls move both:
            a pixel of the first photo stands for the second's pixel at the same share of width and height.
        names: what stands above the two passes.

    Raises:
        ValueError: the two names are the same.
    """
    if second is None:
        return Explorer([first], names)
    if names[0] == names[1]:
        raise ValueError(f"two passes need two names, not {names[0]!r} twice")
    return Explorer([first, second], names)


class Explorer(anywidget.AnyWidget):
    """The widget. It begins at the pixel that BRN changed most.

    Attributes:
        state: what is shown, e.g. `{"map": "conv4", "step": 1, "x": 20, "y": 30}`; what a person chooses is found here,
            and what is assigned is shown. `explorer/script/state.js` lists its parts.
        traces: the passes.
    """

    _esm = notebook_script()
    _css = f"{style()}\n.dgrl-explorer {{ --dgrl-height: {HEIGHT}; }}"
    first = traitlets.Bytes().tag(sync=True)
    second = traitlets.Bytes().tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    state = traitlets.Dict().tag(sync=True)

    def __init__(self, traces: list[Trace], names: tuple[str, str]) -> None:
        bundles = [bundle(trace, found=found(trace)) for trace in traces]
        most_changed = traces[0].most_changed(count=1)[0]
        state = {"x": most_changed.x, "y": most_changed.y, "pinned": True}
        super().__init__(first=bundles[0], second=b"".join(bundles[1:]), names=list(names), state=state)
        self.traces = traces
        self.on_msg(self._answer)

    def figure(self) -> Figure:
        """Draw the passes as a figure, for places without widgets."""
        if len(self.traces) == 1:
            return figures.overview(self.traces[0])
        return figures.comparison(dict(zip(self.names, self.traces, strict=True)))

    def _answer(self, _: Any, asked: dict[str, int], __: Any) -> None:
        """Send the pixel's coefficients with all their digits."""
        pixel = self.traces[asked["slot"]].pixel(asked["x"], asked["y"])
        self.send({**asked, "coefficients": pixel.coefficients.ravel().tolist()})

    def _repr_mimebundle_(self, **settings: Any) -> tuple[dict[Any, Any], dict[Any, Any]]:
        own = super()._repr_mimebundle_(**settings)
        metadata = own[1] if isinstance(own, tuple) else {}  # Colab must be told where widgets of others come from
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        picture = base64.b64encode(figures.jpeg(self.figure())).decode()
        text = "Explorer of a pass: run this notebook to use it"
        return {"application/vnd.jupyter.widget-view+json": view, "image/jpeg": picture, "text/plain": text}, metadata
