"""One pass as one block of bytes that the explorer draws from: a JSON header, then arrays (`docs/bundle.md`)."""

import io
import json
import struct
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dgrl import figures
from dgrl.explorer.packing import Packed, fitting_unit, joined, pack_decimals, pack_halves, pack_words, unpacked
from dgrl.trace import Trace

PARTS = ("photo", "rln", "brn", "kernels")
MAGIC = b"DGRLBND1"
FORMAT = "dgrl-bundle-1"
LONGEST = 1280
"""The photo in the bundle is at most this long; places in it are still told in the photo's own pixels."""
UNIT = 1.6e-3
"""Of coefficients. No multiple of it lies half-way between two numbers of 2 decimals or of 1, which could be shown as
either. Larger ones make more exceptions, smaller ones more digits, and both a larger file."""
DECIMALS = 2
"""How many decimals of coefficients and products are exact, as long as every coefficient is below 6,710."""
SUM_DECIMALS = 4
COLOURS = {"weights": figures.WEIGHTS, "saliency": figures.SALIENCY, "signed": figures.SIGNED}


def bundle(
    trace: Trace,
    title: str = "",
    found: str = "",
    kernels: Literal["decimals", "exact", "halves"] = "decimals",
    parts: Collection[str] = PARTS,
) -> bytes:
    """Everything that the explorer shows of a pass, or some of it.

    Maps are exact float32. Of coefficients, products and sums every digit that the explorer shows is exact:
    coefficients and products have 2 decimals, sums 4. They are stored as whole multiples of .0016 (sums: .0001); where
    that would change a digit, the float32 number stands beside them.

    Args:
        trace: the pass; its first half alone has none of BRN's parts.
        title: what the photo is called.
        found: a sentence that says what was found.
        kernels: how the coefficients are stored: "decimals" as above; "exact" as float32: some 20 MB rather than 6, and
            all digits can be shown; "halves" as float16: 2 decimals, written several times as fast.
        parts: which of PARTS to give: whoever shows a pass at once asks for the large ones later.
    """
    steps, whole = trace.steps, trace.whole
    levels = list(steps[0].weight_maps)
    data: list[tuple[str, Packed]] = [("photo", _photo(trace))] if "photo" in parts else []
    if "rln" in parts:
        data += _localised(trace)
    if "brn" in parts and whole:
        data += [(f"brn.round{k}", pack_words(values)) for k, values in enumerate(trace.propagated)]
    decimals = {"decimals": DECIMALS, "exact": 6, "halves": 2}[kernels]
    if "kernels" in parts and whole:
        if kernels == "decimals":
            stored, decimals = _kernels(trace)
        else:
            pack = pack_words if kernels == "exact" else pack_halves
            stored = [("brn.coefficients", pack(trace.coefficients))]
        data += [*stored, *_sums(trace)]
    packed, table = joined(data)
    header = {
        "format": FORMAT,
        "title": title,
        "found": found,
        "photo": {"width": trace.photo.shape[1], "height": trace.photo.shape[0]},
        "rln": _size(steps[0].saliency),
        "brn": _size(trace.prior if whole else steps[0].saliency),
        "steps": len(steps),
        "levels": levels,
        "kernel_size": trace.kernel_size if whole else 0,
        "propagations": len(trace.propagated) - 1 if whole else 1,
        "prior": trace.prior_kind,
        "decimals": {"coefficients": decimals, "sums": SUM_DECIMALS},
        "limits": _limits(trace, levels),
        "colours": {kind: palette_of(name) for kind, name in COLOURS.items()},
        "arrays": table,
    }
    text = json.dumps(header, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-(len(MAGIC) + 4 + len(text)) % 8)
    return MAGIC + struct.pack("<I", len(text)) + text + packed


def palette_of(colour_map: str) -> str:
    """The 256 colours of one of Matplotlib's colour maps, as hexadecimal digits."""
    return figures.colour(np.arange(256.0)[None], 0, 256, colour_map).tobytes().hex()


def _size(values: NDArray[np.float32]) -> dict[str, int]:
    return {"width": values.shape[1], "height": values.shape[0]}


def _photo(trace: Trace) -> Packed:
    """The photo as a file: small ones as they are, since each of their pixels may be seen enlarged."""
    shown = Image.fromarray(figures.shrink(trace.photo, LONGEST))
    kind, settings = ("png", {}) if max(shown.size) <= 256 else ("jpeg", {"quality": 88})
    file = io.BytesIO()
    shown.save(file, kind, **settings)
    return Packed(file.getvalue(), {"coding": "file", "type": f"image/{kind}", "shape": [shown.height, shown.width]})


