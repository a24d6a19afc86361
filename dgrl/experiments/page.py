"""An experiment as a self-contained page: the question, the explorer with the passes, and what happened."""

from dgrl.experiments.experiment import Experiment
from dgrl.experiments.sizes import Sizes
from dgrl.explorer.bundle import bundle
from dgrl.explorer.page import page
from dgrl.explorer.report import found
from dgrl.model import DGRL


def experiment_page(model: DGRL, experiment: Experiment, sizes: Sizes | None = None) -> str:
    """HTML that works from a disk, offline: the network has run, and nothing else is needed.

    Args:
        model: the network.
        experiment: what to do.
        sizes: how large effects are over a data set, with this network.

    Raises:
        ValueError: its photo has nothing to measure the effect on, with this network.
    """
    passes = experiment.passes(model)
    numbers = experiment.measure(passes)
    if numbers is None:
        raise ValueError(f"on {experiment.photo}.jpg this network finds nothing to measure {experiment.key} on")
    traces = experiment.traces(passes)
    settings = [setting for setting in (experiment.first, experiment.second) if setting is not None]
    names = (settings[0].name, settings[-1].name) if len(settings) == 2 else ("first", "second")
    return page(
        [bundle(trace, title=experiment.photo, found=found(trace)) for trace in traces],
        experiment.title,
        names,
        experiment.view.state(traces[0], experiment.pinned(passes)),
        "experiment",
        question=experiment.question,
        choices=experiment.choices,
        happened=experiment.happened(numbers),
        size=experiment.size(numbers, sizes),
        story=experiment.story,
        described=f"Two passes: {names[0]}, and {names[1]}." if len(settings) == 2 else "",
    )
