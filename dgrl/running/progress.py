"""Progress of long work: a bar on a terminal, plain lines elsewhere."""

import sys
from typing import Any

from tqdm import tqdm


def bar(*arguments: Any, **settings: Any) -> "tqdm[Any]":
    """Create a `tqdm` bar that, outside a terminal, writes a line every half minute."""
    interval = 0.5 if sys.stderr.isatty() else 30
    return tqdm(*arguments, mininterval=interval, maxinterval=interval, **settings)
