import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from dgrl import DGRL, Edit, tap_names
from dgrl.taps import Passed, Tap, flatten_map, listening, scale_feedback
from tests.helpers.networks import TINY, filled

PUBLIC_NAMES = [
    "rln.t0.conv3.weight_map",
    "rln.t0.conv4.weight_map",
    "rln.t0.conv5.weight_map",
    "rln.t0.logits",
    "rln.t1.conv2.feedback",
    "rln.t1.conv3.feedback",
    "rln.t1.conv4.feedback",
    "rln.t1.conv5.feedback",
    "rln.t1.conv3.weight_map",
    "rln.t1.conv4.weight_map",
    "rln.t1.conv5.weight_map",
    "rln.t1.logits",
    "brn.prior",
    "brn.coefficients",
    "brn.refined",
]


def passed_names(model, images, steps):
    names = []

    def listener(name, value):
        names.append(name)
        return value

    with listening(listener):
        model(images, steps)
    return names


def test_names_are_public():
    assert tap_names(1) == PUBLIC_NAMES


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_a_pass_goes_through_the_named_taps_in_order(tiny_model, steps):
    with torch.inference_mode():
        assert passed_names(tiny_model, torch.rand(1, 3, 40, 40), steps) == tap_names(steps)


def test_without_context_there_are_no_weight_maps():
    model = DGRL(dataclasses.replace(TINY, context=False)).eval()
    with torch.inference_mode():
        names = passed_names(model, torch.rand(1, 3, 40, 40), 1)
    assert names == tap_names(1, context=False) == [n for n in PUBLIC_NAMES if "weight_map" not in n]


def test_without_listeners_taps_store_nothing(tiny_model, photo):
    quiet = tiny_model.detect(photo)
    heard = []
    with listening(lambda name, value: heard.append(name) or value):
        watched = tiny_model.detect(photo)
    count = len(heard)
    again = tiny_model.detect(photo)
    assert count == len(tap_names(2))
    assert len(heard) == count, "the listener still hears after its context ended"
    assert np.array_equal(quiet, watched)
    assert np.array_equal(quiet, again)
    tap = Tap("somewhere")
    value = torch.rand(3)
    assert tap(value) is value
    assert not list(tap.buffers()), "a tap keeps something"


