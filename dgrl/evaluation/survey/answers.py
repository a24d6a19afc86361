"""Answers to the questions that a survey is for, in one sentence each from the numbers of all rows.

The page computes the same sentences (`dgrl/page/survey/answers.js`); a test compares them.
"""

from collections.abc import Mapping, Sequence

from dgrl.evaluation.survey.columns import COARSENESS, REFINED, attention_key, error_key, look
from dgrl.evaluation.survey.reason import is_on
from dgrl.evaluation.survey.table import DIGITS, Survey

NAMED = 3
"""How many pictures an answer names."""
CERTAIN = 1.96
"""Standard errors on each side of a mean that hold 95 % of a normal distribution."""

Rows = Sequence[tuple[str, Mapping[str, float | None]]]
"""Name and numbers of each picture, of one checkpoint."""


def answers(survey: Survey) -> dict[str, str]:
    """Answer each question that the survey's columns can answer, by its title.

    Args:
        survey: the table. Each checkpoint has its own answers, and the second is compared with the first.
    """
    found: dict[str, str] = {}
    rounded = {
        name: [(row.picture, _rounded(row.values)) for row in survey.rows if row.checkpoint == name]
        for name in survey.plan.checkpoints
    }
    for name, rows in rounded.items():
        start = f"{name}: " if len(rounded) > 1 else ""
        for title, answer in _of_one(survey, rows).items():
            found[title] = " ".join(filter(None, [found.get(title), f"{start}{answer}"]))
    if len(rounded) > 1:
        found |= _comparison(survey, rounded)
    return found


def _rounded(values: Mapping[str, float | None]) -> dict[str, float | None]:
    return {key: None if value is None else round(value, DIGITS) for key, value in values.items()}


def _of_one(survey: Survey, rows: Rows) -> dict[str, str]:
    plan = survey.plan
    found = {}
    if plan.levels:
        found["Where is attention off the object?"] = off_object(rows)
        found["At which level and look?"] = levels_and_looks(rows, plan.steps, plan.levels)
    if plan.parts and plan.masks and plan.steps:
        found["Where does memory help or hurt?"] = effect(
            rows, "without_memory", "Memory helps on {up} pictures and hurts on {down} of {all}"
        )
    if plan.parts and plan.masks:
        found["Which kernels are artefacts?"] = effect(
            rows, "without_kernel", "Kernels help on {up} pictures; one mean kernel does better on {down} of {all}"
        )
    return found


def off_object(rows: Rows) -> str:
    """Name the pictures where attention is off the object at a level and look."""
    off = [(value, picture) for picture, values in rows if (value := values.get("focus")) is not None and value < 1]
    named = ", ".join(f"{picture} ({value:.2f})" for value, picture in sorted(off)[:NAMED])
    said = f"On {len(off)} of {len(rows)} pictures, at one level and look or more"
    return f"{said}; least focus: {named}." if off else f"{said}."


def levels_and_looks(rows: Rows, steps: int, levels: Sequence[str]) -> str:
    """Count the pictures where attention is off the object at each level, look by look."""
    said = []
    for level in levels:
        off = [sum(not is_on(values, level, t) for _, values in rows) for t in range(steps + 1)]
        said.append(f"{COARSENESS[level]} {', '.join(map(str, off))}")
    looks = "look 1" if steps == 0 else f"looks 1 to {steps + 1}"
    return f"Pictures of {len(rows)} with attention off the object at {looks}: {'; '.join(said)}."


def effect(rows: Rows, key: str, counts: str) -> str:
    """Say on how many pictures the error grows and falls without a part, and where most."""
    known = sorted((value, picture) for picture, values in rows if (value := values.get(key)) is not None)
    if not known:
        return "No picture has this number."
    up, down = (sum(sign * value > 0 for value, _ in known) for sign in (1, -1))
    (least, worst), (most, best) = known[0], known[-1]
    mean = sum(value for value, _ in known) / len(known)
    ends = f"most where it helps: {best} ({signed(most)}); least: {worst} ({signed(least)})"
    return f"{counts.format(up=up, down=down, all=len(known))}. Error without it: mean {signed(mean)}, {ends}."


def _comparison(survey: Survey, rounded: Mapping[str, Rows]) -> dict[str, str]:
    plan = survey.plan
    (first, before), (second, after) = list(rounded.items())[:2]
    last = plan.steps
    keys = {
        f"on object, {COARSENESS[level]}, {look(last)}": attention_key("on_object", level, last)
        for level in plan.levels
    }
    if plan.masks:
        keys["error, final map"] = error_key(REFINED)
    said = []
    for title, key in keys.items():
        pairs = [(old.get(key), new.get(key)) for (_, old), (_, new) in zip(before, after, strict=True)]
        changes = [new - old for old, new in pairs if old is not None and new is not None]
        if changes:
            said.append(f"{title} {difference(changes)}")
    return {"Which checkpoint attends better?": f"{second} minus {first}, mean: {'; '.join(said)}."}


def difference(changes: Sequence[float]) -> str:
    """Return the mean of paired differences with the half width of its 95 % interval."""
    mean = sum(changes) / len(changes)
    if len(changes) < 2:
        return signed(mean)
    variance = sum((change - mean) ** 2 for change in changes) / (len(changes) - 1)
    return f"{signed(mean)} ± {CERTAIN * (variance / len(changes)) ** 0.5:.4f}"


def signed(value: float) -> str:
    """Return a number with its sign and four decimals."""
    return f"{value:+.4f}".replace("-", "−")
