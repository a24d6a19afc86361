"""Answers to the questions that a survey is for, in one sentence each from the numbers of all rows.

The page computes the same sentences (`dgrl/page/survey/answers.js`); a test compares them. The questions, the numbers
and the sentences about parts are here only: `dgrl.page.vocabulary` writes them for the page.
"""

from collections.abc import Mapping, Sequence

from dgrl.evaluation.survey.columns import COARSENESS, REFINED, attention_key, error_key, look
from dgrl.evaluation.survey.reason import is_on
from dgrl.evaluation.survey.table import DIGITS, Survey

NAMED = 3
"""How many pictures an answer names."""
CERTAIN = 1.96
"""Standard errors on each side of a mean that hold 95 % of a normal distribution."""
QUESTIONS = {
    "off": "Where is attention off the object?",
    "where": "At which level and look?",
    "memory": "Where does memory help or hurt?",
    "kernel": "Which kernels are artefacts?",
    "checkpoint": "Which checkpoint attends better?",
}
"""The questions, by the name that Python and the page use."""
MEMORY = "Memory helps on {up} pictures and hurts on {down} of {all}"
KERNELS = "Kernels help on {up} pictures; one mean kernel does better on {down} of {all}"

Rows = Sequence[tuple[str, Mapping[str, float | None]]]
"""Name and numbers of each picture, of one checkpoint."""


def answers(survey: Survey) -> dict[str, str]:
    """Answer each question that the survey's columns can answer, by its title.

    Args:
        survey: the table. Each checkpoint has its own answers, and the second is compared with the first.
    """
    answer_of: dict[str, str] = {}
    rounded = {
        name: [(row.picture, _rounded(row.values)) for row in survey.rows if row.checkpoint == name]
        for name in survey.plan.checkpoints
    }
    for name, rows in rounded.items():
        prefix = f"{name}: " if len(rounded) > 1 else ""
        for title, answer in _of_one(survey, rows).items():
            answer_of[title] = " ".join(filter(None, [answer_of.get(title), f"{prefix}{answer}"]))
    if len(rounded) > 1:
        answer_of |= _comparison(survey, rounded)
    return answer_of


def _rounded(values: Mapping[str, float | None]) -> dict[str, float | None]:
    return {key: None if value is None else round(value, DIGITS) for key, value in values.items()}


def _of_one(survey: Survey, rows: Rows) -> dict[str, str]:
    plan = survey.plan
    answer_of = {}
    if plan.levels:
        answer_of[QUESTIONS["off"]] = off_object(rows)
        answer_of[QUESTIONS["where"]] = levels_and_looks(rows, plan.steps, plan.levels)
    if plan.parts and plan.masks and plan.steps:
        answer_of[QUESTIONS["memory"]] = effect(rows, "without_memory", MEMORY)
    if plan.parts and plan.masks:
        answer_of[QUESTIONS["kernel"]] = effect(rows, "without_kernel", KERNELS)
    return answer_of


def off_object(rows: Rows) -> str:
    """Name the pictures where attention is off the object at a level and look."""
    off_pictures = [
        (value, picture) for picture, values in rows if (value := values.get("focus")) is not None and value < 1
    ]
    examples = ", ".join(f"{picture} ({value:.2f})" for value, picture in sorted(off_pictures)[:NAMED])
    sentence = f"On {len(off_pictures)} of {len(rows)} pictures, at one level and look or more"
    return f"{sentence}; least focus: {examples}." if off_pictures else f"{sentence}."


def levels_and_looks(rows: Rows, steps: int, levels: Sequence[str]) -> str:
    """Count the pictures where attention is off the object at each level, look by look."""
    parts = []
    for level in levels:
        counts = [sum(not is_on(values, level, t) for _, values in rows) for t in range(steps + 1)]
        parts.append(f"{COARSENESS[level]} {', '.join(map(str, counts))}")
    looks = "look 1" if steps == 0 else f"looks 1 to {steps + 1}"
    return f"Pictures of {len(rows)} with attention off the object at {looks}: {'; '.join(parts)}."


def effect(rows: Rows, key: str, counts: str) -> str:
    """Say on how many pictures the error grows and falls without a part, and where most."""
    changes = sorted((value, picture) for picture, values in rows if (value := values.get(key)) is not None)
    if not changes:
        return "No picture has this number."
    up, down = (sum(sign * value > 0 for value, _ in changes) for sign in (1, -1))
    (smallest, worst), (largest, best) = changes[0], changes[-1]
    mean = sum(value for value, _ in changes) / len(changes)
    extremes = f"most where it helps: {best} ({signed(largest)}); least: {worst} ({signed(smallest)})"
    return f"{counts.format(up=up, down=down, all=len(changes))}. Error without it: mean {signed(mean)}, {extremes}."


def _comparison(survey: Survey, rounded: Mapping[str, Rows]) -> dict[str, str]:
    plan = survey.plan
    (first, first_rows), (second, second_rows) = list(rounded.items())[:2]
    last = plan.steps
    keys = {
        f"on object, {COARSENESS[level]}, {look(last)}": attention_key("on_object", level, last)
        for level in plan.levels
    }
    if plan.masks:
        keys["error, final map"] = error_key(REFINED)
    parts = []
    for title, key in keys.items():
        pairs = [(old.get(key), new.get(key)) for (_, old), (_, new) in zip(first_rows, second_rows, strict=True)]
        changes = [new - old for old, new in pairs if old is not None and new is not None]
        if changes:
            parts.append(f"{title} {difference(changes)}")
    return {QUESTIONS["checkpoint"]: f"{second} minus {first}, mean: {'; '.join(parts)}."}


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
