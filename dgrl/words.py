"""Numbers in sentences."""


def counted(number: int, noun: str) -> str:
    """Write a number with its noun: "1 picture", "2 pictures"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def speed(pictures_per_second: float) -> str:
    """Write a speed with two or more digits: "3.5 pictures/s", or "14 s/picture" if it is below one a second."""
    if 0 < pictures_per_second < 1:
        return f"{1 / pictures_per_second:.3g} s/picture"
    return f"{pictures_per_second:.1f} pictures/s"
