"""Rows of a survey in files: each process adds its own, and a survey that was stopped goes on where it was."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dgrl.data.pairs import DataError
from dgrl.evaluation.survey.table import FORMAT, Plan, Survey, SurveyRow
from dgrl.files import replacing
from dgrl.model import DGRL

SETTINGS, ROWS = "settings.json", "rows"


def fingerprint(model: DGRL) -> str:
    """Return a checksum of a network's weights."""
    checksum = hashlib.sha256()
    for tensor in model.state_dict().values():
        checksum.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return checksum.hexdigest()[:16]


class Store:
    """The folder of one survey.

    Args:
        folder: where it is; it is made if it is missing.
        plan: what its rows hold.
        weights: the networks' fingerprints, in their order.

    Raises:
        DataError: the folder holds a survey with other settings or weights.
    """

    def __init__(self, folder: Path, plan: Plan, weights: list[str]) -> None:
        self.folder, self.plan = folder, plan
        settings: dict[str, Any] = {"format": FORMAT, "weights": weights, **asdict(plan)}
        settings = json.loads(json.dumps(settings))
        path = folder / SETTINGS
        if path.exists():
            if json.loads(path.read_text(encoding="utf-8")) != settings:
                raise DataError(f"{folder} holds a survey with other settings or weights: name another folder")
            return
        (folder / ROWS).mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial:
            partial.write_text(json.dumps(settings, indent=1), encoding="utf-8")

    def rows(self) -> Iterator[SurveyRow]:
        """Return all rows so far. A line that a killed process left unfinished is skipped."""
        for file in sorted((self.folder / ROWS).glob("*.jsonl")):
            with file.open(encoding="utf-8") as lines:
                for line in lines:
                    if line.endswith("\n") and line.startswith("{"):
                        try:
                            fields = json.loads(line)
                        except json.JSONDecodeError:
                            continue
                        yield SurveyRow(**{**fields, "size": tuple(fields["size"])})

    def done(self) -> set[str]:
        """Return the names of the pictures that have a row of every network."""
        checkpoints_of: dict[str, set[str]] = {}
        for row in self.rows():
            checkpoints_of.setdefault(row.picture, set()).add(row.checkpoint)
        return {name for name, checkpoints in checkpoints_of.items() if len(checkpoints) == len(self.plan.checkpoints)}

    def append(self, process: int, rows: Iterator[SurveyRow]) -> Iterator[SurveyRow]:
        """Write rows as they come, and pass them on."""
        path = self.folder / ROWS / f"{process}.jsonl"
        torn = path.exists() and path.stat().st_size > 0
        with path.open("a", encoding="utf-8") as file:
            if torn:
                file.write("\n")  # ends a line that a killed process has left
            for row in rows:
                file.write(json.dumps(asdict(row)) + "\n")
                file.flush()
                yield row

    def survey(self, names: list[str]) -> Survey:
        """Return the rows of these pictures as a table, in this order, each once."""
        picture_order = {name: index for index, name in enumerate(names)}
        checkpoint_order = {name: index for index, name in enumerate(self.plan.checkpoints)}
        row_of = {(row.picture, row.checkpoint): row for row in self.rows() if row.picture in picture_order}
        ordered = sorted(
            row_of.values(), key=lambda row: (picture_order[row.picture], checkpoint_order[row.checkpoint])
        )
        return Survey(self.plan, ordered)
