"""The columns of a survey: the names, titles and meanings of the numbers of one pass."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from dgrl.evaluation.metrics import METRICS
from dgrl.taps import LEVELS

REFINED = "refined"
COARSENESS = {"conv3": "fine", "conv4": "medium", "conv5": "coarse"}
"""Names of the levels of attention for readers."""
PARTS = {"flat": "flat attention", "memory": "memory cut", "kernel": "one kernel"}
"""The parts of the network whose effect is measured by removing them."""
Better = Literal["lower", "higher"] | None


@dataclass(frozen=True)
class Column:
    """One number of each row.

    Attributes:
        key: its name in Python, CSV and JSON.
        title: its name for people.
        group: "object", "scores", "attention", "change" or "parts".
        meaning: what it measures, its range and unit.
        better: which values are better, where that can be said.
    """

    key: str
    title: str
    group: str
    meaning: str
    better: Better = None


def look(t: int) -> str:
    """Return a time step's name for people."""
    return f"look {t + 1}"


def error_key(kind: str) -> str:
    """Return the column of a map's mean absolute error: "t0", "t1", … or `REFINED`."""
    return f"MAE_{kind}"


def attention_key(number: str, level: str, t: int) -> str:
    """Return the column of a number ("on_object", "entropy", "distance", "moved") of a level's attention map."""
    return f"{number}_{level}_t{t}"


def columns(steps: int, levels: Sequence[str], masks: bool, parts: bool, checkpoints: int) -> list[Column]:
    """Return the columns of a survey.

    Args:
        steps: T.
        levels: the levels that have attention maps.
        masks: whether the true objects are known.
        parts: whether the effect of each part is measured.
        checkpoints: how many networks there are.
    """
    all_columns = [*_scores(steps)] if masks else []
    all_columns += [*_object(masks), *_attention(steps, levels), *_changes(steps, levels)]
    all_columns += _parts(masks, levels) if parts else []
    if checkpoints > 1:
        meaning = "Mean absolute difference from the first checkpoint's final map (from the second's, for the first)"
        all_columns.append(Column("disagreement", "disagreement", "scores", meaning, "lower"))
    return all_columns


def _scores(steps: int) -> Iterator[Column]:
    names = {REFINED: "final map", **{f"t{t}": look(t) for t in range(steps + 1)}}
    for kind, map_name in names.items():
        for metric in METRICS:
            title = "error" if metric == "MAE" else metric
            better: Better = "lower" if metric == "MAE" else "higher"
            yield Column(
                f"{metric}_{kind}", f"{title}, {map_name}", "scores", f"{metric} of the {map_name}, 0 to 1", better
            )


def _object(masks: bool) -> Iterator[Column]:
    which = "true object (mask)" if masks else "object found"
    yield Column("object_share", "object's size", "object", f"Share of the picture that the {which} covers")
    yield Column("objects", "objects", "object", f"Connected parts of the {which}, of 0.1 % of the picture or more")
    yield Column("contrast", "contrast", "object", f"Distance of mean colours inside and outside the {which}, 0 to 1")
    yield Column("found_share", "found", "object", "Share of the picture above one half in the final map")
    yield Column(
        "lean", "kernels' lean", "object", "Median shift in pixels of BRN's kernels where the last look is uncertain"
    )


def _attention(steps: int, levels: Sequence[str]) -> Iterator[Column]:
    if levels:
        meaning = "Attention on the object at the level and look where it is least; below 1 it is off the object"
        yield Column("focus", "least focus", "attention", meaning, "higher")
    for level in levels:
        for t in range(steps + 1):
            place = f"{COARSENESS[level]}, {look(t)}"
            meanings: dict[str, tuple[str, str, Better]] = {
                "on_object": ("on object", "Share of the attention map on the object, 0 to 1", "higher"),
                "entropy": ("spread", "Entropy of the attention map over that of a flat one, 0 to 1", None),
                "distance": ("distance", "From the attention's centre to the object's, in picture diagonals", "lower"),
            }
            for number, (title, meaning, better) in meanings.items():
                yield Column(attention_key(number, level, t), f"{title}, {place}", "attention", meaning, better)


def _changes(steps: int, levels: Sequence[str]) -> Iterator[Column]:
    for t in range(1, steps + 1):
        yield Column(
            f"change_t{t}", f"change, {look(t)}", "change", "Mean absolute change of the map since the last look"
        )
        for level in levels:
            title = f"attention moved, {COARSENESS[level]}, {look(t)}"
            meaning = "Share of the attention map's mass that moved since the last look"
            yield Column(attention_key("moved", level, t), title, "change", meaning)
    yield Column(f"change_{REFINED}", "change, sharpening", "change", "Mean absolute change of the map by BRN")


def _parts(masks: bool, levels: Sequence[str]) -> Iterator[Column]:
    quantity = "Change of the final map's error" if masks else "Mean absolute change of the final map"
    for part, title in PARTS.items():
        if part != "flat" or levels:
            yield Column(f"without_{part}", title, "parts", f"{quantity} with {title}")


def present_levels(levels: Sequence[str]) -> list[str]:
    """Return the levels in their order from fine to coarse."""
    return [level for level in LEVELS if level in levels]
