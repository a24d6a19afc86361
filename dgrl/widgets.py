"""The page in a notebook's output: JupyterLab, Notebook 7, VS Code and Colab, by anywidget.

Given traces, it shows them. Given a network and a photo, it also computes: what can be changed, compared and explained
in the app can be changed, compared and explained here. Where no widget can run (GitHub, nbviewer) the notebook shows
`Explorer.figure` instead.
"""

# ruff: noqa: E402
import base64
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dgrl.extras import require

require("notebook", "anywidget")

import anywidget
import numpy as np
import traitlets
from matplotlib.figure import Figure
from PIL import Image

from dgrl import figures
from dgrl.bundle import bundle
from dgrl.edits import read_edits
from dgrl.figures.notebook import hidden_picture, show_with_picture
from dgrl.files import EXAMPLES
from dgrl.images import Picture, read_image, to_grey
from dgrl.images.cutouts import cut_out
from dgrl.images.matting import matted
from dgrl.images.reading import read_photo
from dgrl.model import DGRL
from dgrl.page.inlining import StoredPass, notebook_module, style
from dgrl.trace import Trace

HEIGHT = "760px"
NAME = "DGRL"
THUMBNAIL = 160
STANDS_FOR = "Explorer of a pass"
"""The alternative text of the explorer's picture begins so."""
PARTS = {"rln": ("photo", "rln"), "brn": ("brn",), "kernels": ("kernels",)}
METHODS = ("occlusion", "integrated_gradients", "grad_cam")


def explore(
    first: Trace | Picture,
    second: Trace | None = None,
    names: tuple[str, str] = ("first", "second"),
    model: DGRL | None = None,
) -> "Explorer":
    """Show a pass, or two beside each other, with every map, every kernel and the arithmetic of every pixel.

    Args:
        first: a trace; with `model` it may be a photo.
        second: another trace to set beside it, of another photo or another checkpoint. One marker moves on both.
        names: what the two are called.
        model: a network. With it the widget can change, compare and explain, as the app does.

    Raises:
        ValueError: the two names are equal, or `first` is a photo and there is no `model`.
        ImageError: the photo cannot be read.
    """
    if second is not None and names[0] == names[1]:
        raise ValueError(f"two passes need two names, not {names[0]!r} twice")
    if not isinstance(first, Trace):
        if model is None:
            raise ValueError("to explore a photo give the network too: explore(photo, model=model)")
        name = Path(first).stem if isinstance(first, str | Path) else names[0]
        return Explorer([model.trace(first)], (name, names[1]), model)
    return Explorer([first] if second is None else [first, second], names, model)


