"""The cache of passes: one pass per picture, bounded memory, shared by sessions, dropped when they have ended."""

import copy
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dgrl import DGRL, ImageError
from dgrl.app import passes as passes_module
from dgrl.app.passes import Passes
from dgrl.app.requests import ground_truth
from dgrl.app.runs import AS_TRAINED
from dgrl.images import read_image
from dgrl.taps import Edit, flatten_map, mean_kernels, scale_feedback
from tests.helpers.networks import draw_photo


@pytest.fixture
def passes(network: DGRL) -> Passes:
    return Passes({"tiny": network}, "fp32")


@pytest.fixture
def wide(photo_files: dict[str, Path]) -> str:
    return str(photo_files["wide"])


@pytest.fixture
def high(photo_files: dict[str, Path]) -> str:
    return str(photo_files["high"])


def test_a_repeated_request_uses_the_cached_pass(passes: Passes, wide: str) -> None:
    first = passes.view(wide, "tiny", AS_TRAINED, "ann")
    assert passes.view(wide, "tiny", AS_TRAINED, "bob") is first
    assert passes.count == 1


def test_photos_beyond_the_limit_are_read_at_reduced_size(
    passes: Passes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo, mask = draw_photo(240, 400)
    Image.fromarray(photo).save(tmp_path / "large.jpg", quality=95)
    Image.fromarray(mask).save(tmp_path / "mask.png")
    whole = passes.view(str(tmp_path / "large.jpg"), "tiny", 0)
    assert whole.full_size is None
    monkeypatch.setattr(passes_module, "MAX_PIXELS", 50_000)
    view = passes.view(str(tmp_path / "large.jpg"), "tiny", 1)
    assert view.trace.photo.shape == (120, 200, 3)
    assert view.trace.saliency.shape == (120, 200)
    assert view.full_size == (400, 240)
    # Its mask may have the photo's size or the reduced size.
    truth = ground_truth(str(tmp_path / "mask.png"), view.trace.photo.shape, view.full_size)
    assert truth.shape == (120, 200)
    assert truth.mean() == pytest.approx((mask > 0).mean(), abs=0.01)
    Image.fromarray(photo).save(tmp_path / "large.png")
    shrunk = passes.view(str(tmp_path / "large.png"), "tiny", 1)
    assert shrunk.full_size == (400, 240)
    height, width = shrunk.trace.photo.shape[:2]
    assert height * width <= 50_000
    assert width / height == pytest.approx(400 / 240, abs=0.02)


def test_another_photo_or_number_of_steps_is_another_pass(passes: Passes, wide: str, high: str) -> None:
    lengths = [len(passes.view(wide, "tiny", steps).trace.steps) for steps in (AS_TRAINED, 0, 4)]
    assert lengths == [3, 1, 5]
    passes.view(high, "tiny", 0)
    assert passes.count == 4


def test_rln_s_half_is_available_before_brn_s(passes: Passes, network: DGRL, wide: str) -> None:
    first = passes.localised(wide, "tiny", AS_TRAINED, "ann")
    assert not first.trace.whole
    assert len(first.trace.steps) == 3
    alone = passes.cached_bytes
    second = passes.view(wide, "tiny", AS_TRAINED)
    assert second.trace.whole
    assert second.seconds > first.seconds
    assert passes.count == 1
    assert passes.cached_bytes > alone
    assert passes.localised(wide, "tiny", AS_TRAINED) is second
    passes.leave("ann")  # the session that started it counts as its user
    assert passes.cached_bytes == 0


@pytest.mark.parametrize("steps", [None, 0, 4])
def test_both_halves_are_the_library_s_trace(network: DGRL, wide: str, steps: int | None) -> None:
    photo = read_image(wide)
    edits = (scale_feedback("conv4", 0.5), flatten_map("conv5"), mean_kernels()) if steps else ()
    expected = network.trace(photo, steps, edits)
    localised = network.trace_localised(photo, steps, edits)
    trace = network.trace_refined(localised, edits)
    assert list(trace.taps) == list(expected.taps)
    for name, values in expected.taps.items():
        np.testing.assert_array_equal(trace.taps[name], values, err_msg=name)
    np.testing.assert_array_equal(trace.saliency, expected.saliency)
    assert localised.saliency.shape == expected.saliency.shape
    assert trace.whole
    assert not localised.whole
    assert set(localised.taps) == {name for name in expected.taps if name.startswith("rln.")}


def test_an_edit_without_a_matching_tap_is_an_error_in_both_halves(network: DGRL, wide: str) -> None:
    photo = read_image(wide)
    with pytest.raises(ValueError, match=r"rln\.t9"):
        network.trace_localised(photo, 1, [Edit("rln.t9.logits", 0.0)])
    with pytest.raises(ValueError, match=r"brn\.nothing"):
        network.trace_localised(photo, 0, [Edit("brn.nothing", 0.0)])


def test_results_that_are_not_finite_are_not_cached(network: DGRL, wide: str) -> None:
    broken = copy.deepcopy(network)
    with torch.no_grad():
        broken.brn.layers[-1].bias.fill_(torch.nan)
    passes = Passes({"tiny": broken})
    assert np.isfinite(passes.localised(wide, "tiny", 0).trace.saliency).all()
    with pytest.raises(FloatingPointError, match="NaN"):
        passes.view(wide, "tiny", 0)
    assert not passes.localised(wide, "tiny", 0).trace.whole


def test_two_simultaneous_requests_share_one_pass(passes: Passes, wide: str) -> None:
    threads = [threading.Thread(target=passes.view, args=(wide, "tiny", AS_TRAINED, name)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert passes.count == 1


def test_a_pass_is_dropped_when_its_last_session_ends(passes: Passes, wide: str) -> None:
    for session in ("ann", "bob"):
        passes.view(wide, "tiny", AS_TRAINED, session)
    passes.leave("ann")
    assert passes.cached_bytes > 0
    passes.leave("bob")
    assert passes.cached_bytes == 0
    passes.leave("unknown")


@pytest.mark.parametrize("whole", [False, True])
def test_a_pass_is_dropped_when_its_session_ends_during_the_computation(
    passes: Passes, network: DGRL, wide: str, whole: bool
) -> None:
    half = network.brn if whole else network.rln
    leaving = half.register_forward_pre_hook(lambda *_: passes.leave("ann"))
    try:
        passes.view(wide, "tiny", AS_TRAINED, "ann") if whole else passes.localised(wide, "tiny", AS_TRAINED, "ann")
    finally:
        leaving.remove()
    assert passes.cached_bytes == 0
    passes.view(wide, "tiny", AS_TRAINED, "ann")  # the session is back
    assert passes.cached_bytes > 0
    passes.leave("ann")
    assert passes.cached_bytes == 0


def test_the_passes_of_one_session_are_limited(
    passes: Passes, wide: str, high: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passes_module, "MOST_PER_SESSION", 2)
    passes.view(high, "tiny", 0, "bob")
    for photo, steps in ((wide, 0), (high, 0), (wide, 1), (high, 0), (high, 1)):
        passes.view(photo, "tiny", steps, "ann")
    assert passes.count == 4
    assert len(passes._entries) == 2, "ann's older passes are still there"
    passes.view(high, "tiny", 0, "ann")
    assert passes.count == 4, "ann's most recent pass is gone"
    passes.view(wide, "tiny", 1, "ann")
    passes.view(wide, "tiny", 0, "ann")
    assert passes.count == 6
    passes.view(high, "tiny", 0, "bob")
    assert passes.count == 6, "bob's pass was dropped with ann's"


def test_memory_is_bounded_and_the_least_recently_used_goes_first(network: DGRL, wide: str, high: str) -> None:
    passes = Passes({"tiny": network})
    passes.view(wide, "tiny", 0)
    room_for_two = Passes({"tiny": network}, capacity=round(2.5 * passes.cached_bytes))
    room_for_two.view(wide, "tiny", 0)
    room_for_two.view(high, "tiny", 0)
    room_for_two.view(wide, "tiny", 0)  # now `high` is the older
    room_for_two.view(wide, "tiny", 1)
    assert room_for_two.cached_bytes <= room_for_two.capacity
    assert room_for_two.count == 3
    room_for_two.view(wide, "tiny", 0)
    assert room_for_two.count == 3
    room_for_two.view(high, "tiny", 0)
    assert room_for_two.count == 4


def test_a_pass_larger_than_the_capacity_is_the_only_one_kept(network: DGRL, wide: str) -> None:
    tight = Passes({"tiny": network}, capacity=1)
    tight.view(wide, "tiny", 0)
    tight.view(wide, "tiny", 0)
    assert tight.count == 1


def test_passes_unused_for_an_hour_are_dropped(
    passes: Passes, wide: str, high: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes.view(wide, "tiny", 0, "ann")
    alone = passes.cached_bytes
    monkeypatch.setattr(passes_module, "IDLE_SECONDS", -1)
    passes.view(high, "tiny", 0, "ann")
    assert passes.cached_bytes < 2 * alone
    passes.view(wide, "tiny", 0, "ann")
    assert passes.count == 3


def test_the_view_shows_the_requested_photo(passes: Passes, network: DGRL, wide: str) -> None:
    view = passes.view(wide, "tiny", AS_TRAINED)
    np.testing.assert_allclose(view.trace.saliency, network.detect(wide), atol=1e-6)
    assert view.photo.shape == (480, 800, 3)
    assert view.machine == "cpu, fp32"
    assert view.seconds > 0


def test_a_bad_picture_leaves_nothing_behind(passes: Passes, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_text("not a picture")
    with pytest.raises(ImageError, match="not a picture"):
        passes.view(str(bad), "tiny", AS_TRAINED)
    assert passes.cached_bytes == passes.count == 0


def test_an_app_needs_a_network() -> None:
    with pytest.raises(ValueError, match="at least one network"):
        Passes({})
