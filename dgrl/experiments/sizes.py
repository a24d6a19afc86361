"""Effects over a data set: what `python -m benchmarks parts` measured and wrote beside a checkpoint."""

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
    """Distribution of a number over the pictures of a data set.

    Attributes:
        median: half of the pictures have less.
        low, high: lower and upper quartile.
        pictures: how many pictures have a number.
        values: the numbers, for a dot plot; only for "effect".
    """

    median: float
    low: float
    high: float
    pictures: int
    values: tuple[float, ...] = ()

    @classmethod
    def of(cls, values: Sequence[float], keep: bool = False) -> "Spread":
        """Return the distribution of one value per picture, with the values if `keep`; ValueError without values."""
        if not len(values):
            raise ValueError("a spread needs values")
        low, median, high = (round(float(value), 5) for value in np.percentile(values, (25, 50, 75)))
        return cls(median, low, high, len(values), tuple(round(float(value), 4) for value in values) if keep else ())


@dataclass(frozen=True)
class Sizes:
    """The contents of `parts.json`.

    Attributes:
        data: name of the data set.
        experiments: distributions, by experiment and number.
        photos: each experiment's numbers on its photo.
        variants: for each variant of the pass, its error divided by the unchanged pass's error: over the whole picture
            ("error") and within 3 pixels of the true contour ("edge").
    """

    data: str
    experiments: dict[str, dict[str, Spread]]
    photos: dict[str, dict[str, float]]
    variants: dict[str, dict[str, float]] = field(default_factory=dict)
    cells: list[list[float]] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write the sizes as JSON."""
        text = json.dumps({"format": FORMAT} | asdict(self), indent=1)
        path.write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Sizes":
        """Read a file of sizes; ValueError if it has another format."""
        try:
            fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if fields.pop("format") != FORMAT:
                raise ValueError("another format")
            fields["experiments"] = {
                key: {
                    name: Spread(**spread | {"values": tuple(spread.get("values", ()))})
                    for name, spread in numbers.items()
                }
                for key, numbers in fields["experiments"].items()
            }
            return cls(**fields)
        except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"{path} is not a file of effect sizes: {error}") from error


def sizes_of(checkpoint: str | Path | None) -> Sizes | None:
    """Return what was measured with a checkpoint folder; None if nothing was."""
    path = Path(checkpoint or "") / PARTS_FILE
    return Sizes.load(path) if checkpoint is not None and path.is_file() else None