class Explorer(anywidget.AnyWidget):
    """The widget.

    Attributes:
        scene: what is shown, for example `{"map": "conv4", "step": 1, "x": 20, "y": 30}`. What a person chooses is
            found here, and what is assigned is shown. `dgrl/page/state/scene.js` lists the fields.
        traces: the passes that it was made with.
        model: the network that computes for it, or None.
    """

    _esm = notebook_module()
    _css = f"{style()}\n.dgrl.in-notebook {{ height: {HEIGHT}; }}\n{hidden_picture('.dgrl.in-notebook')}"
    first = traitlets.Bytes().tag(sync=True)
    second = traitlets.Bytes().tag(sync=True)
    requests: Any = traitlets.List().tag(sync=True)
    scene = traitlets.Dict().tag(sync=True)
    offer = traitlets.Dict().tag(sync=True)
    capabilities = traitlets.Dict().tag(sync=True)
    live = traitlets.Bool().tag(sync=True)

    def __init__(self, traces: list[Trace], names: tuple[str, str], model: DGRL | None = None) -> None:
        bundles = [bundle(trace, name) for trace, name in zip(traces, names, strict=False)]
        pixel = traces[0].most_changed(count=1)[0]
        trained = model.config.steps if model is not None else len(traces[0].steps) - 1
        stored_passes = [
            StoredPass(data, name, NAME, trained, None if len(trace.steps) - 1 == trained else len(trace.steps) - 1)
            for data, name, trace in zip(bundles, names, traces, strict=False)
        ]
        self.traces, self.model = traces, model
        self._photos: dict[str, Picture] = {name: trace.photo for name, trace in zip(names, traces, strict=False)}
        if model is not None:
            self._photos |= {path.stem: path for path in sorted(EXAMPLES.glob("*.jpg")) if path.stem not in names}
        self._traced: dict[str, Trace] = {}
        super().__init__(
            first=bundles[0],
            second=b"".join(bundles[1:]),
            requests=[
                {"request": stored_pass.request(), "trained": stored_pass.trained} for stored_pass in stored_passes
            ],
            scene={"x": pixel.x, "y": pixel.y, "pinned": True},
            offer=self._offered() if model is not None else {},
            capabilities=capabilities(model),
            live=model is not None,
        )
        self.on_msg(self._answer)

    def figure(self) -> Figure:
        """Return the passes as a figure, for where no widget can run."""
        if len(self.traces) == 1:
            return figures.overview(self.traces[0])
        names = [request["request"]["photo"] for request in self.requests]
        return figures.comparison(dict(zip(names, self.traces, strict=True)))

    def _offered(self) -> dict[str, Any]:
        assert self.model is not None
        return {
            "photos": [described(name, photo) for name, photo in self._photos.items()],
            "checkpoints": [{"name": NAME, "steps": self.model.config.steps}],
            "experiments": [],
            "version": "",
        }

    def _answer(self, _: Any, message: dict[str, Any], buffers: list[Any]) -> None:
        """Answer one call of the page's engine (`page/engines/kernel.js`)."""
        calls: Mapping[str, Callable[..., None]] = {
            "photo": self._add_photo,
            "pass": self._pass,
            "pixel": self._pixel,
            "explain": self._explain,
            "measure": self._measure,
            "survey": self._survey,
            "file": self._file,
        }
        try:
            calls[message["call"]](message, [bytes(buffer) for buffer in buffers or ()])
        except (ValueError, FloatingPointError, ImportError, KeyError) as error:
            self.send({"id": message["id"], "error": f"{str(error)[:1].upper()}{str(error)[1:]}."})

    def _trace(self, request: Mapping[str, Any]) -> Trace:
        """Return a request's pass; the last few are kept."""
        assert self.model is not None
        key = repr(sorted(request.items()))
        if key not in self._traced:
            edits = read_edits(request["edits"], lambda fields: self._trace({**request, "edits": [], **fields}))
            photo = self._photos[request["photo"]]
            self._traced[key] = self.model.trace(photo, request["steps"], edits)
            while len(self._traced) > 4:
                self._traced.pop(next(iter(self._traced)))
        return self._traced[key]

    def _add_photo(self, message: Mapping[str, Any], buffers: list[bytes]) -> None:
        name = message["name"]
        self._photos[name] = read_image(io.BytesIO(buffers[0]))
        self.send({"id": message["id"], "photo": {**described(name, self._photos[name]), "example": False}})

    def _pass(self, message: Mapping[str, Any], _: list[bytes]) -> None:
        trace, parts = self._trace(message["request"]), list(PARTS)
        for part in parts[: parts.index(message["until"]) + 1]:
            data = bundle(trace, message["request"]["photo"], parts=PARTS[part])
            self.send({"id": message["id"], "part": part}, [data])
        self.send({"id": message["id"], "done": True})

    def _pixel(self, message: Mapping[str, Any], _: list[bytes]) -> None:
        pixel = self._trace(message["request"]).pixel(message["x"], message["y"])
        self.send({"id": message["id"], "coefficients": pixel.coefficients.ravel().tolist()})

    def _explain(self, message: Mapping[str, Any], _: list[bytes]) -> None:
        require("explain", "captum")
        from dgrl.attribution.answer import Choice, explanation_in_batches, numbers, question_of
        from dgrl.attribution.batches import result_of
        from dgrl.figures.attribution import attribution_layer

        assert self.model is not None
        trace, choice = self._trace(message["request"]), Choice(**message["question"])
        question = question_of(trace, choice, int(choice.x or 0), int(choice.y or 0))
        batches = explanation_in_batches(self.model, trace.photo, question)
        explanation = result_of(batches, lambda share: self.send({"id": message["id"], "progress": share}))
        heat_map = attribution_layer(explanation.attribution)
        height, width = heat_map.values.shape
        description = numbers(trace, explanation, heat_map) | {"limit": heat_map.limit, "label": heat_map.label}
        content = {"id": message["id"], "width": width, "height": height, **description}
        self.send(content, [np.ascontiguousarray(heat_map.values, np.float32).tobytes()])

    def _measure(self, message: Mapping[str, Any], buffers: list[bytes]) -> None:
        from dgrl.data.masks import read_mask
        from dgrl.evaluation.metrics import measure

        trace, truth = self._trace(message["request"]), read_mask(io.BytesIO(buffers[0]))
        if truth.shape != trace.saliency.shape:
            raise ValueError(f"the mask has {truth.shape[1]}×{truth.shape[0]} pixels; it must have the photo's size")
        maps = {f"t{step.t}": trace.sized(step.t) for step in trace.steps} | {"refined": trace.saliency}
        scores = {
            name: measure(np.asarray(to_grey(values)), truth, message["stretch"]).results()
            for name, values in maps.items()
        }
        self.send({"id": message["id"], "scores": scores})

    def _survey(self, message: Mapping[str, Any], buffers: list[bytes]) -> None:
        from dgrl.data.masks import read_mask
        from dgrl.evaluation.survey.run import survey_picture

        assert self.model is not None
        name = message["request"]["photo"]
        photo, truth = read_image(self._photos[name]), read_mask(io.BytesIO(buffers[0])) if buffers else None
        if truth is not None and truth.shape != photo.shape[:2]:
            raise ValueError(f"the mask has {truth.shape[1]}×{truth.shape[0]} pixels; it must have the photo's size")
        table = survey_picture({NAME: self.model}, name, photo, truth, message["parts"]).for_page()
        self.send({"id": message["id"], "table": table})

    def _file(self, message: Mapping[str, Any], _: list[bytes]) -> None:
        trace = self._trace(message["request"])
        saliency = matted(trace.photo, trace.saliency) if message.get("matting") else trace.saliency
        if message["kind"] == "map":
            picture = to_grey(saliency)
        else:
            photo = self._photos[message["request"]["photo"]]
            picture = cut_out(read_photo(photo), saliency)
        file = io.BytesIO()
        picture.save(file, "png")
        self.send({"id": message["id"]}, [file.getvalue()])

    def _ipython_display_(self) -> None:
        words = f"{STANDS_FOR}: run this notebook to use it. The picture shows its predictions and attention maps"
        show_with_picture(super()._repr_mimebundle_(), "image/jpeg", figures.jpeg(self.figure()), words)


def described(name: str, photo: Picture) -> dict[str, Any]:
    """Describe a photo to the page, with a thumbnail in the description itself."""
    small = Image.fromarray(figures.shrink(read_image(photo), THUMBNAIL))
    file = io.BytesIO()
    small.save(file, "jpeg", quality=80)
    address = f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
    return {"name": name, "example": True, "thumbnail": address, "url": address, "mask": None}


def capabilities(model: DGRL | None) -> dict[str, Any]:
    """Return what the page can do with a network, or with stored passes alone."""
    has_model = model is not None
    return {
        "passes": has_model,
        "upload": has_model,
        "methods": list(METHODS) if has_model else [],
        "measure": has_model,
        "report": False,
        "survey": has_model,
        "matting": has_model,
    }
