"""One picture of a survey on the app's machine: the numbers that `dgrl survey` writes of it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dgrl.app.runs import DEFAULT_STEPS
from dgrl.app.zero_gpu import CALL_SECONDS, PASS_SECONDS, on_gpu
from dgrl.evaluation.metrics import Mask
from dgrl.evaluation.survey.run import survey_picture
from dgrl.images import RGB
from dgrl.model import DGRL

SurveyOne = Callable[[Sequence[str], str, RGB, Mask | None, bool], dict[str, Any]]
PARTS_TIMES = 4
"""A survey that also measures each part takes at most this many times as long."""


def surveyor(models: Mapping[str, DGRL]) -> SurveyOne:
    """Return the computation: of networks, the picture's name, its pixels, its mask, and whether to measure parts."""

    # A closure over the networks: ZeroGPU sends the arguments to another process.
    def survey(names: Sequence[str], picture: str, photo: RGB, truth: Mask | None, parts: bool) -> dict[str, Any]:
        chosen = {name: models[name] for name in names}
        return survey_picture(chosen, picture, photo, truth, parts).for_page()

    return on_gpu(survey, gpu_seconds)


def gpu_seconds(names: Sequence[str], _picture: str, _photo: RGB, _truth: Mask | None, parts: bool) -> float:
    """Return how long one picture may take on a GPU."""
    passes = len(names) * (PARTS_TIMES if parts else 1)
    return CALL_SECONDS + PASS_SECONDS * (DEFAULT_STEPS + 2) * passes
