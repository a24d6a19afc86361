"""What happens in the What if tab: the altered pass is run, compared with the untouched one, and drawn."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import gradio as gr

from dgrl.app.alterations import Alterations
from dgrl.app.painting import Canvas, canvas, read_painting
from dgrl.app.parts import Source, ground_truth, objection, visitor
from dgrl.app.runs import View
from dgrl.app.side_by_side import draw, table
from dgrl.evaluation.comparison import compare
from dgrl.figures import resize_map
from dgrl.taps import LEVELS, Edit
from dgrl.trace import found_in

NOTHING_YET = "Alter something, then press **Run the altered pass**."
AS_UNTOUCHED = -1
NO_RESULT = (None, NOTHING_YET, *(None, "") * 3, "", None)


@dataclass(frozen=True)
class Run:
    """Which altered pass was asked for last."""

    photo: str
    checkpoint: str
    steps: int
    altered_steps: int
    edits: tuple[Edit, ...]


@dataclass
class Handlers:
    """What happens on the tab's events. The first three arguments are always the values of `source.inputs`."""

    source: Source

    def what_if(
        self,
        photo: str,
        checkpoint: str,
        steps: int,
        painting: str | None,
        painted: list[str],
        strength: float,
        flattened: list[str],
        maps_at: int,
        conv2: float,
        conv3: float,
        conv4: float,
        conv5: float,
        feedback_at: int,
        altered_steps: int,
        kernels: str,
        mask: str | None,
        shown: str,
        shown_at: int,
        request: gr.Request,
    ) -> tuple[Any, ...]:
        """Alter a pass and compare it with the untouched one.

        Args:
            photo: the picture, any format that Pillow reads.
            checkpoint: one of the networks that the app offers.
            steps: time steps after the first pass, 0 to 4; -1 for the number trained.
            painting: a picture to be stretched over the photo: white is painted, black is not, grey is in between.
            painted: levels whose weight maps are painted: conv3, conv4, conv5.
            strength: what the painted weights are multiplied by, 0 to 10; then the map's mean is made 1 again.
            flattened: levels whose weight maps are made even, before they are painted.
            maps_at: the time step at which weight maps are altered; -1 for every step.
            conv2: what the feedback into block conv2 is multiplied by, 0 to 2; 0 cuts it, 1 leaves it.
            conv3: the same for block conv3.
            conv4: the same for block conv4.
            conv5: the same for block conv5.
            feedback_at: the time step at which feedback is altered; -1 for every step.
            altered_steps: time steps of the altered pass, 0 to 4; -1 for as many as the untouched one has.
            kernels: BRN's kernels: as computed, identity, or mean of the picture.
            mask: the photo's ground truth, brighter than half where the object is; None for none.
            shown: the map to show: after BRN, prediction, conv3, conv4 or conv5.
            shown_at: the time step of it, where it has one; -1 for the last.

        Returns:
            What was altered, in words; PNGs of the untouched and the altered map and of their difference, each with its
            colour scale as HTML; mean saliency inside and outside the found object and MAE, of RLN's last step
            ("localised") and after BRN ("refined"), as an HTML table and as numbers.
        """
        view = self.source.view(photo, checkpoint, steps, request)
        truth = ground_truth(mask, view) if mask is not None else None
        coverage = None if painting is None else read_painting(painting)
        factors = (conv2, conv3, conv4, conv5)
        # In the levels' order: whoever ticks the same boxes another way asks for the same pass.
        flat, paint = ([level for level in LEVELS if level in chosen] for chosen in (flattened, painted))
        wanted = Alterations(flat, coverage, paint, strength, maps_at, factors, feedback_at, kernels)
        last = altered_steps if altered_steps != AS_UNTOUCHED else len(view.trace.steps) - 1
        reason = wanted.objection(last, bool(view.trace.steps[0].weight_maps))
        if reason:
            raise gr.Error(reason, title="This cannot be altered", print_exception=False)
        run = Run(photo, checkpoint, steps, altered_steps, tuple(wanted.edits))
        altered = self._altered(run, request)
        compared = compare(view.trace, altered.trace, truth)
        pictures = draw(view, altered, shown, shown_at)
        return run, summary(wanted, view, altered), *pictures, table(compared), dataclasses.asdict(compared)

    def redraw(self, run: Run | None, shown: str, shown_at: int, request: gr.Request) -> tuple[Any, ...]:
        """Another map of the same two passes."""
        if run is None:
            return (None, "") * 3
        view = self.source.view(run.photo, run.checkpoint, run.steps, request)
        return draw(view, self._altered(run, request), shown, shown_at)

    def fresh(
        self, photo: str | None, checkpoint: str, steps: int, painted_on: str | None, request: gr.Request
    ) -> tuple[Any, ...]:
        """What a new pass leaves on the tab: no result; the painting stays while the photo does."""
        kept = photo == painted_on
        return gr.skip() if kept else self.canvas(photo, checkpoint, steps, request), photo, *NO_RESULT

    def canvas(self, photo: str | None, checkpoint: str, steps: int, request: gr.Request) -> Canvas | None:
        """The photo in the editor, with nothing painted on it."""
        return None if photo is None else canvas(self.source.view(photo, checkpoint, steps, request).photo)

    def paint_object(self, photo: str | None, checkpoint: str, steps: int, request: gr.Request) -> Canvas:
        """The photo in the editor, with the found object painted."""
        view = self.source.view(photo, checkpoint, steps, request)
        return canvas(view.photo, found_in(resize_map(view.trace.saliency, *view.photo.shape[:2])))

    def reset(self, photo: str | None, checkpoint: str, steps: int, request: gr.Request) -> tuple[Any, ...]:
        """The editor without paint, and no result."""
        return self.canvas(photo, checkpoint, steps, request), *NO_RESULT

    def _altered(self, run: Run, request: gr.Request | None) -> View:
        """The altered pass; a message to the visitor if it cannot be."""
        steps = run.steps if run.altered_steps == AS_UNTOUCHED else run.altered_steps
        try:
            return self.source.passes.view(run.photo, run.checkpoint, steps, visitor(request), run.edits)
        except (ValueError, FloatingPointError) as error:
            raise objection(error, "This cannot be altered") from error


def summary(wanted: Alterations, view: View, altered: View) -> str:
    """What was altered, and what it cost, in words."""
    said = wanted.words
    before, after = (len(each.trace.steps) - 1 for each in (view, altered))
    if after != before:
        said.append(f"T = {after} instead of {before}")
    if not said:
        return "**Nothing is altered**: both passes are the same. " + NOTHING_YET
    return f"**Altered:** {'; '.join(said)}. The altered pass took {altered.seconds:.2f} s."
