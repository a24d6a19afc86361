"""The notebook explorer: one pass, or two side by side, under the hand. Needs ipywidgets (8, or 7.7 as in Colab) alone.

Sliders and buttons work wherever ipywidgets do: JupyterLab, Notebook, VS Code, Colab. ipywidgets knows no click on an
image, so a click is a small handler in the picture's own HTML that hands the place to a hidden text field. A front end
that blocks it loses the click and nothing more: the pixel's two sliders say the same, and arrow keys move them.
Where no widget can run at all (GitHub, nbviewer) the notebook shows `Explorer.figure` instead.
"""

import base64
from typing import Any

import ipywidgets
from markupsafe import Markup
from matplotlib.figure import Figure

from dgrl import figures
from dgrl.figures import KINDS, REFINED, REFINEMENT, Layer
from dgrl.images import RGB
from dgrl.places import pixel_at, shares
from dgrl.templates import render, style_sheet
from dgrl.trace import Trace

CHOICES = (*KINDS, REFINED, REFINEMENT)
DRAWN_LENGTH = 440

# The time makes a second click on the same place news. A click is "across down time", across and down from 0 to 1.
ON_CLICK = """
const box = this.getBoundingClientRect();
const field = this.closest('.dgrl-explorer').querySelector('.dgrl-click input');
field.value = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height, Date.now()].join(' ');
field.dispatchEvent(new Event('change', {bubbles: true}));
"""
WRAP = {"flex_flow": "row wrap"}


def explore(first: Trace, second: Trace | None = None, names: tuple[str, str] = ("first", "second")) -> "Explorer":
    """Look into a pass: choose time step, map and opacity; click a pixel for its kernel and arithmetic.

    Args:
        first: the pass.
        second: another pass to set beside it, of another picture or another checkpoint. The same controls move both:
            a pixel of the first photo stands for the second's pixel at the same share of width and height.
        names: what stands above the two passes.

    Raises:
        ValueError: the two names are the same.
    """
    if second is None:
        return Explorer({"": first})
    if names[0] == names[1]:
        raise ValueError(f"two passes need two names, not {names[0]!r} twice")
    return Explorer(dict(zip(names, (first, second), strict=True)))


class Explorer:
    """Controls, and a panel for each pass. A notebook shows it as it stands; in other layouts use `widget`.

    Attributes:
        step, kind, opacity, x, y: the controls; assigning to their `value` moves them. `x` and `y` are column and row
            of the first photo.
        panels: what is shown of each pass.
        widget: all of it, an ipywidgets box.
    """

    def __init__(self, traces: dict[str, Trace]) -> None:
        first = next(iter(traces.values()))
        height, width = first.photo.shape[:2]
        last = max(len(trace.steps) for trace in traces.values()) - 1
        striking = first.most_changed(count=1)[0]
        self.traces = traces
        self._moving = False
        self.step = _slider(ipywidgets.IntSlider, "time step t", last, last)
        self.kind = ipywidgets.ToggleButtons(options=CHOICES, value=KINDS[1], style={"button_width": "auto"})
        self.opacity = _slider(ipywidgets.FloatSlider, "opacity", 1.0, 0.65, step=0.05)
        self.x = _slider(ipywidgets.IntSlider, "column x", width - 1, striking.x)
        self.y = _slider(ipywidgets.IntSlider, "row y", height - 1, striking.y)
        self.panels = [Panel(name, trace) for name, trace in traces.items()]
        self._clicked = ipywidgets.Text(layout={"display": "none"}).add_class("dgrl-click")
        self._clicked.observe(self._take_click, "value")
        for control in (self.step, self.kind, self.opacity, self.x, self.y):
            control.observe(self._redraw, "value")
        style = render("explorer", sheet=Markup(style_sheet()))
        hint = ipywidgets.HTML(f"{style}Choose a pixel by a click in a picture, or by its two sliders.")
        controls = [
            ipywidgets.HBox([self.step, self.opacity], layout=WRAP),
            self.kind,
            ipywidgets.HBox([self.x, self.y], layout=WRAP),
        ]
        shown = ipywidgets.HBox([panel.widget(beside=len(traces) == 1) for panel in self.panels], layout=WRAP)
        self.widget = ipywidgets.VBox([*controls, hint, shown, self._clicked]).add_class("dgrl-explorer")
        self._redraw()

    def figure(self) -> Figure:
        """The passes as a figure, for where no widget can run."""
        if len(self.traces) == 1:
            return figures.overview(next(iter(self.traces.values())))
        return figures.comparison(self.traces)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        view = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
        picture = base64.b64encode(figures.jpeg(self.figure())).decode()
        text = "Explorer of a pass: run this notebook to use it"
        return {"application/vnd.jupyter.widget-view+json": view, "image/jpeg": picture, "text/plain": text}

    def _redraw(self, _: Any = None) -> None:
        if self._moving:
            return
        across, down = shares(self.x.value, self.y.value, self.panels[0].trace.photo.shape)
        steps = [min(self.step.value, len(panel.trace.steps) - 1) for panel in self.panels]
        layers = [figures.layer(panel.trace, t, self.kind.value) for panel, t in zip(self.panels, steps, strict=True)]
        for panel, t, layer in zip(self.panels, steps, figures.on_one_scale(layers), strict=True):
            panel.draw(layer, t, self.kind.value, self.opacity.value, across, down)

    def _take_click(self, change: Any) -> None:
        """Move to the place that a picture's HTML wrote into the hidden field (see `ON_CLICK`)."""
        try:
            across, down = (float(share) for share in change["new"].split()[:2])
            x, y = pixel_at(across, down, self.panels[0].trace.photo.shape)
        except (ValueError, OverflowError):  # not two numbers: nobody's click
            return
        self._moving = True  # two sliders, but one redraw
        self.x.value, self.y.value = x, y
        self._moving = False
        self._redraw()