def test_a_listener_is_gone_after_an_error(tiny_model, photo):
    with pytest.raises(ZeroDivisionError):
        tiny_model.trace(photo, edits={"brn.prior": lambda value: value * (1 // 0)})
    value = torch.rand(2)
    assert Tap("anywhere")(value) is value


def test_inner_listeners_shade_outer_ones():
    tap = Tap("x.t{t}")
    with listening(lambda name, value: value + 1):
        with listening(lambda name, value: value * 10):
            assert tap(torch.tensor(1.0)) == 10
        assert tap(torch.tensor(1.0)) == 2
    assert tap(torch.tensor(1.0)) == 1


def test_threads_do_not_hear_each_other(tiny_model, photo):
    """Four threads trace at once, each with an edit of its own, many times: no thread gets another's edit."""
    values = [0.1, 0.4, 0.7, None]
    expected = [tiny_model.trace(photo, 0, {"brn.prior": v} if v else {}) for v in values]
    barrier = threading.Barrier(len(values))

    def work(value, reference):
        barrier.wait()
        for _ in range(5):
            trace = tiny_model.trace(photo, 0, {"brn.prior": value} if value else {})
            for name in tap_names(0):
                np.testing.assert_array_equal(trace.taps[name], reference.taps[name], err_msg=name)

    with ThreadPoolExecutor(len(values)) as pool:
        list(pool.map(work, values, expected))


SHAPE = (6, 6)  # of conv3's weight map in the tiny network
RAMP = np.linspace(0.5, 1.5, 36).reshape(SHAPE)


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ([Edit("rln.t1.conv3.weight_map", 2.0)], np.full(SHAPE, 2.0)),
        ([("rln.t1.conv3.weight_map", 2)], np.full(SHAPE, 2.0)),
        ({"rln.t1.conv3.weight_map": 2.0}, np.full(SHAPE, 2.0)),
        ({"rln.t1.conv3.weight_map": np.float64(2.0)}, np.full(SHAPE, 2.0)),
        ({"rln.t1.conv3.weight_map": RAMP}, RAMP),
        ({"rln.t1.conv3.weight_map": RAMP[0]}, np.tile(RAMP[0], (6, 1))),
        ({"rln.t1.conv3.weight_map": torch.from_numpy(RAMP)[None, None]}, RAMP),
        ({"rln.t1.conv3.weight_map": RAMP.tolist()}, RAMP),
        ({"rln.t1.conv3.weight_map": lambda value: torch.full_like(value, 3.0)}, np.full(SHAPE, 3.0)),
        ({"rln.t1.conv3.weight_map": lambda value: 3.0}, np.full(SHAPE, 3.0)),
        ({"rln.t1.conv3.weight_map": lambda value: value.numpy()[:, :, :1] * 0 + 4}, np.full(SHAPE, 4.0)),
        ([("rln.t1.conv3.weight_map", 2.0), ("rln.*.conv3.weight_map", lambda v: v * 5)], np.full(SHAPE, 10.0)),
    ],
    ids=[
        *("Edit", "pair", "mapping", "numpy number", "array", "broadcast", "tensor", "list"),
        *("callable", "callable gives number", "callable gives array", "two in order"),
    ],
)
def test_edits_in_every_form(tiny_model, photo, edits, expected):
    plain = tiny_model.trace(photo, 1)
    trace = tiny_model.trace(photo, 1, edits)
    np.testing.assert_allclose(trace.taps["rln.t1.conv3.weight_map"], expected, rtol=1e-6)
    assert not np.array_equal(trace.taps["rln.t1.logits"], plain.taps["rln.t1.logits"]), "the edit had no effect"
    assert np.array_equal(trace.taps["rln.t1.conv5.weight_map"], plain.taps["rln.t1.conv5.weight_map"])


def test_a_pattern_reaches_every_step(tiny_model, photo):
    trace = tiny_model.trace(photo, 2, [flatten_map("conv4")])
    for t in range(3):
        assert (trace.steps[t].weight_maps["conv4"] == 1).all()
        assert trace.steps[t].weight_maps["conv3"].std() > 0
    one = tiny_model.trace(photo, 2, [flatten_map("conv4", t=1)])
    assert [bool((step.weight_maps["conv4"] == 1).all()) for step in one.steps] == [False, True, False]


def test_an_edit_changes_only_later_values(tiny_model, photo):
    plain = tiny_model.trace(photo)
    edited = tiny_model.trace(photo, edits=[scale_feedback("conv5", 0, t=2)])
    for t, changed in enumerate([False, False, True]):
        assert np.array_equal(plain.steps[t].logits, edited.steps[t].logits) != changed
    assert not np.array_equal(plain.refined, edited.refined)


def test_without_feedback_every_step_equals_the_first(tiny_model, photo):
    cut = [scale_feedback(f"conv{k}", 0) for k in (2, 3, 4, 5)]
    trace = tiny_model.trace(photo, edits=cut)
    assert all((feedback == 0).all() for feedback in trace.steps[1].feedback.values())
    # Each step has a head of its own, so look at what one head says of each step.
    shared = filled(DGRL(TINY))
    for head in (1, 2):
        shared.rln.heads[head].load_state_dict(shared.rln.heads[0].state_dict())
    steps = shared.trace(photo, edits=cut).steps
    assert np.array_equal(steps[0].logits, steps[1].logits)
    assert np.array_equal(steps[0].logits, steps[2].logits)
    assert not np.array_equal(*(step.logits for step in shared.trace(photo, 1).steps))


def test_an_edit_can_read_earlier_taps_but_not_later_ones(tiny_model, photo):
    trace = tiny_model.trace(photo, 1, {"rln.t1.logits": Passed("rln.t0.logits")})
    assert np.array_equal(trace.steps[1].logits, tiny_model.trace(photo, 0).steps[0].logits)
    with pytest.raises(ValueError, match="not been computed before"):
        tiny_model.trace(photo, 1, {"rln.t0.logits": Passed("rln.t1.logits")})


@pytest.mark.parametrize("tap", ["rln.t0.conv2.weight_map", "rln.t9.logits", "brn", "rln.t*.conv6.*", "BRN.PRIOR"])
def test_an_unknown_tap_is_refused_by_name(tiny_model, photo, tap):
    with pytest.raises(ValueError, match="no tap named") as error:
        tiny_model.trace(photo, edits={tap: 1.0})
    assert repr(tap) in str(error.value)
    assert "brn.refined" in str(error.value), "the message does not say which taps there are"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (np.ones((5, 5)), "does not fit"),
        (np.ones((1, 1, 1, 6, 6)), "does not fit"),
        (lambda value: value[..., :3], "does not fit"),
        (np.full((6, 6), np.nan), "NaN"),
        (float("inf"), "infinite"),
        (1e300, "infinite"),
        (lambda value: value / 0, "infinite"),
        ("flat", "str"),
        (lambda value: None, "NoneType"),
    ],
    ids=["shape", "axes", "callable's shape", "NaN", "infinite", "too large", "callable's inf", "text", "nothing"],
)
def test_an_edit_that_does_not_fit_is_refused_by_name(tiny_model, photo, change, said):
    with pytest.raises(ValueError, match=said) as error:
        tiny_model.trace(photo, edits={"rln.t0.conv3.weight_map": change})
    assert "rln.t0.conv3.weight_map" in str(error.value)
