"""One picture of a survey on the app's machine: the numbers that `dgrl survey` writes of it."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dgrl.app.runs import DEFAULT_STEPS
from dgrl.app.zero_gpu import CALL_SECONDS, PASS_SECONDS, on_gpu
from dgrl.evaluation.metrics import Mask
from dgrl.evaluation.survey.passes import Pass
from dgrl.evaluation.survey.run import survey_picture
from dgrl.images import RGB
from dgrl.model import DGRL

SurveyOne = Callable[[Sequence[str], str, RGB, Mask | None, bool], dict[str, Any]]
PARTS_TIMES = 4
"""A survey that also measures each part takes at most this many times as long."""
CAPACITY = 2**28
"""Bytes of passes to keep: about 250 pictures of 400×300."""


def surveyor(models: Mapping[str, DGRL]) -> SurveyOne:
    """Return the computation: of networks, the picture's name, its pixels, its mask, and whether to measure parts.

    Recent passes are kept, so that a comparison with a second network runs only that one.
    """
    recent: OrderedDict[str, dict[str, Pass]] = OrderedDict()

    # A closure over the networks: ZeroGPU sends the arguments to another process.
    def survey(names: Sequence[str], picture: str, photo: RGB, truth: Mask | None, parts: bool) -> dict[str, Any]:
        chosen = {name: models[name] for name in names}
        key = fingerprint(photo, truth, chosen[names[0]].config.steps, parts)
        known = recent.pop(key, {})
        table = survey_picture(chosen, picture, photo, truth, parts, known).for_page()
        recent[key] = known
        while len(recent) > 1 and sum(map(size, recent.values())) > CAPACITY:
            recent.popitem(last=False)
        return table

    return on_gpu(survey, gpu_seconds)


def fingerprint(photo: RGB, truth: Mask | None, steps: int, parts: bool) -> str:
    """Return a checksum of everything that a pass depends on but the network."""
    found = hashlib.sha256(f"{photo.shape} {truth is None} {steps} {parts}".encode())
    for pixels in (photo, truth):
        if pixels is not None:
            found.update(pixels.tobytes())
    return found.hexdigest()


def size(passes: Mapping[str, Pass]) -> int:
    """Return the bytes of a picture's passes, which share its photo."""
    maps = [saliency for one in passes.values() for saliency in one.maps.values()]
    return sum(array.nbytes for array in [*maps, *(one.photo for one in list(passes.values())[:1])])


def gpu_seconds(names: Sequence[str], _picture: str, _photo: RGB, _truth: Mask | None, parts: bool) -> float:
    """Return how long one picture may take on a GPU."""
    passes = len(names) * (PARTS_TIMES if parts else 1)
    return CALL_SECONDS + PASS_SECONDS * (DEFAULT_STEPS + 2) * passes
