"""One pass as one block of bytes that the page draws from: a JSON header, then arrays. docs/bundle.md is the format.

Arrays are stored in one of three codings, which `page/engines/bundle.js` undoes: "file", "words" (exact float32) and
"steps" (whole multiples of a unit, as differences of neighbours, which are small because neighbours are alike).
"""

import io
import json
import math
import struct
import zlib
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dgrl import figures
from dgrl.trace import Trace

PARTS = ("photo", "rln", "brn", "kernels")
MAGIC = b"DGRLBND2"
FORMAT = "dgrl-bundle-2"
LONGEST = 1280
"""The photo in the bundle is at most this long; pixels are still counted in the photo's own size."""
KERNEL_UNIT = 2.0**-10
SUM_UNIT = 1e-4
MAP_UNIT = 2.0**-10
LARGEST_STEP = 2**23
"""float32 holds whole multiples up to this one."""
PIECE = 2**20
"""Bytes that are deflated at once, so that several cores can share the work."""


@dataclass(frozen=True)
class Packed:
    """An array's bytes, and what the header says of them."""

    data: bytes
    about: dict[str, Any]


def bundle(
    trace: Trace,
    title: str = "",
    kernels: Literal["rounded", "exact"] = "rounded",
    parts: Collection[str] = PARTS,
    maps: Literal["rounded", "exact"] = "exact",
) -> bytes:
    """Write what the page shows of a pass.

    Maps are exact float32 by default. BRN's coefficients are rounded to multiples of 1/1024, which is enough for 2
    decimals. The sums over a pixel's neighbours are computed before that, and their 4 decimals are exact.

    Args:
        trace: the pass; if BRN has not run, none of its parts is written.
        title: what the photo is called.
        kernels: "exact" stores the coefficients as float32, in some 20 MB instead of 6.
        parts: which of `PARTS` to write; a page that shows a pass early asks for the large ones later.
        maps: "rounded" stores saliency maps in multiples of 1/1024, in about a tenth of the bytes.
    """
    steps, whole = trace.steps, trace.whole
    levels = list(steps[0].weight_maps)
    data: dict[str, Packed] = {"photo": _photo(trace)} if "photo" in parts else {}
    if "rln" in parts:
        data |= _localised(trace, maps)
    if "brn" in parts and whole:
        data |= {f"brn.round{k}": _pack_map(values, maps) for k, values in enumerate(trace.propagated)}
    decimals = {"coefficients": 6, "sums": 4}
    if "kernels" in parts and whole and kernels == "exact":
        data["brn.coefficients"] = pack_words(trace.coefficients)
    elif "kernels" in parts and whole:
        data |= _rounded_kernels(trace)
        decimals = {
            "coefficients": max(_decimals(data["brn.coefficients"]) - 1, 0),
            "sums": min(_decimals(data[f"brn.sums{k}"]) for k in range(1, len(trace.propagated))),
        }
    packed, table = joined(data)
    header = {
        "format": FORMAT,
        "title": title,
        "photo": _size(trace.photo),
        "rln": _size(steps[0].saliency),
        "brn": _size(trace.prior if whole else steps[0].saliency),
        "steps": len(steps),
        "levels": levels,
        "kernel_size": trace.kernel_size if whole else 0,
        "propagations": len(trace.propagated) - 1 if whole else 1,
        "prior": trace.prior_kind,
        "decimals": decimals,
        "limits": _limits(trace, levels),
        "arrays": table,
    }
    text = json.dumps(header, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-(len(MAGIC) + 4 + len(text)) % 8)
    return MAGIC + struct.pack("<I", len(text)) + text + packed


def pack_words(values: NDArray[Any]) -> Packed:
    """Pack float32 of any shape exactly.

    The four bytes of each number go to four planes, so that bytes that are alike lie together, and each is deflated.
    """
    words = np.ascontiguousarray(values, "<f4").view(np.uint8).reshape(-1, 4).T
    return _deflated(words, {"coding": "words", "shape": list(values.shape)})


def pack_steps(values: NDArray[Any], unit: float, factor: float) -> Packed:
    """Round values (k, H, W) to whole multiples of `unit`, multiplied by `factor` as often as large values require.

    Stored are differences along the rows, then along the columns. Small ones of either sign become small codes, so that
    high bytes are 0.
    """
    while float(np.abs(values).max(initial=0)) > unit * LARGEST_STEP:
        unit *= factor
    multiples = np.rint(values / values.dtype.type(unit)).astype(np.int32)
    differences = np.diff(np.diff(multiples, axis=2, prepend=0), axis=1, prepend=0)
    words = ((differences << 1) ^ (differences >> 31)).astype("<u4").view(np.uint8).reshape(-1, 4).T
    return _deflated(words, {"coding": "steps", "shape": list(values.shape), "unit": unit})


