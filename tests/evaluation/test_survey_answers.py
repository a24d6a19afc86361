"""The answers of a survey: counted by hand from made-up rows."""

import pytest

from dgrl.evaluation.survey import Survey, SurveyRow, answers
from dgrl.evaluation.survey.reason import least_focus
from dgrl.evaluation.survey.table import Plan

LEVELS = ("conv4", "conv5")


def row(picture: str, checkpoint: str = "one", **changed: float | None) -> SurveyRow:
    """Return a row with an object on a fifth of the picture and attention on it everywhere."""
    values: dict[str, float | None] = {"object_share": 0.2, "MAE_refined": 0.1}
    values |= {f"on_object_{level}_t{t}": 0.6 for level in LEVELS for t in range(2)}
    values |= {"without_memory": 0.01, "without_kernel": 0.02, "without_flat": 0.03} | changed
    values["focus"] = least_focus(values, 1, LEVELS)
    return SurveyRow(picture, checkpoint, values, "")


def plan(*checkpoints: str, parts: bool = True, masks: bool = True) -> Plan:
    return Plan(checkpoints or ("one",), 1, LEVELS, masks, parts)


ROWS = [
    row("a.jpg", on_object_conv5_t0=0.15, without_memory=-0.02),
    row("b.jpg", on_object_conv5_t0=0.21, on_object_conv4_t1=0.27, without_kernel=-0.001),
    row("c.jpg"),
    row("d.jpg", object_share=0.0, on_object_conv5_t0=None),
]


def test_focus_is_1_where_attention_counts_as_on_the_object() -> None:
    assert ROWS[0].values["focus"] == pytest.approx(0.15 / 0.3)
    assert ROWS[2].values["focus"] == pytest.approx(2)
    assert ROWS[3].values["focus"] is None
    large = {"object_share": 0.8, "on_object_conv5_t0": 0.9}
    assert least_focus(large, 0, ("conv5",)) == pytest.approx(1)


def test_each_question_is_answered_from_all_rows() -> None:
    found = answers(Survey(plan(), ROWS))
    assert found == {
        "Where is attention off the object?": "On 2 of 4 pictures, at one level and look or more; "
        "least focus: a.jpg (0.50), b.jpg (0.70).",
        "At which level and look?": "Pictures of 4 with attention off the object at looks 1 to 2: "
        "medium 0, 1; coarse 2, 0.",
        "Where does memory help or hurt?": "Memory helps on 3 pictures and hurts on 1 of 4. Error without it: "
        "mean +0.0025, most where it helps: d.jpg (+0.0100); least: a.jpg (−0.0200).",
        "Which kernels are artefacts?": "Kernels help on 3 pictures; one mean kernel does better on 1 of 4. "
        "Error without it: mean +0.0147, most where it helps: d.jpg (+0.0200); least: b.jpg (−0.0010).",
    }


def test_two_checkpoints_are_compared_picture_by_picture() -> None:
    rows = [row("a.jpg"), row("a.jpg", "two", on_object_conv5_t1=0.7), row("b.jpg"), row("b.jpg", "two")]
    answer = answers(Survey(plan("one", "two"), rows))["Which checkpoint attends better?"]
    assert answer == (
        "two minus one, mean: on object, medium, look 2 +0.0000 ± 0.0000; on object, coarse, look 2 +0.0500 ± 0.0980; "
        "error, final map +0.0000 ± 0.0000."
    )


@pytest.mark.parametrize("kind", [{"parts": False}, {"masks": False}])
def test_questions_that_the_columns_cannot_answer_are_left_out(kind: dict[str, bool]) -> None:
    assert [*answers(Survey(plan(**kind), ROWS))] == ["Where is attention off the object?", "At which level and look?"]


def test_no_rows_are_no_error() -> None:
    assert "0 of 0" in answers(Survey(plan(), []))["Where is attention off the object?"]
