"""The rows of a survey as a table: CSV, JSON, and the data of the page."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dgrl.evaluation.survey.columns import COARSENESS, REFINED, Column, columns, look
from dgrl.evaluation.survey.passes import TILE, tile_keys
from dgrl.evaluation.tables import as_csv

FORMAT = "dgrl-survey-2"
DIGITS = 6


@dataclass(frozen=True)
class SurveyRow:
    """One picture seen by one network.

    Attributes:
        picture: the picture's path, relative to the folder that was surveyed.
        checkpoint: the network's name.
        values: numbers by the key of their column; None where there is none.
        why: why this picture is bad, in one sentence.
        size: width and height of the picture.
        photo: the picture as a small JPEG, a `data:` URL.
        maps: the pass's maps likewise (see `Pass.tiles`).
        mask: the picture's mask likewise; "" without one.
    """

    picture: str
    checkpoint: str
    values: Mapping[str, float | None]
    why: str
    size: tuple[int, int] = (0, 0)
    photo: str = ""
    maps: str = ""
    mask: str = ""


@dataclass(frozen=True)
class Plan:
    """The settings of a survey, which decide the columns of its rows.

    Attributes:
        checkpoints: the networks' names.
        steps: T.
        levels: the levels that have attention maps, fine to coarse.
        masks: whether the true objects are known.
        parts: whether it is measured what each part does.
    """

    checkpoints: tuple[str, ...]
    steps: int
    levels: tuple[str, ...]
    masks: bool
    parts: bool

    @property
    def columns(self) -> list[Column]:
        """The numbers of each row."""
        return columns(self.steps, self.levels, self.masks, self.parts, len(self.checkpoints))

    @property
    def tiles(self) -> list[dict[str, str]]:
        """Key and title of each small map of a row."""
        looks = {f"t{t}": look(t) for t in range(self.steps + 1)} | {REFINED: "final map"}

        def title(key: str) -> str:
            level, _, t = key.partition("_")
            return f"{COARSENESS[level]} attention, {looks[t]}" if level in COARSENESS else looks[key]

        return [{"key": key, "title": title(key)} for key in tile_keys(self.steps, self.levels)]


@dataclass(frozen=True)
class Survey:
    """A table of pictures.

    Attributes:
        plan: what each row holds.
        rows: one row for each picture and network, in the order of the pictures.
    """

    plan: Plan
    rows: Sequence[SurveyRow]

    def to_csv(self) -> str:
        """Return the table as CSV: picture, checkpoint, the numbers, why."""
        keys = [column.key for column in self.plan.columns]
        header = ["picture", "checkpoint", *keys, "why"]
        return as_csv(header, ([row.picture, row.checkpoint, *rounded(row.values, keys), row.why] for row in self.rows))

    def to_json(self) -> str:
        """Return the table as JSON: the columns' meanings, and an object for each row; without pictures."""
        keys = [column.key for column in self.plan.columns]
        rows = [
            {"picture": row.picture, "checkpoint": row.checkpoint}
            | dict(zip(keys, rounded(row.values, keys), strict=True))
            | {"why": row.why}
            for row in self.rows
        ]
        return json.dumps({"format": FORMAT, "columns": [asdict(c) for c in self.plan.columns], "rows": rows}, indent=1)

    def for_page(self) -> dict[str, Any]:
        """Return the table as `dgrl/page/survey` reads it, with the pictures."""
        pictures: dict[str, dict[str, Any]] = {}
        for row in self.rows:
            picture = {"name": row.picture, "size": list(row.size), "photo": row.photo, "mask": row.mask}
            pictures.setdefault(row.picture, picture)
        places = {name: index for index, name in enumerate(pictures)}
        keys = [column.key for column in self.plan.columns]
        return {
            "format": FORMAT,
            "columns": [asdict(column) for column in self.plan.columns],
            "checkpoints": list(self.plan.checkpoints),
            "tiles": self.plan.tiles,
            "tile": TILE,
            "pictures": list(pictures.values()),
            "rows": [
                {
                    "picture": places[row.picture],
                    "checkpoint": self.plan.checkpoints.index(row.checkpoint),
                    "values": rounded(row.values, keys),
                    "why": row.why,
                    "maps": row.maps,
                }
                for row in self.rows
            ],
        }


def rounded(values: Mapping[str, float | None], keys: Sequence[str]) -> list[float | None]:
    """Return the values of these keys, rounded to `DIGITS` decimals: the same in every file and on the page."""
    return [None if (value := values.get(key)) is None else round(value, DIGITS) for key in keys]