def _deflated(planes: NDArray[np.uint8], description: dict[str, Any]) -> Packed:
    pieces = [plane[start : start + PIECE] for plane in planes for start in range(0, len(plane), PIECE)]
    with ThreadPoolExecutor() as pool:  # zlib releases Python's lock
        parts = list(pool.map(_deflate, pieces))
    return Packed(b"".join(parts), description | {"parts": [len(part) for part in parts]})


def _deflate(piece: NDArray[np.uint8]) -> bytes:
    # Low bytes are noise: searching them for repetitions takes ten times as long and finds none.
    compressor = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    return compressor.compress(piece.tobytes()) + compressor.flush()


def joined(arrays: Mapping[str, Packed]) -> tuple[bytes, dict[str, dict[str, Any]]]:
    """Return the arrays one after the other, each at a multiple of 8 bytes, and the header's table of them."""
    data, table = bytearray(), {}
    for name, packed in arrays.items():
        data += bytes(-len(data) % 8)
        table[name] = packed.about | {"offset": len(data), "bytes": len(packed.data)}
        data += packed.data
    return bytes(data), table


def _size(values: NDArray[Any]) -> dict[str, int]:
    return {"width": values.shape[1], "height": values.shape[0]}


def _photo(trace: Trace) -> Packed:
    """Write the photo as a file, small ones without loss, because their pixels may be shown enlarged."""
    picture = Image.fromarray(figures.shrink(trace.photo, LONGEST))
    kind, settings = ("png", {}) if max(picture.size) <= 256 else ("jpeg", {"quality": 88})
    file = io.BytesIO()
    picture.save(file, kind, **settings)
    return Packed(
        file.getvalue(), {"coding": "file", "type": f"image/{kind}", "shape": [picture.height, picture.width]}
    )


def _localised(trace: Trace, maps: Literal["rounded", "exact"]) -> dict[str, Packed]:
    data: dict[str, Packed] = {}
    for step in trace.steps:
        data |= {f"rln.t{step.t}.{level}.weight_map": pack_words(values) for level, values in step.weight_maps.items()}
        data[f"rln.t{step.t}.saliency"] = _pack_map(step.saliency, maps)
    return data


def _pack_map(values: NDArray[np.float32], maps: Literal["rounded", "exact"]) -> Packed:
    """Pack a saliency map (H, W); rounded ones have the shape (1, H, W)."""
    return pack_words(values) if maps == "exact" else pack_steps(values[None], MAP_UNIT, 2)


def _limits(trace: Trace, levels: Collection[str]) -> dict[str, float]:
    """Return the largest absolute value of each kind of map, over all time steps."""
    changes = [after - before for before, after in pairwise(step.saliency for step in trace.steps)]
    limits = {level: figures.weight_limit(trace, level) for level in levels} | {"change": figures.largest(*changes)}
    if trace.whole:
        limits["refinement"] = figures.largest(trace.refined - trace.prior)
        limits["coefficients"] = figures.largest(trace.coefficients)
    return limits


def _rounded_kernels(trace: Trace) -> dict[str, Packed]:
    """Return the rounded coefficients, and for every propagation F, B and F − B of every pixel."""
    n, (height, width) = trace.kernel_size, trace.prior.shape
    kernel_sums = trace.coefficients.sum(0, dtype=np.float64)
    packed = {"brn.coefficients": pack_steps(trace.coefficients, KERNEL_UNIT, 2)}
    for k, values in enumerate(trace.propagated[:-1], start=1):
        padded = np.pad(values.astype(np.float64), n // 2)
        foreground = np.zeros_like(kernel_sums)
        for d, plane in enumerate(trace.coefficients):
            row, column = divmod(d, n)
            foreground += plane * padded[row : row + height, column : column + width]
        background = kernel_sums - foreground
        sums = np.stack([foreground, background, foreground - background])
        packed[f"brn.sums{k}"] = pack_steps(sums, SUM_UNIT, 10)
    return packed


def _decimals(packed: Packed) -> int:
    """Return the number of decimals of the unit of packed steps."""
    return max(math.floor(-math.log10(packed.about["unit"]) + 1e-9), 0)
