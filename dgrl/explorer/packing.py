"""Arrays made small for the browser, and still exact in every digit that is shown.

Three codings, all undone by `script/unpack.js`:

- `pack_words`: float32 or uint32, exact. The four bytes of each number go to four planes, so that equal bytes meet;
  each plane is deflated.
- `pack_halves`: float16, stored likewise in two planes, for whoever wants the coefficients at once.
- `pack_decimals`: whole multiples of a decimal unit. Neighbours resemble each other along rows, along columns and, for
  BRN's coefficients, from one of a pixel's coefficients to the next: what they say of a number is taken away from it,
  in whole numbers, so that nothing is lost. A pass's 5.8 million coefficients come to some 4 MB instead of 23.
"""

import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SHIFT = 12
"""Weights of the prediction are whole multiples of 2^-12."""
LARGEST_WEIGHT = 2**17
SAMPLE = 37
PIECE = 2**20
"""Bytes that are deflated at once: several pieces keep several cores busy."""
WHOLE = 2**22
"""Decimals stay below this, so that float32 holds them and their second differences fit 24 bits."""


@dataclass(frozen=True)
class Packed:
    """Bytes, and what the header has to say of them."""

    data: bytes
    about: dict[str, Any]


def pack_words(values: NDArray[np.float32] | NDArray[np.uint32]) -> Packed:
    """float32 or uint32 of any shape, exact."""
    about = {"coding": "words", "type": values.dtype.name, "shape": list(values.shape)}
    return _deflated(_planes(values), about)


def pack_halves(values: NDArray[np.float32]) -> Packed:
    """float32 of any shape as the nearest float16: 11 significant bits. What is beyond its range keeps its sign."""
    halves = np.clip(values, -65504, 65504).astype(np.float16)
    return _deflated(_planes(halves), {"coding": "halves", "shape": list(values.shape)})


def pack_decimals(values: NDArray[np.floating[Any]], unit: float) -> Packed:
    """Values (k, H, W) to the nearest multiple of `unit`, or of the least power of ten times it that they fit.

    The unit that was used stands in the header; `unpacked` says what the browser will read.
    """
    unit = fitting_unit(values, unit)
    whole = np.rint(values * values.dtype.type(1 / unit)).astype(np.int32)
    steps = whole.copy()
    steps[:, :, 1:] -= whole[:, :, :-1]
    steps[:, 1:] -= steps[:, :-1].copy()
    steps = steps.reshape(len(whole), -1)
    weights = _weights(steps)
    rest = steps - _predicted(steps, weights)
    folded = (rest << 1) ^ (rest >> 31)  # small numbers of either sign have small codes
    about = {"coding": "decimals", "shape": list(values.shape), "unit": unit, "shift": SHIFT}
    return _deflated(_planes(folded), about | {"weights": [row[:d].tolist() for d, row in enumerate(weights)]})


def fitting_unit(values: NDArray[np.floating[Any]], unit: float) -> float:
    """`unit`, ten times as large as often as the largest value asks for."""
    largest = float(np.abs(values).max(initial=0))
    while largest > unit * WHOLE:
        unit *= 10
    return unit


def unpacked(values: NDArray[np.floating[Any]], unit: float) -> NDArray[np.float32]:
    """What `script/unpack.js` reads of values packed with a unit that fits them, float32 of their shape."""
    decimals = np.rint(values * values.dtype.type(1 / unit)).astype(np.float64)
    return (decimals * unit).astype(np.float32)


def _weights(steps: NDArray[np.int32]) -> NDArray[np.int64]:
    """(k, k): row d says how much each of the planes before d tells of plane d, by least squares over some places."""
    sample = steps[:, ::SAMPLE].astype(np.float64)
    products = sample @ sample.T
    # Without noise on the diagonal, planes that are alike would make it singular.
    products[np.diag_indices_from(products)] += 1e-6 * products.trace() / len(products) + 1
    weights = np.zeros_like(products)
    for d in range(1, len(products)):
        weights[d, :d] = np.linalg.solve(products[:d, :d], products[:d, d])
    whole: NDArray[np.int64] = np.rint(weights * 2**SHIFT).clip(-LARGEST_WEIGHT, LARGEST_WEIGHT).astype(np.int64)
    return whole


def _predicted(steps: NDArray[np.int32], weights: NDArray[np.int64]) -> NDArray[np.int32]:
    """Row d: ⌊Σ_e weights[d, e] · steps[e] / 2^SHIFT⌋, modulo 2^32.

    All sums are below 2^53, so that float64 is exact, here and in the browser.
    """
    scaled = weights.astype(np.float64) / 2**SHIFT
    predicted = np.empty_like(steps)
    for start in range(0, steps.shape[1], 8192):  # as much as stays in the processor's cache
        block = steps[:, start : start + 8192].astype(np.float64)
        predicted[:, start : start + 8192] = np.floor(scaled @ block).astype(np.int64).astype(np.int32)
    return predicted


def _planes(values: NDArray[Any]) -> NDArray[np.uint8]:
    """(bytes of a number, size): the first bytes of all numbers, the second ones, and so on, lowest first."""
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return np.ascontiguousarray(little.view(np.uint8).reshape(-1, little.itemsize).T)


def _deflated(planes: NDArray[np.uint8], about: dict[str, Any]) -> Packed:
    pieces = [plane[start : start + PIECE] for plane in planes for start in range(0, len(plane), PIECE)]
    with ThreadPoolExecutor() as pool:  # zlib lets other threads run
        parts = list(pool.map(_deflate, pieces))
    return Packed(b"".join(parts), about | {"parts": [len(part) for part in parts]})


def _deflate(piece: NDArray[np.uint8]) -> bytes:
    # Bytes of noise: searching them for repetitions takes ten times as long and finds none.
    squeezer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    return squeezer.compress(piece.tobytes()) + squeezer.flush()


def joined(parts: Sequence[tuple[str, Packed]], start: int = 0) -> tuple[bytes, dict[str, dict[str, Any]]]:
    """The arrays one after the other, each at a multiple of 8 bytes, and the header's table of them by name."""
    data, table = bytearray(), {}
    for name, packed in parts:
        data += bytes(-len(data) % 8)
        table[name] = packed.about | {"offset": start + len(data), "bytes": len(packed.data)}
        data += packed.data
    return bytes(data), table