class Panel:
    """One pass: a picture that can be clicked, its scale, and the numbers of one pixel.

    Attributes:
        picture, numbers: the two ipywidgets that hold them, as HTML.
    """

    def __init__(self, name: str, trace: Trace) -> None:
        self.trace = trace
        self.picture = ipywidgets.HTML(layout={"margin": "0 1.5em 0 0"})
        self.numbers = ipywidgets.HTML(layout={"width": f"{max(470, 80 * trace.kernel_size + 110)}px"})
        self._name = name
        self._photo = figures.fit(trace.photo, DRAWN_LENGTH)

    def widget(self, beside: bool) -> Any:
        """The picture with its numbers beside or below it."""
        box = ipywidgets.HBox if beside else ipywidgets.VBox
        return box([self.picture, self.numbers], layout=WRAP if beside else {"margin": "0 1.5em 0 0"})

    def draw(self, layer: Layer | None, t: int, kind: str, opacity: float, across: float, down: float) -> None:
        """Show `layer`, the map `kind` at time step `t`, and the pixel at this share of width and height."""
        x, y = pixel_at(across, down, self.trace.photo.shape)
        picture = layer.over(self._photo, opacity) if layer else figures.pale(self._photo)
        marked = figures.mark(picture, *pixel_at(across, down, picture.shape))
        scale = figures.legend(layer.colour_map, layer.low, layer.high, layer.label) if layer else ""
        label = layer.label if layer else f"no {kind} at t = {t}"
        self.picture.value = render("panel", name=self._name, picture=_image(marked, label), scale=scale, label=label)
        self.numbers.value = _explanation(self.trace, x, y, t)


def _explanation(trace: Trace, x: int, y: int, t: int) -> str:
    """All maps at the photo's pixel, its window in numbers, and the arithmetic that gives its refined value."""
    pixel = trace.pixel(x, y)
    foreground, background, refined, before = figures.arithmetic(pixel)
    sums, _, result = refined.rpartition(" = ")
    lines = {"foreground": foreground, "background": background, "sums": sums, "result": result, "before": before}
    return render("explanation", readings=figures.readings(trace, x, y, t), tables=figures.pixel_tables(pixel), **lines)


def _image(picture: RGB, label: str) -> str:
    """The picture inside HTML that tells where it is clicked."""
    # With width and height given, the page does not jump while the next picture is decoded.
    height, width = picture.shape[:2]
    onclick = " ".join(ON_CLICK.split())
    return figures.embedded(figures.png_file(picture), label, width=width, height=height, onclick=onclick)


def _slider(kind: Any, description: str, last: float, value: float, **settings: Any) -> Any:
    """A slider from 0 to `last`."""
    # The front end cannot draw one that has a single value.
    end, disabled = (last, False) if last > 0 else (1, True)
    layout = {"width": "360px"}
    return kind(min=0, max=end, value=value, disabled=disabled, description=description, layout=layout, **settings)
