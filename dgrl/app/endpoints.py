"""The endpoints for programs, for tools of the Model Context Protocol and for the page.

Each endpoint is a method whose arguments are plain values and paths, and whose results are numbers and paths of files
that the app wrote for the session. `gradio_api` offers them through Gradio; this module does not depend on Gradio.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from dgrl.app import measure, survey, why
from dgrl.app.download import archive
from dgrl.app.outputs import output_file, picture_file
from dgrl.app.passes import MAX_PIXELS
from dgrl.app.refusals import Refused, refused_argument, refused_picture
from dgrl.app.requests import PassRequest, Requests, checked_point, ground_truth
from dgrl.app.results import (
    as_drawn,
    changes,
    cutout_file,
    facts,
    map_file,
    most_salient_pixel,
    painted,
    pixel_numbers,
    rounded,
    saliency_of,
)
from dgrl.app.runs import AS_TRAINED, View
from dgrl.attribution import answer as questions
from dgrl.attribution.answer import Explanation
from dgrl.evaluation import metrics
from dgrl.evaluation.metrics import Measured
from dgrl.figures import KINDS, SALIENCY, SIGNED, layer, svg
from dgrl.figures.evaluation import precision_recall
from dgrl.images import ImageError, read_photo
from dgrl.taps import LEVELS

ALL_FLAT = [{"kind": "flatten", "level": level} for level in LEVELS]


class MapPicture(TypedDict):
    """A map over the photo, and its name."""

    image: Path
    caption: str


@dataclass
class Endpoints:
    """The endpoints' functions."""

    requests: Requests
    explain: why.Explain
    survey: survey.SurveyOne

    def detect(
        self,
        photo: Path,
        checkpoint: str | None = None,
        steps: int = AS_TRAINED,
        cutout: bool = True,
        box: list[float] | None = None,
        point: list[float] | None = None,
        matting: bool = False,
        session: str | None = None,
    ) -> tuple[Path, Path | None, dict[str, Any]]:
        """Find the salient object of a photo; with a box or a point, the object that is meant.

        Args:
            photo: the picture, any format that Pillow reads, or HEIC.
            checkpoint: one of the networks that the app offers; by default the first.
            steps: time steps after the first pass, 0 to 4; -1 for the number trained.
            cutout: also cut the object out, in the photo's own size; takes longer.
            box: [left, top, right, bottom] around the object that is meant, in the photo's pixels.
            point: [x, y], a pixel of the object that is meant, instead of a box.
            matting: edges as fine as the photo's own (hair, thin lines); takes seconds longer.

        Returns:
            The saliency map as an 8-bit grey PNG of the photo's own size; the cut-out, a PNG with transparency and
            without the old background's colour at the edges; what was found, in words and numbers.
        """
        pass_request = self.requests.prompted(self.requests.read(photo, checkpoint, steps), box, point, session)
        view = self.requests.view(pass_request, session)
        saliency = saliency_of(view, matting)
        map = output_file(map_file(saliency), f"{photo.stem}.png")
        cut = output_file(cutout_file(saliency, pass_request.photo), f"{photo.stem}_cutout.png") if cutout else None
        return Path(map), Path(cut) if cut else None, facts(view)

    def localise(
        self,
        photo: Path,
        checkpoint: str | None = None,
        steps: int = AS_TRAINED,
        opacity: float = 0.65,
        session: str | None = None,
    ) -> tuple[list[MapPicture], dict[str, Any]]:
        """Show where the network looks: attention maps, predictions and changes of every time step.

        Args:
            photo: the picture, any format that Pillow reads, or HEIC.
            checkpoint: one of the networks that the app offers; by default the first.
            steps: time steps after the first pass, 0 to 4; -1 for the number trained.
            opacity: of the maps over the photo, 0 to 1.

        Returns:
            PNGs of all maps over the photo, each with its name; the attention maps and the mean predictions in numbers.
        """
        view = self.requests.localised(self.requests.read(photo, checkpoint, steps), session)
        opacity = min(max(float(opacity), 0.0), 1.0)
        pictures = []
        for step in view.trace.steps:
            for kind in KINDS:
                map_layer = layer(view.trace, step.t, kind)
                if map_layer is not None:
                    file = picture_file(map_layer.over(view.photo, opacity), f"t{step.t}_{kind}")
                    pictures.append(MapPicture(image=Path(file), caption=f"t = {step.t} · {kind}"))
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
        photo: Path,
        checkpoint: str | None = None,
        steps: int = AS_TRAINED,
        session: str | None = None,
    ) -> tuple[Path, Path, Path, dict[str, Any]]:
        """Show what BRN does: the map before and after, and the kernels of the pixels that it changes most.

        Args:
            photo: the picture, any format that Pillow reads, or HEIC.
            checkpoint: one of the networks that the app offers; by default the first.
            steps: time steps after the first pass, 0 to 4; -1 for the number trained.

        Returns:
            PNGs of the map before BRN, after it, and of the change (red up, blue down, from -0.5 to 0.5); the mean
            change and the pixels changed most, each with its kernel and arithmetic.
        """
        view = self.requests.view(self.requests.read(photo, checkpoint, steps), session)
        trace = view.trace
        change = trace.refined - trace.prior
        numbers = {
            "mean_change": float(change.mean()),
            "mean_absolute_change": float(np.abs(change).mean()),
            "pixels": [pixel_numbers(pixel) for pixel in trace.most_changed()],
        }
        return (
            map_picture_file(view, trace.prior, "before"),
            map_picture_file(view, trace.refined, "after"),
            map_picture_file(view, change, "change", signed=True),
            numbers,
        )

    def pixel(
        self,
        photo: Path,
        x: float | None = None,
        y: float | None = None,
        checkpoint: str | None = None,
        steps: int = AS_TRAINED,
        edits: list[dict[str, Any]] | None = None,
        session: str | None = None,
    ) -> dict[str, Any]:
        """Show how BRN computed one pixel: its kernel, neighbours, products and sums, with all digits.

        Args:
            photo: the picture, any format that Pillow reads, or HEIC.
            x: the photo's column, from 0; without it the pixel that BRN changed most.
            y: the photo's row, from 0.
            checkpoint: one of the networks that the app offers; by default the first.
            steps: time steps after the first pass, 0 to 4; -1 for the number trained.
            edits: changes made in the pass, as in what_if; none by default.

        Returns:
            The numbers: n×n coefficients, neighbours and products, their sums, the map before and after.
        """
        view = self.requests.view(self.requests.read(photo, checkpoint, steps, edits, session, photo_file), session)
        if x is None and y is None:
            return pixel_numbers(view.trace.most_changed(count=1)[0])
        return pixel_numbers(view.trace.pixel(*checked_point(view, x, y)))

    def what_if(
        self,
        photo: Path,
        edits: list[dict[str, Any]] | None = None,
        altered_steps: int = AS_TRAINED,
        checkpoint: str | None = None,
        steps: int = AS_TRAINED,
        mask: Path | None = None,
        painting: Path | None = None,
        session: str | None = None,
    ) -> tuple[Path, Path, Path, dict[str, Any]]:
        """Change a pass and compare it with the original one.

        Args:
            photo: the picture, any format that Pillow reads, or HEIC.
            edits: a list of objects: {"kind": "flatten", "level": "conv4", "at": 1}; {"kind": "paint", "level",
                "strength", "mask", "at"}; {"kind": "feedback", "block": "conv5", "factor": 0, "at"}; {"kind":
                "kernels", "to": "mean" or "identity"}; {"kind": "unrefined"}. "at" is a time step; without it, every
                one. By default all three attention maps are flattened.
            altered_steps: time steps of the changed pass; -1 for as many as the original one has.
            checkpoint: one of the networks that the app offers; by default the first.
            steps: time steps after the first pass, 0 to 4; -1 for the number trained.
            mask: the photo's ground truth, for the mean absolute errors; without it there are none.
            painting: a picture of the photo's proportions whose bright half is the mask of edits of kind "paint" that
                have no mask.

        Returns:
            PNGs of the original map, the changed map and their difference (red up, blue down, from -0.5 to 0.5);
            what changed in numbers: mean saliency inside and outside the found object, mean absolute error where
            there is a mask, and the mean absolute difference, of RLN's last step ("localised") and after BRN
            ("refined").
        """
        pass_request = self.requests.read(photo, checkpoint, steps)
        edits = ALL_FLAT if edits is None else edits
        if painting is not None:
            painted_mask = painted(painting)
            edits = [{"mask": painted_mask, **edit} if edit.get("kind") == "paint" else edit for edit in edits]
        steps = steps if altered_steps in (None, AS_TRAINED) else altered_steps
        changed_request = self.requests.read(photo, checkpoint, steps, edits, session, photo_file)
        view = self.requests.view(pass_request, session)
        truth = ground_truth(str(mask), view.trace.photo.shape, view.full_size) if mask is not None else None
        changed_view = self.requests.view(changed_request, session)
        before, after = view.trace.saliency, changed_view.trace.saliency
        numbers = {"edits": edits, **changes(view, changed_view, truth), "seconds": changed_view.seconds}
        return (
            map_picture_file(view, before, "untouched"),
            map_picture_file(view, after, "altered"),
            map_picture_file(view, after - before, "difference", signed=True),
            numbers,
        )

    def attribute(
        self,
        photo: Path,
        target: str = questions.PIXEL,
        x: float | None = None,
        y: float | None = None,
        step: int = questions.LAST,
        refined: bool = False,
        level: str = "conv4",
        method: str = "grad_cam",
        baseline: str = "blurred",
        block: str = "",
        block_step: int = questions.LAST,
        checkpoint: str | None = None,
        steps: int = AS_TRAINED,
        session: str | None = None,
    ) -> Iterator[float | tuple[Path, dict[str, Any]]]:
        """Explain a value that the network computed: which parts of the photo speak for it, and which against it.

        Args:
            photo: the picture, any format that Pillow reads, or HEIC.
            target: the value: pixel (RLN's evidence there), object (its mean over the object) or cell (a CWM weight).
            x: column of the pixel, or of the place whose cell is meant, from 0; by default the most salient pixel.
            y: the photo's row, from 0.
            step: the time step of the value; -1 for the last.
            refined: for a pixel, explain BRN's evidence instead of RLN's; `step` is ignored then.
            level: for a cell, the level of its attention map: conv3, conv4 or conv5.
            method: integrated_gradients, occlusion (some 50 passes each) or grad_cam (one).
            baseline: what replaces hidden parts of the photo in the first two: blurred, grey or black.
            block: for grad_cam, the block to use, conv1 to conv5; empty for the last block that influences the value.
            block_step: for grad_cam, that block's time step; -1 for the step of the value.
            checkpoint: one of the networks that the app offers; by default the first.
            steps: time steps after the first pass, 0 to 4; -1 for the number trained.

        Returns:
            The attribution over the photo, a PNG, red for and blue against; its description in numbers and words:
            occlusion's 8 × 8 cells, the top row first, are `cells`.
        """
        choice = questions.Choice(target, x, y, step, refined, level, method, baseline, block, block_step)
        for item in self.explained(self.requests.read(photo, checkpoint, steps), choice, session):
            if isinstance(item, float):
                yield item
            else:
                picture, numbers = why.answer(*item)
                yield Path(picture), numbers

    def explained(
        self, pass_request: PassRequest, choice: questions.Choice, session: str | None
    ) -> Iterator[float | tuple[View, Explanation]]:
        """Compute an explanation; yield the finished shares, then the pass and its attribution.

        Raises:
            Refused: there is no such value or method, or the pass cannot be computed.
        """
        view = self.requests.view(pass_request, session)
        chosen = choice.x is not None or choice.y is not None
        x, y = checked_point(view, choice.x, choice.y) if chosen else most_salient_pixel(view)
        try:
            question = questions.question_of(view.trace, choice, x, y)
            for item in self.explain(pass_request.checkpoint, view.trace.photo, question):
                yield (view, item) if isinstance(item, Explanation) else item
        except (ValueError, FloatingPointError) as error:
            raise refused_argument(error, "This cannot be explained") from error

    def measure(
        self,
        photo: Path,
        mask: Path,
        checkpoint: str | None = None,
        steps: int = AS_TRAINED,
        stretch: bool = True,
        session: str | None = None,
    ) -> tuple[dict[str, Any], Path, Path, Path]:
        """Measure every map of a pass against a ground-truth mask.

        Args:
            photo: the picture, any format that Pillow reads, or HEIC.
            mask: a picture of the photo's size, brighter than half where the object is.
            checkpoint: one of the networks that the app offers; by default the first.
            steps: time steps after the first pass, 0 to 4; -1 for the number trained.
            stretch: stretch each map to [0, 1] by its minimum and maximum first, as published evaluations do.

        Returns:
            MAE, maxF, meanF, adaptiveF, weightedF, S, E and boundaryF by map: "t0", "t1" … are RLN's time steps,
            "refined" is after BRN; the scores as a CSV file; the curves as a CSV file; their figure as SVG.
        """
        view = self.requests.view(self.requests.read(photo, checkpoint, steps), session)
        if mask is None:
            raise Refused("Give the photo's mask.", "No mask")
        return self.scored(view, mask, stretch, photo.stem)

    def scored(self, view: View, mask: Path, stretch: bool, name: str) -> tuple[dict[str, Any], Path, Path, Path]:
        """Measure a pass; `name` begins the files' names. See `measure`."""
        truth = ground_truth(str(mask), view.trace.photo.shape, view.full_size)
        measured: dict[str, Measured] = {
            kind: metrics.measure(saliency, truth, stretch) for kind, saliency in measure.maps(view, stretch)
        }
        scores = {kind: evaluation.results() for kind, evaluation in measured.items()}
        plot = precision_recall({measure.name_of(kind): evaluation.curves() for kind, evaluation in measured.items()})
        return (
            {"stretched": bool(stretch), "scores": scores},
            Path(output_file(measure.scores_table(scores).encode(), f"{name}_scores.csv")),
            Path(output_file(measure.curves_table(measured).encode(), f"{name}_curves.csv")),
            Path(output_file(svg(plot), f"{name}_curves.svg")),
        )

    def surveyed(self, pass_request: PassRequest, second: Any, mask: Path | None, parts: bool) -> dict[str, Any]:
        """Compute one picture's part of a survey, as `Survey.for_page` writes it.

        Args:
            pass_request: its photo and the first network.
            second: name of the network to compare with, or None.
            mask: the photo's ground truth, or None.
            parts: measure what each part of a network does.

        Raises:
            Refused: the photo or the mask cannot be used, there is no such network, or its result is not finite.
        """
        names = [pass_request.checkpoint]
        if second is not None:
            names.append(self.requests.read(pass_request.photo, second).checkpoint)
        try:
            photo = read_photo(pass_request.photo, MAX_PIXELS, reduce=True)
        except ImageError as error:
            raise refused_picture(error, pass_request.photo, "This picture cannot be used") from error
        truth = None if mask is None else ground_truth(str(mask), photo.seen.shape, photo.full_size)
        try:
            return self.survey(list(dict.fromkeys(names)), Path(pass_request.photo).name, photo.seen, truth, parts)
        except FloatingPointError as error:
            raise Refused(str(error)) from error

    def report(
        self,
        photo: Path,
        checkpoint: str | None = None,
        steps: int = AS_TRAINED,
        edits: list[dict[str, Any]] | None = None,
        session: str | None = None,
    ) -> Path:
        """Pack everything that a pass computed into one file.

        Args:
            photo: the picture, any format that Pillow reads, or HEIC.
            checkpoint: one of the networks that the app offers; by default the first.
            steps: time steps after the first pass, 0 to 4; -1 for the number trained.
            edits: changes made in the pass, as in what_if; none by default.

        Returns:
            A zip file: report.html, the pass on a page that needs nothing else; README.txt, which names every array of
            trace.npz; trace.npz, every number (numpy.load reads it); saliency.png and cutout.png, in the photo's
            size; every map and figure as PNG.
        """
        return self.packed(self.requests.read(photo, checkpoint, steps, edits, session, photo_file), session)

    def packed(self, pass_request: PassRequest, session: str | None) -> Path:
        """Pack everything that a pass computed into a zip file."""
        view = self.requests.view(pass_request, session)
        return Path(
            output_file(
                archive(view, pass_request.photo, pass_request.checkpoint), f"{Path(pass_request.photo).stem}_dgrl.zip"
            )
        )


def photo_file(photo: Any) -> Path | None:
    """Return the file of another photo, as a patch names it: like the argument `photo`."""
    return Path(photo["path"]) if isinstance(photo, dict) and isinstance(photo.get("path"), str) else None


def map_picture_file(view: View, values: Any, name: str, signed: bool = False) -> Path:
    """Draw a map in the size of the shown photo, from 0 to 1, or from -0.5 to 0.5 if it is signed; return the PNG."""
    picture = as_drawn(view, values, -0.5 if signed else 0, SIGNED if signed else SALIENCY)
    return Path(picture_file(picture, name))