def _localised(trace: Trace) -> list[tuple[str, Packed]]:
    named: dict[str, NDArray[np.float32]] = {}
    for step in trace.steps:
        named |= {f"rln.t{step.t}.{level}.weight_map": values for level, values in step.weight_maps.items()}
        named[f"rln.t{step.t}.saliency"] = step.saliency
    return [(name, pack_words(values)) for name, values in named.items()]


def _limits(trace: Trace, levels: Sequence[str]) -> Mapping[str, float]:
    """The largest value of each kind of map, over all time steps."""
    changes = [after - before for before, after in pairwise(step.saliency for step in trace.steps)]
    limits = {level: figures.weight_limit(trace, level) for level in levels} | {"change": figures.largest(*changes)}
    if trace.whole:
        limits["refinement"] = figures.largest(trace.refined - trace.prior)
        limits["coefficients"] = figures.largest(trace.coefficients)
    return limits


def _kernels(trace: Trace) -> tuple[list[tuple[str, Packed]], int]:
    """The coefficients as decimals, those whose rounding would show, and how many decimals are exact."""
    coefficients = trace.coefficients
    unit = fitting_unit(coefficients, UNIT)
    decimals = DECIMALS - round(np.log10(unit / UNIT))
    index, values = _exceptions(trace, unit, decimals)
    parts = [
        ("brn.coefficients", pack_decimals(coefficients, unit)),
        ("brn.exceptions.index", pack_words(np.diff(index, prepend=0).astype(np.uint32))),
        ("brn.exceptions.value", pack_words(values)),
    ]
    return parts, decimals


def _exceptions(trace: Trace, unit: float, decimals: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Flat index and value of every coefficient whose stored decimals would change a digit that is shown.

    Shown are v, v · s and v · (1 − s), with `decimals` decimals and with one less.
    """
    n, (height, width) = trace.kernel_size, trace.prior.shape
    padded = [np.pad(values, n // 2) for values in trace.propagated[:-1]]
    found_at, found = [], []
    for d, plane in enumerate(trace.coefficients):
        row, column = divmod(d, n)
        stored = unpacked(plane, unit)
        windows = [values[row : row + height, column : column + width] for values in padded]
        near = _near_a_step(plane, unit, decimals)
        for s in windows:
            near |= _near_a_step(plane * s, unit, decimals) | _near_a_step(plane * (1 - s), unit, decimals)
        place = np.flatnonzero(near)
        true, read = plane.flat[place].astype(np.float64), stored.flat[place].astype(np.float64)
        wrong = _differ(true, read, decimals)
        for s in windows:
            share = s.flat[place].astype(np.float64)
            wrong |= _differ(true * share, read * share, decimals)
            wrong |= _differ(true * (1 - share), read * (1 - share), decimals)
        found_at.append(place[wrong] + d * plane.size)
        found.append(plane.flat[place[wrong]])
    return np.concatenate(found_at), np.concatenate(found)


def _near_a_step(values: NDArray[np.float32], unit: float, decimals: int) -> NDArray[np.bool_]:
    """Where a change by half a unit may change the rounded number, or the one rounded to one decimal less."""
    halves = values * np.float32(2 * 10**decimals)
    halves -= np.rint(halves)
    near: NDArray[np.bool_] = np.abs(halves) < 1.6 * unit * 10**decimals
    return near


def _differ(true: NDArray[np.float64], read: NDArray[np.float64], decimals: int) -> NDArray[np.bool_]:
    """Where what is read, rounded for showing, is not the true value rounded."""
    wrong = np.zeros(true.shape, np.bool_)
    for scale in (10.0**decimals, 10.0 ** (decimals - 1)):
        wrong |= np.abs(np.rint(read * scale) - true * scale) > 0.5 - 1e-7
    return wrong


def _sums(trace: Trace) -> list[tuple[str, Packed]]:
    """Foreground, background and their difference, at every pixel and for every propagation."""
    n, (height, width) = trace.kernel_size, trace.prior.shape
    whole = trace.coefficients.sum(0, dtype=np.float64)
    parts = []
    for k, values in enumerate(trace.propagated[:-1], start=1):
        padded = np.pad(values.astype(np.float64), n // 2)
        foreground = np.zeros_like(whole)
        for d, plane in enumerate(trace.coefficients):
            row, column = divmod(d, n)
            foreground += plane * padded[row : row + height, column : column + width]
        background = whole - foreground
        sums = np.stack([foreground, background, foreground - background])
        parts.append((f"brn.sums{k}", pack_decimals(sums, 10.0**-SUM_DECIMALS)))
    return parts
