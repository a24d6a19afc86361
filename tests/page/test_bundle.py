"""The page reads from a bundle what the trace contains."""

from dataclasses import replace

import numpy as np
import pytest

from dgrl import DGRL, Trace, figures
from dgrl.bundle import KERNEL_UNIT, bundle
from dgrl.taps import LEVELS
from tests.helpers.networks import TINY, draw_photo, filled
from tests.page.node import buffer, call

NUMBERS = ("rln", "brn", "kernels")  # Node.js has no pictures


@pytest.fixture(scope="module")
def trace() -> Trace:
    return filled(DGRL(replace(TINY, propagations=2))).trace(draw_photo(60, 200)[0])


def read(trace: Trace, **settings: object) -> dict:
    """Return what the page reads of a pass; its arrays have the shapes that the header gives."""
    result = call("engines/bundle.js", ("readParts", buffer(bundle(trace, **({"parts": NUMBERS} | settings)))))[0]
    table = result["header"]["arrays"]
    assert set(result["arrays"]) == set(table) - {"photo"}
    for name, values in result["arrays"].items():
        result["arrays"][name] = np.array(values, np.float32).reshape(table[name]["shape"])
    return result


def sums_of(trace: Trace, propagation: int) -> np.ndarray:
    """Return (3, H, W): F, B and F − B of every pixel, computed one by one."""
    n, (height, width) = trace.kernel_size, trace.prior.shape
    padded = np.pad(trace.propagated[propagation].astype(np.float64), n // 2)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (n, n)).reshape(height, width, n * n)
    coefficients = np.moveaxis(trace.coefficients, 0, -1).astype(np.float64)
    foreground, background = (coefficients * windows).sum(-1), (coefficients * (1 - windows)).sum(-1)
    return np.stack([foreground, background, foreground - background])


def test_maps_are_exact(trace: Trace) -> None:
    arrays = read(trace)["arrays"]
    for step in trace.steps:
        assert (arrays[f"rln.t{step.t}.saliency"] == step.saliency).all()
        for level, weights in step.weight_maps.items():
            assert (arrays[f"rln.t{step.t}.{level}.weight_map"] == weights).all()
    for k, values in enumerate(trace.propagated):
        assert (arrays[f"brn.round{k}"] == values).all()
    assert len(trace.propagated) == 3


def test_coefficients_are_rounded_and_their_sums_are_right_to_the_last_digit(trace: Trace) -> None:
    result = read(trace)
    arrays, decimals = result["arrays"], result["header"]["decimals"]
    assert decimals == {"coefficients": 2, "sums": 4}
    assert np.abs(arrays["brn.coefficients"] - trace.coefficients).max() <= KERNEL_UNIT / 2 + 1e-6
    for k in (1, 2):
        shown_rows = np.rint(arrays[f"brn.sums{k}"].astype(np.float64) * 1e4)
        true = sums_of(trace, k - 1) * 1e4
        assert np.abs(shown_rows - true).max() <= 0.5 + 1e-6


def test_exact_coefficients_need_no_sums(trace: Trace) -> None:
    result = read(trace, kernels="exact")
    assert (result["arrays"]["brn.coefficients"] == trace.coefficients).all()
    assert not any(name.startswith("brn.sums") for name in result["arrays"])
    assert result["header"]["decimals"]["coefficients"] == 6


def test_large_coefficients_have_fewer_decimals(trace: Trace) -> None:
    taps = dict(trace.taps)
    taps["brn.coefficients"] = taps["brn.coefficients"] * np.float32(1e5)
    large = Trace(trace.photo, trace.saliency, taps)
    result = read(large)
    decimals = result["header"]["decimals"]
    assert 0 <= decimals["coefficients"] < 2
    off = np.abs(result["arrays"]["brn.coefficients"] - large.coefficients).max()
    assert off <= 0.5 * 10.0 ** -decimals["coefficients"]
    shown_rows = np.rint(result["arrays"]["brn.sums1"].astype(np.float64) * 10 ** decimals["sums"])
    assert np.abs(shown_rows - sums_of(large, 0) * 10 ** decimals["sums"]).max() <= 0.5 + 1e-3


def test_the_header_of_a_bundle(trace: Trace) -> None:
    header = read(trace, title="Zürich")["header"]
    assert (header["title"], header["photo"]) == ("Zürich", {"width": 200, "height": 60})
    assert (header["steps"], header["levels"], header["prior"]) == (3, list(LEVELS), trace.prior_kind)
    assert (header["kernel_size"], header["propagations"]) == (trace.kernel_size, 2)
    assert header["limits"]["coefficients"] == pytest.approx(figures.largest(trace.coefficients))
    assert header["limits"]["conv4"] == pytest.approx(figures.weight_limit(trace, "conv4"))


def test_a_pass_before_brn_has_only_rln_s_maps() -> None:
    first_half = filled(DGRL(TINY)).trace_localised(draw_photo(30, 40)[0])
    result = read(first_half)
    assert result["header"]["kernel_size"] == 0
    assert all(name.startswith("rln.") for name in result["arrays"])
    assert "refinement" not in result["header"]["limits"]


def test_parts_are_sent_one_by_one(trace: Trace) -> None:
    assert set(read(trace, parts=["brn"])["arrays"]) == {"brn.round0", "brn.round1", "brn.round2"}
    assert set(read(trace, parts=["kernels"])["arrays"]) == {"brn.coefficients", "brn.sums1", "brn.sums2"}
    assert b"JFIF" not in bundle(trace, parts=NUMBERS)
    assert b"PNG" in bundle(trace, parts=["photo"])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"DGRLBND1" + bytes(40), "not a bundle that begins"),
        (b"DGRLBND2\2\0\0\0{}", "the bundle's format is undefined"),
    ],
)
def test_bytes_that_are_not_a_bundle_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        call("engines/bundle.js", ("readParts", buffer(data)))


def test_a_bundle_needs_a_photo_to_be_shown(trace: Trace) -> None:
    with pytest.raises(AssertionError, match="the bundle has no photo"):
        call("engines/bundle.js", ("readBundle", buffer(bundle(trace, parts=["rln"]))))


def test_a_real_pass_fits_a_report_of_12_megabytes(big_trace: Trace) -> None:
    assert len(bundle(big_trace)) * 4 / 3 < 11.5e6  # in base64; the rest of a report is small
