"""Explanations on the app's machine: which parts of the photo caused a value, computed a batch at a time."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dgrl.app.runs import DEFAULT_STEPS, View
from dgrl.app.served import picture_file
from dgrl.app.zero_gpu import CALL_SECONDS, PASS_SECONDS, on_gpu
from dgrl.attribution.answer import Explanation, explanation_in_batches, numbers
from dgrl.attribution.methods import most_passes
from dgrl.attribution.question import Question
from dgrl.figures.attribution import attribution_layer
from dgrl.images import RGB
from dgrl.model import DGRL

CHECKED = 2
"""How many times as long as the attribution the attribution and its check may take."""
Explain = Callable[..., Iterator[float | Explanation]]


def explainer(models: Mapping[str, DGRL]) -> Explain:
    """Return the computation: it yields the shares that are done, and at last the explanation."""

    # A closure over the networks: ZeroGPU sends the arguments to another process, and gets what is yielded back.
    def explain(checkpoint: str, photo: RGB, question: Question) -> Iterator[float | Explanation]:
        yield (yield from explanation_in_batches(models[checkpoint], photo, question))

    return on_gpu(explain, gpu_seconds)


def gpu_seconds(_checkpoint: str, _photo: RGB, question: Question) -> float:
    """Return how long an explanation may take on a GPU: so many passes, of RLN's T + 1 runs and BRN's."""
    steps = DEFAULT_STEPS if question.steps is None else question.steps
    return CALL_SECONDS + CHECKED * PASS_SECONDS * (steps + 2) * most_passes(question)


def answer(view: View, found: Explanation) -> tuple[str, dict[str, Any]]:
    """Draw the explanation over the photo, as a file, and describe it in numbers and words."""
    drawn = attribution_layer(found.attribution)
    return picture_file(drawn.over(view.photo), f"why_{found.attribution.method}"), numbers(view.trace, found, drawn)
