"""Ten experiments, each a demonstration that measures itself: one list for app, notebooks, documentation and web page.

| file | what it is |
|---|---|
| `listed` | the ten |
| `experiment` | what one is: photo, passes, view, question, answer |
| `effects` | how large each one's effect is on a picture |
| `passes` | the passes over one picture, each computed once |
| `sizes` | how large the effects are over a data set, as `python -m benchmarks parts DATA` measured them |
"""

from dgrl.experiments.experiment import Experiment
from dgrl.experiments.listed import BY_KEY, EXPERIMENTS
from dgrl.experiments.passes import Passes, Setting
from dgrl.experiments.sizes import Sizes, Spread, sizes_of

__all__ = ["BY_KEY", "EXPERIMENTS", "Experiment", "Passes", "Setting", "Sizes", "Spread", "sizes_of"]
