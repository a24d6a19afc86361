"""Settings are checked by their annotations, whichever dataclass they belong to."""

import dataclasses

import pytest

from dgrl import DGRLConfig, TrainingConfig
from dgrl.settings import fields


@pytest.mark.parametrize("kind", [DGRLConfig, TrainingConfig])
def test_every_setting_says_what_it_means(kind):
    assert all(setting.meaning for _, setting in fields(kind).values())
    assert list(fields(kind)) == [field.name for field in dataclasses.fields(kind)]


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"max_updates": 1.5}, "max_updates must be a whole number, not 1.5"),
        ({"batch_size": True}, "batch_size must be a whole number, not True"),
        ({"augment": 1}, "augment must be true or false, not 1"),
        ({"learning_rate": float("nan")}, "learning_rate must be a number, not nan"),
        ({"learning_rate": "fast"}, "learning_rate must be a number, not 'fast'"),
        ({"teacher": 3}, "teacher must be a word, not 3"),
        ({"smallest_crop": 0}, "smallest_crop must be above 0 and at most 1, not 0"),
    ],
)
def test_values_of_another_type_or_range_are_refused(settings, fault):
    with pytest.raises(ValueError, match=f"^{fault}$"):
        TrainingConfig(stage="rln", **settings)
