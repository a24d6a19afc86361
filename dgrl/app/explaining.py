"""What happens in the Why tab: the number is chosen and shown, and explained a batch at a time."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from dgrl.app.explanations import LAST, answer, chosen_target, picture_of_choice
from dgrl.app.layers import brightest
from dgrl.app.parts import Source, checked_point, objection, photo_point
from dgrl.app.runs import DEFAULT_STEPS
from dgrl.app.zero_gpu import CALL_SECONDS, PASS_SECONDS, on_gpu
from dgrl.attribution.attribute import Attribution, attribute_in_batches
from dgrl.attribution.methods import most_passes
from dgrl.attribution.question import Question
from dgrl.figures.attribution import TITLES
from dgrl.images import RGB
from dgrl.model import DGRL

NOTHING_YET = "Choose a number and a method, then press **Explain**."
Explain = Callable[..., Iterator[float | Attribution]]


def explainer(models: Mapping[str, DGRL]) -> Explain:
    """The computation, a batch at a time: shares done, and at last the attribution."""

    # A closure over the networks: ZeroGPU sends the arguments to another process, and gets what is yielded back.
    def explain(checkpoint: str, photo: RGB, question: Question) -> Iterator[float | Attribution]:
        yield (yield from attribute_in_batches(models[checkpoint], photo, question))

    return on_gpu(explain, gpu_seconds)


def gpu_seconds(_checkpoint: str, _photo: RGB, question: Question) -> float:
    """How long an explanation may take on a GPU: so many passes, of RLN's T + 1 runs and BRN's."""
    steps = DEFAULT_STEPS if question.steps is None else question.steps
    return CALL_SECONDS + PASS_SECONDS * (steps + 2) * most_passes(question)


@dataclass
class Handlers:
    """What happens on the tab's events. The first three arguments are always the values of `source.inputs`."""

    source: Source
    explain: Explain

    def attribute(
        self,
        photo: str,
        checkpoint: str,
        steps: int,
        target: str,
        x: float,
        y: float,
        step: int,
        refined: bool,
        level: str,
        method: str,
        baseline: str,
        block: str,
        block_step: int,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 (Gradio's way to ask for it)
    ) -> Iterator[Any]:
        """Explain a number that the network computed: which places of the photo speak for it, and which against it.

        Args:
            photo: the picture, any format that Pillow reads.
            checkpoint: one of the networks that the app offers.
            steps: time steps after the first pass, 0 to 4; -1 for the number trained.
            target: the number: pixel (RLN's evidence there), object (its mean over the object) or cell (a CWM weight).
            x: the photo's column, from 0, of the pixel, or of the place whose cell is meant.
            y: the photo's row, from 0.
            step: the time step of the number; -1 for the last.
            refined: for a pixel, BRN's evidence instead of RLN's; `step` has no meaning then.
            level: for a cell, the level of its weight map: conv3, conv4 or conv5.
            method: integrated_gradients, occlusion or grad_cam.
            baseline: what stands for an unseen photo in the first two: blurred, grey or black.
            block: for grad_cam, the block that is looked at: conv1 to conv5.
            block_step: for grad_cam, the time step at which it is; -1 for that of the number.

        Returns:
            The attribution over the photo, a PNG; its colour scale as HTML; what it says, in words and in numbers.
        """
        view = self.source.view(photo, checkpoint, steps, request)
        x, y = checked_point(view, x, y)
        settings: dict[str, Any] = {
            "method": method,
            "baseline": baseline,
            "block": block,
            "block_step": None if block_step == LAST else block_step,
            "steps": len(view.trace.steps) - 1,
        }
        try:
            asked = Question(chosen_target(view, target, x, y, step, refined, level), **settings)
            for news in self.explain(checkpoint, view.trace.photo, asked):
                if isinstance(news, Attribution):
                    yield answer(view, news)
                else:
                    progress(news, desc=TITLES[method])
                    yield gr.skip()  # where Gradio can stop it
        except (ValueError, FloatingPointError) as error:
            raise objection(error, "This cannot be explained") from error

    def choice(
        self,
        photo: str | None,
        checkpoint: str,
        steps: int,
        target: str,
        x: float | None,
        y: float | None,
        step: int,
        refined: bool,
        level: str,
        request: gr.Request,
    ) -> str | None:
        """What is about to be explained, as a picture."""
        if photo is None:
            return None
        view = self.source.view(photo, checkpoint, steps, request)
        return picture_of_choice(view, target, *checked_point(view, x, y), step, refined, level)

    def click(
        self,
        photo: str | None,
        checkpoint: str,
        steps: int,
        target: str,
        x: float | None,
        y: float | None,
        step: int,
        refined: bool,
        level: str,
        request: gr.Request,
        event: gr.SelectData,
    ) -> tuple[Any, ...]:
        """The same, where the picture was clicked."""
        view = self.source.view(photo, checkpoint, steps, request)
        x, y = photo_point(view, event.index, view.photo.shape)
        return x, y, picture_of_choice(view, target, x, y, step, refined, level)

    def fresh(
        self,
        photo: str | None,
        checkpoint: str,
        steps: int,
        target: str,
        step: int,
        refined: bool,
        level: str,
        request: gr.Request,
    ) -> tuple[Any, ...]:
        """What a new pass leaves on the tab: its surest pixel chosen, and no result."""
        nothing = (None, "", NOTHING_YET, None)
        if photo is None:
            return None, None, None, *nothing
        view = self.source.view(photo, checkpoint, steps, request)
        x, y = brightest(view)
        return x, y, picture_of_choice(view, target, x, y, step, refined, level), *nothing
