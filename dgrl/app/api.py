"""The endpoints: what a program, a tool of the Model Context Protocol and the app's own page ask for by name.

Each is a function whose arguments but the photo (and, to measure, the mask) may be left out; what it returns has names,
numbers are numbers. The components below are never seen: Gradio describes endpoints by them.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.components import Component
from PIL import Image

from dgrl.app import measure, why
from dgrl.app.download import archive
from dgrl.app.passes import MAX_PIXELS
from dgrl.app.runs import AS_TRAINED, View
from dgrl.app.served import picture_file, served_file
from dgrl.app.wishes import MOST_STEPS, Asking, checked_point, ground_truth, objection, refusal
from dgrl.attribution.attribute import Attribution
from dgrl.attribution.methods import BLOCKS
from dgrl.attribution.question import BASELINES, METHODS, Question
from dgrl.evaluation import metrics
from dgrl.evaluation.comparison import compare
from dgrl.evaluation.metrics import Measured
from dgrl.explorer.edits import write_mask
from dgrl.explorer.report import found
from dgrl.figures import KINDS, SALIENCY, SIGNED, colour, layer, resize_map, svg
from dgrl.figures.attribution import TITLES
from dgrl.figures.evaluation import precision_recall
from dgrl.images import ImageError, read_photo, to_grey
from dgrl.images.cutouts import cut_out
from dgrl.images.marking import marked_png
from dgrl.places import inside
from dgrl.taps import LEVELS
from dgrl.trace import PixelTrace

ALL_FLAT = [{"kind": "flatten", "level": level} for level in LEVELS]


@dataclass
class Endpoints:
    """The functions behind the endpoints."""

    asking: Asking
    explain: why.Explain

    def detect(
        self,
        photo: str,
        checkpoint: str | None = None,
        steps: int = AS_TRAINED,
        cutout: bool = True,
        request: gr.Request | None = None,
    ) -> tuple[str, str | None, dict[str, Any]]:
        """Find the salient object of a photo.

        Args:
            photo: the picture, any format that Pillow reads, or HEIC.
            checkpoint: one of the networks that the app offers.
            steps: time steps after the first pass, 0 to 4; -1 for the number trained.
            cutout: also cut the object out, in the photo's own size; takes longer.

        Returns:
            The saliency map as an 8-bit grey PNG of the photo's own size; the cut-out, a PNG with transparency and
            without the old background's colour at the edges; what was found, in words and numbers.
        """
        wish = self.asking.wish(photo, checkpoint, steps)
        view = self.asking.view(wish, request)
        stem = Path(photo).stem
        saliency = served_file(marked_png(to_grey(view.trace.saliency)), f"{stem}.png")
        cut = None
        if cutout:
            try:
                picture = read_photo(photo, MAX_PIXELS, reduce=True)  # as for the pass, with its transparency
            except ImageError as error:
                raise refusal(error, photo, "This picture cannot be used") from error
            cut = served_file(marked_png(cut_out(picture, view.trace.saliency)), f"{stem}_cutout.png")
        return saliency, cut, facts(view)

    def localise(
        self,
        photo: str,
        checkpoint: str | None = None,
        steps: int = AS_TRAINED,
        opacity: float = 0.65,
        request: gr.Request | None = None,
    ) -> tuple[list[tuple[str, str]], dict[str, Any]]:
        """Show where the network looks: the CWM weight maps, predictions and changes of every time step.

        Args:
            photo: the picture, any format that Pillow reads.
            checkpoint: one of the networks that the app offers.
            steps: time steps after the first pass, 0 to 4; -1 for the number trained.
            opacity: of the maps over the photo, 0 to 1.

        Returns:
            PNGs of all maps over the photo, each with its name; the weight maps and the mean predictions in numbers.
        """
        view = self.asking.localised(self.asking.wish(photo, checkpoint, steps), request)
        opacity = min(max(float(opacity), 0.0), 1.0)
        pictures = []
        for step in view.trace.steps:
            for kind in KINDS:
                drawn = layer(view.trace, step.t, kind)
                if drawn is not None:
                    file = picture_file(drawn.over(view.photo, opacity), f"t{step.t}_{kind}")
                    pictures.append((file, f"t = {step.t} · {kind}"))
        numbers = [
            {
                "t": step.t,
                "mean_prediction": float(step.saliency.mean()),
                "weight_maps": {level: rounded(values) for level, values in step.weight_maps.items()},
            }
            for step in view.trace.steps
        ]
        return pictures, {"steps": numbers}

    def refine(
        self,
        photo: str,
        checkpoint: str | None = None,
        steps: int = AS_TRAINED,
        request: gr.Request | None = None,
    ) -> tuple[str, str, str, dict[str, Any]]:
        """Show what BRN does: the map before and after, and the kernels of the pixels that it changes most.

        Args:
            photo: the picture, any format that Pillow reads.
            checkpoint: one of the networks that the app offers.
            steps: time steps after the first pass, 0 to 4; -1 for the number trained.

        Returns:
            PNGs of the map before BRN, after it, and of the change (red up, blue down, from -0.5 to 0.5); the mean
            change and the pixels changed most, each with its kernel and arithmetic.
        """
        view = self.asking.view(self.asking.wish(photo, checkpoint, steps), request)
        trace = view.trace
        before, after = (as_drawn(view, values, 0, SALIENCY) for values in (trace.prior, trace.refined))
        change = trace.refined - trace.prior
        numbers = {
            "mean_change": float(change.mean()),
            "mean_absolute_change": float(np.abs(change).mean()),
            "pixels": [pixel_numbers(pixel) for pixel in trace.most_changed()],
        }
        drawn = picture_file(as_drawn(view, change, -0.5, SIGNED), "change")
        return picture_file(before, "before"), picture_file(after, "after"), drawn, numbers

    def pixel(
        self,
        photo: str,
        x: float | None = None,
        y: float | None = None,
        checkpoint: str | None = None,
        steps: int = AS_TRAINED,
        edits: list[dict[str, Any]] | None = None,
        request: gr.Request | None = None,
    ) -> dict[str, Any]:
        """Show how BRN computed one pixel: its kernel, neighbours, products and sums, with all digits.

        Args:
            photo: the picture, any format that Pillow reads.
            x: the photo's column, from 0; without it the pixel that BRN changed most.
            y: the photo's row, from 0.
            checkpoint: one of the networks that the app offers.
            steps: time steps after the first pass, 0 to 4; -1 for the number trained.
            edits: what is altered in the pass, as in what_if; none by default.

        Returns:
            The numbers: n×n coefficients, neighbours and products, their sums, the map before and after.
        """
        view = self.asking.view(self.asking.wish(photo, checkpoint, steps, edits), request)
        if x is None and y is None:
            return pixel_numbers(view.trace.most_changed(count=1)[0])
        return pixel_numbers(view.trace.pixel(*checked_point(view, x, y)))

    def what_if(
        self,
        photo: str,
        edits: list[dict[str, Any]] | None = None,
        altered_steps: int = AS_TRAINED,
        checkpoint: str | None = None,
        steps: int = AS_TRAINED,
        mask: str | None = None,
        painting: str | None = None,
        request: gr.Request | None = None,
    ) -> tuple[str, str, str, dict[str, Any]]:
        """Alter a pass and compare it with the untouched one.

        Args:
            photo: the picture, any format that Pillow reads.
            edits: a list of objects: {"kind": "flatten", "level": "conv4", "at": 1}; {"kind": "paint", "level",
                "strength", "mask", "at"}; {"kind": "feedback", "block": "conv5", "factor": 0, "at"}; {"kind":
                "kernels", "to": "mean" or "identity"}; {"kind": "unrefined"}. "at" is a time step; without it, every
                one. By default all three weight maps are flattened.
            altered_steps: time steps of the altered pass, 0 to 4; -1 for as many as the untouched one has.
            checkpoint: one of the networks that the app offers.
            steps: time steps after the first pass, 0 to 4; -1 for the number trained.
            mask: the photo's ground truth, brighter than half where the object is; with it, errors are measured.
            painting: a picture to be stretched over the photo, white where "paint" edits without a mask paint.

        Returns:
            PNGs of the untouched map, the altered map and their difference (red up, blue down, from -0.5 to 0.5);
            what changed in numbers: mean saliency inside and outside the found object, mean absolute error where
            there is a mask, and the mean absolute difference, of RLN's last step ("localised") and after BRN
            ("refined").
        """
        asking = self.asking
        wish = asking.wish(photo, checkpoint, steps)
        edits = ALL_FLAT if edits is None else edits
        if painting is not None:
            drawn = painted(painting)
            edits = [{"mask": drawn, **edit} if edit.get("kind") == "paint" else edit for edit in edits]
        wished = asking.wish(photo, checkpoint, steps if altered_steps in (None, AS_TRAINED) else altered_steps, edits)
        view = asking.view(wish, request)
        truth = ground_truth(mask, view) if mask is not None else None
        altered = asking.view(wished, request)
        maps = [view.trace.saliency, altered.trace.saliency]
        before, after = (as_drawn(view, values, 0, SALIENCY) for values in maps)
        difference = picture_file(as_drawn(view, maps[1] - maps[0], -0.5, SIGNED), "difference")
        numbers = {"edits": edits, **changes(view, altered, truth), "seconds": altered.seconds}
        return picture_file(before, "untouched"), picture_file(after, "altered"), difference, numbers

    def attribute(
        self,
        photo: str,
        target: str = why.PIXEL,
        x: float | None = None,
        y: float | None = None,
        step: int = why.LAST,
        refined: bool = False,
        level: str = "conv4",
        method: str = "grad_cam",
        baseline: str = "blurred",
        block: str = "",
        block_step: int = why.LAST,
        checkpoint: str | None = None,
        steps: int = AS_TRAINED,
        request: gr.Request | None = None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 (Gradio's way to ask for it)
    ) -> Iterator[Any]:
        """Explain a number that the network computed: which places of the photo speak for it, and which against it.

        Args:
            photo: the picture, any format that Pillow reads.
            target: the number: pixel (RLN's evidence there), object (its mean over the object) or cell (a CWM weight).
            x: the photo's column, from 0, of the pixel, or of the place whose cell is meant; by default the surest.
            y: the photo's row, from 0.
            step: the time step of the number; -1 for the last.
            refined: for a pixel, BRN's evidence instead of RLN's; `step` has no meaning then.
            level: for a cell, the level of its weight map: conv3, conv4 or conv5.
            method: integrated_gradients, occlusion (some 50 passes each) or grad_cam (one).
            baseline: what stands for an unseen photo in the first two: blurred, grey or black.
            block: for grad_cam, the block that is looked at, conv1 to conv5; empty for the last that has a say.
            block_step: for grad_cam, the time step at which it is; -1 for that of the number.
            checkpoint: one of the networks that the app offers.
            steps: time steps after the first pass, 0 to 4; -1 for the number trained.

        Returns:
            The attribution over the photo, a PNG, red for and blue against; what it says in numbers and words:
            occlusion's 8 × 8 cells, the top row first, are `cells`.
        """
        wish = self.asking.wish(photo, checkpoint, steps)
        view = self.asking.view(wish, request)
        at = surest(view) if x is None and y is None else checked_point(view, x, y)
        try:
            settings: dict[str, Any] = {
                "method": method,
                "baseline": baseline,
                "block": block or (level if target == why.CELL else BLOCKS[-1]),
                "block_step": None if block_step == why.LAST else block_step,
                "steps": len(view.trace.steps) - 1,
            }
            asked = Question(why.chosen_target(view, target, *at, step, refined, level), **settings)
            for news in self.explain(wish.checkpoint, view.trace.photo, asked):
                if isinstance(news, Attribution):
                    yield why.answer(view, news)
                else:
                    progress(news, desc=TITLES[method])
                    yield gr.skip(), gr.skip()  # where Gradio can stop it
        except (ValueError, FloatingPointError) as error:
            raise objection(error, "This cannot be explained") from error

    def measure(
        self,
        photo: str,
        mask: str,
        checkpoint: str | None = None,
        steps: int = AS_TRAINED,
        stretch: bool = True,
        request: gr.Request | None = None,
    ) -> tuple[dict[str, Any], str, str, str]:
        """Measure every map of a pass against a ground-truth mask.

        Args:
            photo: the picture, any format that Pillow reads.
            mask: a picture of the photo's size, brighter than half where the object is.
            checkpoint: one of the networks that the app offers.
            steps: time steps after the first pass, 0 to 4; -1 for the number trained.
            stretch: stretch each map to [0, 1] by its minimum and maximum first, as published evaluations do.

        Returns:
            MAE, maxF, meanF, adaptiveF, weightedF, S, E and boundaryF by map: "t0", "t1" … are RLN's time steps,
            "refined" is after BRN; the scores as a CSV file; the curves as a CSV file; their figure as SVG.
        """
        view = self.asking.view(self.asking.wish(photo, checkpoint, steps), request)
        if mask is None:
            raise gr.Error("Give the photo's mask.", title="No mask", print_exception=False)
        truth = ground_truth(mask, view)
        measured: dict[str, Measured] = {
            kind: metrics.measure(saliency, truth, stretch) for kind, saliency in measure.maps(view, stretch)
        }
        scores = {kind: one.results() for kind, one in measured.items()}
        drawn = precision_recall({measure.name_of(kind): one.curves() for kind, one in measured.items()})
        stem = Path(photo).stem
        return (
            {"stretched": bool(stretch), "scores": scores},
            served_file(measure.scores_table(scores).encode(), f"{stem}_scores.csv"),
            served_file(measure.curves_table(measured).encode(), f"{stem}_curves.csv"),
            served_file(svg(drawn), f"{stem}_curves.svg"),
        )

    def report(
        self,
        photo: str,
        checkpoint: str | None = None,
        steps: int = AS_TRAINED,
        edits: list[dict[str, Any]] | None = None,
        request: gr.Request | None = None,
    ) -> str:
        """Pack everything that a pass computed into one file.

        Args:
            photo: the picture, any format that Pillow reads.
            checkpoint: one of the networks that the app offers.
            steps: time steps after the first pass, 0 to 4; -1 for the number trained.
            edits: what is altered in the pass, as in what_if; none by default.

        Returns:
            A zip file: report.html, the pass under the hand on a page that needs nothing else; README.txt, which names
            every array of trace.npz; trace.npz, every number (numpy.load reads it); saliency.png; every map and figure
            as PNG.
        """
        wish = self.asking.wish(photo, checkpoint, steps, edits)
        view = self.asking.view(wish, request)
        return served_file(archive(view, photo, wish.checkpoint), f"{Path(photo).stem}_dgrl.zip")


def add(endpoints: Endpoints, names: Sequence[str]) -> None:
    """Offer the endpoints of the current `gr.Blocks`; `names` are the checkpoints."""
    photo, mask, painting = (picture(name) for name in ("photo", "mask", "painting"))
    which: list[Component] = [
        gr.Dropdown(list(names), value=names[0], label="checkpoint"),
        gr.Number(AS_TRAINED, precision=0, minimum=-1, maximum=MOST_STEPS, label="steps"),
    ]
    x, y = (gr.Number(None, precision=0, minimum=0, label=name) for name in "xy")
    edits = gr.JSON(label="edits")
    # Gradio's own words for it are no schema, and clients of the Model Context Protocol refuse them.
    edits.api_info = lambda: {"type": "array", "items": {}}  # type: ignore[method-assign]
    # For the page about the API as well, whose own example no endpoint takes.
    edits.example_payload = lambda: [{"kind": "flatten", "level": "conv4"}]  # type: ignore[method-assign]
    step, block_step = (gr.Number(why.LAST, precision=0, label=name) for name in ("step", "block_step"))
    question: list[Component] = [
        gr.Radio([why.PIXEL, why.OBJECT, why.CELL], value=why.PIXEL, label="target"),
        *(x, y, step),
        gr.Checkbox(False, label="refined"),
        gr.Radio(list(LEVELS), value="conv4", label="level"),
        gr.Radio(list(METHODS), value="grad_cam", label="method"),
        gr.Radio(list(BASELINES), value="blurred", label="baseline"),
        gr.Radio(["", *BLOCKS], value="", label="block"),
        block_step,
    ]
    altered_steps = gr.Number(AS_TRAINED, precision=0, minimum=-1, maximum=MOST_STEPS, label="altered_steps")

    def offer(run: Any, inputs: list[Component], *outputs: Component, **settings: Any) -> None:
        gr.Button(run.__name__).click(run, inputs, list(outputs), api_name=run.__name__, **settings)

    seen = {"concurrency_limit": 2, "concurrency_id": "pass"}
    cutout = gr.Checkbox(True, label="cutout")
    offer(endpoints.detect, [photo, *which, cutout], file("saliency"), file("cutout"), gr.JSON(label="found"), **seen)
    opacity = gr.Number(0.65, minimum=0, maximum=1, label="opacity")
    maps = gr.Gallery(label="maps", format="png")
    offer(endpoints.localise, [photo, *which, opacity], maps, gr.JSON(label="numbers"), **seen)
    three = [file(name) for name in ("before", "after", "change")]
    offer(endpoints.refine, [photo, *which], *three, gr.JSON(label="numbers"), **seen)
    offer(endpoints.pixel, [photo, x, y, *which, edits], gr.JSON(label="pixel"), **seen)
    three = [file(name) for name in ("untouched", "altered", "difference")]
    asked: list[Component] = [photo, edits, altered_steps, *which, mask, painting]
    offer(endpoints.what_if, asked, *three, gr.JSON(label="numbers"), **seen)
    # Its gradients are the largest thing in memory.
    drawn = file("attribution")
    offer(endpoints.attribute, [photo, *question, *which], drawn, gr.JSON(label="numbers"), concurrency_limit=1)
    stretch = gr.Checkbox(True, label="stretch")
    tables = [gr.File(label=name) for name in ("scores_table", "curves_table", "curves_figure")]
    offer(endpoints.measure, [photo, mask, *which, stretch], gr.JSON(label="scores"), *tables, concurrency_limit=2)
    offer(endpoints.report, [photo, *which, edits], gr.File(label="report"), concurrency_limit=1)


def picture(name: str) -> gr.Image:
    """A picture that is sent. It reaches Python as the very file that was given: `read_image` does the rest.

    Gradio's own way opens it first, to refuse what is no picture with a traceback. `read_image` says what is wrong.
    """
    image = gr.Image(type="filepath", image_mode=None, label=name)
    image.preprocess = lambda payload: None if payload is None else payload.path  # type: ignore[method-assign]
    # What the page about the API has programs send: Gradio's own example is a picture of somebody else's on the web.
    sent = {"path": "photo.jpg", "url": "photo.jpg", "meta": {"_type": "gradio.FileData"}}
    image.example_payload = lambda: sent  # type: ignore[method-assign]
    return image


def file(name: str) -> gr.Image:
    """A picture that is answered, as the very file that was written."""
    return gr.Image(type="filepath", format="png", image_mode=None, label=name)


def facts(view: View) -> dict[str, Any]:
    """What a pass found, in words and numbers."""
    trace = view.trace
    there = trace.found()
    rows, columns = np.nonzero(there)
    box = [int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())] if len(rows) else None
    return {
        "words": found(trace) if trace.whole else "",
        "found": bool(len(rows)),
        "share": float(there.mean()),
        "box": box,
        "size": [trace.photo.shape[1], trace.photo.shape[0]],
        "full_size": list(view.full_size) if view.full_size else None,
        "steps": len(trace.steps) - 1,
        "seconds": view.seconds,
        "machine": view.machine,
    }


def changes(view: View, altered: View, truth: Any = None) -> dict[str, Any]:
    """How an altered pass differs from the untouched one, in numbers."""
    compared = dataclasses.asdict(compare(view.trace, altered.trace, truth))
    pairs = {
        "localised": (view.trace.sized(-1), altered.trace.sized(-1)),
        "refined": (view.trace.saliency, altered.trace.saliency),
    }
    return {
        name: {
            "untouched": compared[name][0],
            "altered": compared[name][1],
            "mean_absolute_difference": float(np.abs(after - before).mean()),
        }
        for name, (before, after) in pairs.items()
    }


def pixel_numbers(pixel: PixelTrace) -> dict[str, Any]:
    """The pixel's trace as JSON: arrays become lists of rows."""
    fields = dataclasses.asdict(pixel)
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in fields.items()}


