"""Numbers in sentences."""

from dgrl.words import counted, speed


def test_one_is_singular() -> None:
    assert [counted(number, "picture") for number in (0, 1, 2)] == ["0 pictures", "1 picture", "2 pictures"]


def test_a_slow_speed_is_not_zero() -> None:
    assert speed(3.46) == "3.5 pictures/s"
    assert speed(0.04) == "25 s/picture"
    assert speed(0.0) == "0.0 pictures/s"
