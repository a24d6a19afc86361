"""Eleven experiments that measure themselves: one list for app, notebooks, documentation and web page.

| file | contents |
|---|---|
| `listed` | the eleven experiments |
| `experiment` | the data of an experiment: photo, passes, view, question, answer |
| `effects` | functions that measure an experiment's effect on a picture |
| `passes` | the passes over one picture, each computed once |
| `sizes` | effects over a data set, as `python -m benchmarks parts DATA` measured them |
"""

from dgrl.experiments.experiment import Experiment
from dgrl.experiments.listed import BY_KEY, EXPERIMENTS
from dgrl.experiments.passes import Passes, Setting
from dgrl.experiments.sizes import Sizes, Spread, sizes_of

__all__ = ["BY_KEY", "EXPERIMENTS", "Experiment", "Passes", "Setting", "Sizes", "Spread", "sizes_of"]