def painted(path: str) -> str:
    """A picture as the mask of a "paint" edit: what is brighter than half."""
    try:
        grey = Image.fromarray(read_photo(path, MAX_PIXELS, reduce=True).seen).convert("L")
    except ImageError as error:
        raise refusal(error, path, "This painting cannot be used") from error
    grey.thumbnail((128, 128))
    return write_mask(np.asarray(grey) > 127)


def surest(view: View) -> tuple[int, int]:
    """The photo's pixel that the last time step is surest of."""
    saliency = view.trace.steps[-1].saliency
    row, column = np.unravel_index(int(saliency.argmax()), saliency.shape)
    shape = view.trace.photo.shape
    return inside((column + 0.5) * shape[1] / saliency.shape[1], (row + 0.5) * shape[0] / saliency.shape[0], shape)


def rounded(values: Any) -> list[list[float]]:
    """A map as rows of numbers with as many digits as float32 has."""
    return [[float(f"{value:.7g}") for value in row] for row in values.tolist()]


def as_drawn(view: View, values: Any, low: float, colour_map: str) -> Any:
    """A map in colours in the size in which the photo is drawn, from `low` to 1, or from `low` to −`low`."""
    height, width = view.photo.shape[:2]
    return colour(resize_map(values, height, width), low, -low if low else 1, colour_map)
