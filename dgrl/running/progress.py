"""Progress of long work: a bar on a terminal, plain lines elsewhere."""

import sys
from typing import Any

from tqdm import tqdm


def bar(*arguments: Any, **settings: Any) -> "tqdm[Any]":
    """`tqdm` that writes a line every half minute where no one watches a terminal."""
    interval = 0.5 if sys.stderr.isatty() else 30
    return tqdm(*arguments, mininterval=interval, maxinterval=interval, **settings)
