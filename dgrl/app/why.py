"""Explanations computed on the server: which parts of the photo caused a value, one batch at a time."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dgrl.app.outputs import picture_file
from dgrl.app.runs import DEFAULT_STEPS, View
from dgrl.app.zero_gpu import CALL_SECONDS, PASS_SECONDS, on_gpu
from dgrl.attribution.answer import Explanation, explanation_in_batches, numbers
from dgrl.attribution.methods import most_passes
from dgrl.attribution.question import Question
from dgrl.figures.attribution import attribution_layer
from dgrl.images import RGB
from dgrl.model import DGRL

CHECK_FACTOR = 2
"""Time limit of an attribution with its check, as a multiple of the attribution's time."""
Explain = Callable[..., Iterator[float | Explanation]]


def explainer(models: Mapping[str, DGRL]) -> Explain:
    """Return a function that yields the finished shares and, at last, the explanation."""

    # A closure over the networks: ZeroGPU sends arguments and results between processes.
    def explain(checkpoint: str, photo: RGB, question: Question) -> Iterator[float | Explanation]:
        yield (yield from explanation_in_batches(models[checkpoint], photo, question))

    return on_gpu(explain, gpu_seconds)


def gpu_seconds(_checkpoint: str, _photo: RGB, question: Question) -> float:
    """Return how long an explanation may take on a GPU: its passes, each with RLN's T + 1 runs and BRN's one."""
    steps = DEFAULT_STEPS if question.steps is None else question.steps
    return CALL_SECONDS + CHECK_FACTOR * PASS_SECONDS * (steps + 2) * most_passes(question)


def answer(view: View, explanation: Explanation) -> tuple[str, dict[str, Any]]:
    """Draw the explanation over the photo into a file, and describe it in numbers and words."""
    heat_map = attribution_layer(explanation.attribution)
    return picture_file(heat_map.over(view.photo), f"why_{explanation.attribution.method}"), numbers(
        view.trace, explanation, heat_map
    )
