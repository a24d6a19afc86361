"""Explain in one sentence, from a row's numbers, why the map of a picture is bad."""

from collections.abc import Mapping, Sequence

from dgrl.evaluation.survey.columns import COARSENESS, REFINED, attention_key, error_key, look

GOOD = 0.03
"""An error below this is not bad."""
ON = 1.5
"""Attention is on the object if it has this many times the mass there that flat attention would have."""
WORSE = 1.15
"""A part makes the map worse if the error grows by this factor."""
MISSED = 0.6
"""Part of the object is missing if less than this share of its size is found, and too much is found beyond 1 / this."""

Values = Mapping[str, float | None]


def reason(values: Values, steps: int, levels: Sequence[str]) -> str:
    """Explain in one sentence why the final map of this row is bad or good; `levels` go from fine to coarse."""
    error = values.get(error_key(REFINED))
    if not values["object_share"]:
        if error is None:
            return "Nothing is found in this picture, so there is no object to compare attention with."
        return "The mask is empty, so everything that is found is wrong."
    if error is not None and not values["found_share"]:
        return "Nothing is found: the final map stays below one half." + _attention_also(values, steps, levels)
    attention = attention_reason(values, steps, levels)
    if error is None:
        return _sentence(attention or "attention is on the object found at every look")
    if error < GOOD:
        return "This is not a bad picture: the error is small" + (f", though {attention}." if attention else ".")
    later = later_reason(values, steps)
    if attention:
        return _sentence(f"{attention}; {later}" if later else attention)
    return _sentence(f"attention is on the object, but {later or size_reason(values)}")


def attention_reason(values: Values, steps: int, levels: Sequence[str]) -> str | None:
    """Say where attention is not on the object, coarse levels first; None if it is at every level and look."""
    ranked = []
    for level in reversed(levels):
        is_on_at = [is_on(values, level, t) for t in range(steps + 1)]
        name = COARSENESS[level]
        if all(is_on_at):
            continue
        if not any(is_on_at):
            ranked.append((0, f"attention never reaches the object in {name}"))
        elif is_on_at[0]:
            leaving_look = look(is_on_at.index(False))
            ranked.append((1, f"attention is on the object at look 1, leaves it at {leaving_look} in {name}"))
        else:
            ranked.append((2, f"attention reaches the object only at {look(is_on_at.index(True))} in {name}"))
    if len(levels) > 1 and len(ranked) == len(levels) and all(rank == 0 for rank, _ in ranked):
        return "attention never reaches the object at any level"
    return min(ranked)[1] if ranked else None


def is_on(values: Values, level: str, t: int) -> bool:
    """Say whether the attention map at a level and time step is on the object."""
    value = focus(values, level, t)
    return value is None or value >= 1


def focus(values: Values, level: str, t: int) -> float | None:
    """Return the attention on the object over what counts as on it: below 1 is off the object; None without one.

    `ON` times the mass of flat attention counts as on the object. A large object cannot have so much; half of the mass
    that flat attention has outside of it is enough there.
    """
    share, area = values.get(attention_key("on_object", level, t)), values["object_share"]
    return None if share is None or not area else share / min(ON * area, (1 + area) / 2)


def least_focus(values: Values, steps: int, levels: Sequence[str]) -> float | None:
    """Return the smallest focus of all levels and time steps."""
    focuses = [value for level in levels for t in range(steps + 1) if (value := focus(values, level, t)) is not None]
    return min(focuses, default=None)


def later_reason(values: Values, steps: int) -> str | None:
    """Say which later part makes the map worse; None if none does."""
    first, last, final = (values.get(error_key(kind)) for kind in ("t0", f"t{steps}", REFINED))
    if first is None or last is None or final is None:
        return None
    if steps and last > WORSE * first:
        return f"later looks make it worse: the error is {first:.3f} at look 1 and {last:.3f} at {look(steps)}"
    if final > WORSE * last:
        return f"sharpening makes it worse: the error is {last:.3f} before it and {final:.3f} after it"
    return None


def size_reason(values: Values) -> str:
    """Say what is wrong with the size of the found object."""
    found_share, true_share = values["found_share"] or 0.0, values["object_share"] or 0.0
    if found_share < MISSED * true_share:
        return f"only part of it is found: {found_share:.0%} of the picture instead of {true_share:.0%}"
    if found_share * MISSED > true_share:
        return f"more than the object is found: {found_share:.0%} of the picture instead of {true_share:.0%}"
    return "the map differs from the mask in places or at the outline"


def _attention_also(values: Values, steps: int, levels: Sequence[str]) -> str:
    attention = attention_reason(values, steps, levels)
    return f" {_sentence(attention)}" if attention else ""


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
