"""How large effects are over a data set: what `python -m benchmarks.parts` measured and left beside a checkpoint."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

PARTS_FILE = "parts.json"
FORMAT = "dgrl-parts-1"


@dataclass(frozen=True)
class Spread:
    """A number over the pictures of a data set.

    Attributes:
        median: half of the pictures have less.
        low, high: the middle half of the pictures lies between these.
        pictures: how many gave a number.
        values: the numbers themselves, for a dot plot; of "effect" only.
    """

    median: float
    low: float
    high: float
    pictures: int
    values: tuple[float, ...] = ()

    @classmethod
    def of(cls, values: Sequence[float], keep: bool = False) -> "Spread":
        """Return the spread of one value per picture, with the values if `keep`; ValueError if there is none."""
        if not len(values):
            raise ValueError("a spread needs values")
        low, median, high = (round(float(value), 5) for value in np.percentile(values, (25, 50, 75)))
        return cls(median, low, high, len(values), tuple(round(float(value), 4) for value in values) if keep else ())


@dataclass(frozen=True)
class Sizes:
    """The contents of `parts.json`.

    Attributes:
        data: what the pictures are called.
        experiments: by experiment and number.
        photos: by experiment, its numbers on its photo.
        variants: by variant of the pass: how many times the usual "error" it has, and the usual error within 3 pixels
            of the true contour ("edge").
    """

    data: str
    experiments: dict[str, dict[str, Spread]]
    photos: dict[str, dict[str, float]]
    variants: dict[str, dict[str, float]] = field(default_factory=dict)
    cells: list[list[float]] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        text = json.dumps({"format": FORMAT} | asdict(self), indent=1)
        path.write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Sizes":
        """Read it; ValueError if it is no such file."""
        try:
            read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if read.pop("format") != FORMAT:
                raise ValueError("another format")
            read["experiments"] = {
                key: {
                    name: Spread(**spread | {"values": tuple(spread.get("values", ()))})
                    for name, spread in numbers.items()
                }
                for key, numbers in read["experiments"].items()
            }
            return cls(**read)
        except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"{path} holds no sizes of parts: {error}") from error


def sizes_of(checkpoint: str | Path | None) -> Sizes | None:
    """What was measured with a checkpoint folder; None if nothing was."""
    path = Path(checkpoint or "") / PARTS_FILE
    return Sizes.load(path) if checkpoint is not None and path.is_file() else None
