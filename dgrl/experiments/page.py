"""An experiment as a self-contained page: the question, both passes, and the result."""

from typing import Any

from dgrl.bundle import bundle
from dgrl.experiments.experiment import Experiment
from dgrl.experiments.sizes import Sizes
from dgrl.experiments.tour import scene
from dgrl.model import DGRL
from dgrl.page.inlining import StoredPass, stored_page


def experiment_page(model: DGRL, experiment: Experiment, sizes: Sizes | None = None) -> str:
    """Return HTML that works offline from a file, because it contains the passes.

    Args:
        model: the network.
        experiment: what to show.
        sizes: effects over a data set, with this network.

    Raises:
        ValueError: the photo has nothing to measure the effect on, with this network.
    """
    passes = experiment.passes(model)
    numbers = experiment.measure(passes)
    if numbers is None:
        raise ValueError(f"the network finds nothing on {experiment.photo}.jpg to measure {experiment.key} on")
    settings = scene(experiment, numbers | experiment.place(passes))
    requests: list[dict[str, Any]] = settings.pop("slots")
    settings["frames"] = [frame for frame in settings.get("frames", ()) if frame["map"] != "explanation"] or None
    stored_passes = [
        StoredPass(bundle(trace, experiment.photo), trained=model.config.steps, **request)
        for trace, request in zip(experiment.traces(passes), requests, strict=True)
    ]
    return stored_page(
        stored_passes,
        experiment.title,
        settings,
        "experiment",
        question=experiment.question,
        choices=experiment.choices,
        happened=experiment.happened(numbers),
        size=experiment.size(numbers, sizes),
        story=experiment.story,
        described="",
    )
