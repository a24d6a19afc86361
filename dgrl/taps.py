"""Taps, named places in the network whose values can be recorded and replaced, and the edits that replace them.

Recording and changing use one mechanism. A `Tap` is an identity module in the network's forward pass. While a listener
is set, each tap calls it with its value and passes on what the listener returns. Without a listener a tap costs one
look-up.

The listener is a context variable, not part of the module, so two threads can trace the same model at once.

Edits are values. Equal settings give equal edits, which can be the key of a cached pass. They can be pickled, so a pass
may run in another process. Edits of the same tap are applied in the given order.
"""

import fnmatch
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from dgrl.trace import Trace

LEVELS = ("conv3", "conv4", "conv5")  # blocks with a side output, which CWM weighs
BLOCKS = ("conv2", *LEVELS)  # blocks that receive feedback
EVERY = "*"  # as an edit's time step: all time steps
PRIOR, COEFFICIENTS, REFINED = "brn.prior", "brn.coefficients", "brn.refined"

Listener = Callable[[str, Tensor], Tensor]

_listener: ContextVar[Listener | None] = ContextVar("dgrl_listener", default=None)


class Tap(nn.Module):
    """Identity module. `name_taps` prefixes the name with the module's position."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, value: Tensor, t: int = 0) -> Tensor:
        """Return `value`, or what the listener returns for it at time step `t`."""
        listener = _listener.get()
        return value if listener is None else listener(self.name.format(t=t), value)

    def extra_repr(self) -> str:
        """Return the name, for the printed network."""
        return self.name


def name_taps(network: nn.Module, prefix: str) -> None:
    """Name each tap of a network: `prefix`, then its level or block, then its own name.

    `{t}` in the prefix becomes the time step of the pass: "rln.t{t}" gives `rln.t{t}.conv4.weight_map`.
    """
    for path, module in network.named_modules():
        if isinstance(module, Tap):
            module.name = ".".join([prefix, *(part for part in path.split(".") if part in BLOCKS), module.name])


def weight_map_name(level: str, t: int | str) -> str:
    """Return the name of the tap of CWM's weight map at `level` and time step `t`, or `EVERY`."""
    return f"rln.t{t}.{level}.weight_map"


def feedback_name(block: str, t: int | str) -> str:
    """Return the name of the tap of the feedback into `block` at time step `t`, or `EVERY`."""
    return f"rln.t{t}.{block}.feedback"


def logits_name(t: int | str) -> str:
    """Return the name of the tap of RLN's logits at time step `t`."""
    return f"rln.t{t}.logits"


def propagated_name(number: int) -> str:
    """Return the name of the tap of BRN's map after propagation `number` = 1, 2 …, if another one follows."""
    return f"brn.propagated{number}"


def tap_names(steps: int, context: bool = True, propagations: int = 1) -> list[str]:
    """Return the tap names of one pass with time steps 0 to `steps`, in the order of computation."""
    names = []
    for t in range(steps + 1):
        if t > 0:
            names += [feedback_name(block, t) for block in BLOCKS]
        if context:
            names += [weight_map_name(level, t) for level in LEVELS]
        names.append(logits_name(t))
    return [*names, PRIOR, COEFFICIENTS, *map(propagated_name, range(1, propagations)), REFINED]


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Replace the value at each tap by `listener(name, value)`, within this context and in this thread."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def listening_mirrored() -> Iterator[None]:
    """Flip values left to right for the current listener, if there is one, and back after it."""
    listener = _listener.get()
    if listener is None:
        yield
        return
    with listening(lambda name, value: listener(name, value.flip(-1)).flip(-1)):
        yield


@dataclass(frozen=True)
class Passed:
    """A change: the value of another tap, recorded earlier in the same half of the pass, after its edits."""

    tap: str


Change = Callable[[Tensor], Tensor] | Tensor | np.ndarray | float | Passed


@dataclass(frozen=True)
class Edit:
    """One change made at a tap.

    Attributes:
        tap: the tap's name, or a pattern such as `rln.t*.conv4.weight_map` (as in `fnmatch`).
        change: the replacement: a function of the tensor, a number, an array of the tensor's shape or one that
            broadcasts to it, or `Passed` for the value of another tap.
    """

    tap: str
    change: Change


def flatten_map(level: str, t: int | str = EVERY) -> Edit:
    """Set CWM's weight map at `level` ("conv3", "conv4", "conv5") to 1 everywhere, at step `t` or at every step."""
    return Edit(weight_map_name(level, t), 1.0)


def paint_map(level: str, painting: ArrayLike, strength: float, t: int | str = EVERY) -> Edit:
    """Multiply CWM's weight map at `level` in the painted area, at step `t` or at every step.

    A cell of weight m, painted over the share p, gets m · (1 + (strength − 1) · p). Then the map is divided by its
    mean, so that the mean is 1 again. To paint on an even map, flatten it first.

    Args:
        level: "conv3", "conv4" or "conv5".
        painting: (H, W) in [0, 1], where 1 is painted; stretched over the photo and stored in 8 bits.
        strength: factor on the weight: 0 removes it, 1 changes nothing, 4 makes it four times as large.
        t: the time step.

    Raises:
        ValueError: wrong shape or range, or the strength is negative or not finite. In the pass: a
            strength of 0 leaves no weight anywhere.
    """
    values = np.asarray(painting, dtype=np.float32)
    if values.ndim != 2 or values.size == 0:
        raise ValueError(f"a painting must have two dimensions and not be empty; its shape is {values.shape}")
    if not (values.min() >= 0 and values.max() <= 1):
        raise ValueError("a painting must have values from 0 to 1")
    if not (math.isfinite(strength) and strength >= 0):
        raise ValueError(f"the strength of a painting must be 0 or more, not {strength}")
    grey = np.rint(values * 255).astype(np.uint8)
    return Edit(weight_map_name(level, t), Paint(grey.shape[0], grey.shape[1], grey.tobytes(), float(strength)))


def give_map(level: str, weights: ArrayLike, t: int | str = EVERY) -> Edit:
    """Replace CWM's weight map at `level` by the given weights, at step `t` or at every step.

    The weights are resized to the map's size by averaging over each cell, and divided by their mean.

    Args:
        level: "conv3", "conv4" or "conv5", or `EVERY` level.
        weights: (H, W), 0 or more; stretched over the photo and stored as float32.
        t: the time step.

    Raises:
        ValueError: the weights do not have two dimensions, are negative, not finite, or 0 everywhere.
    """
    values = np.asarray(weights, dtype=np.float32)
    if values.ndim != 2 or values.size == 0:
        raise ValueError(f"a weight map must have two dimensions and not be empty; its shape is {values.shape}")
    if not (np.isfinite(values).all() and values.min() >= 0 and values.max() > 0):
        raise ValueError("a weight map must have finite values of 0 or more, and not only 0")
    return Edit(weight_map_name(level, t), GivenMap(values.shape, values.tobytes()))


def patch(other: "Trace", tap: str) -> Edit:
    """Replace this pass's value at a tap by the one that another pass recorded ("activation patching").

    The other pass may have another photo, another checkpoint or other edits. Everything after the tap is computed from
    the patched value, and feedback carries it to later time steps.

    Args:
        other: the trace of the other pass.
        tap: the tap's name, for example "rln.t1.conv4.weight_map"; no pattern.

    Raises:
        ValueError: the other pass recorded no such tap. During the pass: the recorded value has another shape.
    """
    if tap not in other.taps:
        raise ValueError(f"the other pass recorded no tap named {tap!r}; it has {', '.join(other.taps)}")
    values = np.asarray(other.taps[tap], dtype=np.float32)
    return Edit(tap, Recorded(tap, values.shape, values.tobytes()))


def scale_feedback(block: str, factor: float, t: int | str = EVERY) -> Edit:
    """Multiply the feedback that enters `block` ("conv2" to "conv5"); a factor of 0 cuts it."""
    return Edit(feedback_name(block, t), Scale(float(factor)))


def identity_kernels() -> Edit:
    """Replace every BRN kernel by the identity: 1 at the centre, 0 elsewhere."""
    return Edit(COEFFICIENTS, Identity())


def mean_kernels() -> Edit:
    """Replace every BRN kernel by the mean of the photo's kernels: one fixed filter instead of one per pixel."""
    return Edit(COEFFICIENTS, Mean())


def before_refinement() -> Edit:
    """Skip BRN: the result is the prior."""
    return Edit(REFINED, Passed(PRIOR))


@dataclass(frozen=True)
class Scale:
    """Multiply by `factor`; see `scale_feedback`."""

    factor: float

    def __call__(self, value: Tensor) -> Tensor:
        """Return the value, of any shape, times `factor`."""
        return value * self.factor


@dataclass(frozen=True)
class Paint:
    """See `paint_map`. `grey` holds the painting row by row, one byte for each of the `height` × `width` pixels."""

    height: int
    width: int
    grey: bytes
    strength: float

    def __call__(self, weights: Tensor) -> Tensor:
        """Return the weight map (B, 1, h, w), painted, with mean 1."""
        factor = self.factor(weights.shape[-2], weights.shape[-1])
        painted = weights * factor.to(weights.device, weights.dtype)
        mean = painted.mean((-2, -1), keepdim=True)
        if not (mean > 0).all():
            raise ValueError("the painting leaves no weight anywhere: leave an area unpainted, or raise the strength")
        return painted / mean

    def factor(self, height: int, width: int) -> Tensor:
        """Return the painting's factor for each cell of a map (height, width), before normalising its mean."""
        grey = torch.frombuffer(bytearray(self.grey), dtype=torch.uint8).view(self.height, self.width)
        rows, columns = (_averaging(*sizes).float() for sizes in zip(grey.shape, (height, width), strict=True))
        share = rows @ (grey.float() / 255) @ columns.T  # (h, w) in [0, 1]
        return 1 + (self.strength - 1) * share


@dataclass(frozen=True)
class GivenMap:
    """See `give_map`. `values` holds the float32 weights of this `shape` (H, W), row by row."""

    shape: tuple[int, ...]
    values: bytes

    def __call__(self, weights: Tensor) -> Tensor:
        """Return the given map in the size of `weights` (B, 1, h, w), with mean 1."""
        size = (weights.shape[-2], weights.shape[-1])
        pooled = F.adaptive_avg_pool2d(_unpacked(self.values, self.shape)[None], size)
        return pooled / pooled.mean()


@dataclass(frozen=True)
class Recorded:
    """See `patch`. `values` holds the float32 values of this `shape`, without the batch dimension."""

    tap: str
    shape: tuple[int, ...]
    values: bytes

    def __call__(self, value: Tensor) -> Tensor:
        """Return the recorded value; raise ValueError if `value` (B, C, H, W) has another shape."""
        own_shape = tuple(value.shape[1:])
        # Traces omit a channel dimension of 1.
        recorded_shape = (1, *self.shape) if len(self.shape) == 2 else self.shape
        if recorded_shape != own_shape:
            raise ValueError(f"{self.tap} has the shape {recorded_shape} in the other pass and {own_shape} in this one")
        return _unpacked(self.values, recorded_shape)


@dataclass(frozen=True)
class Identity:
    """See `identity_kernels`."""

    def __call__(self, coefficients: Tensor) -> Tensor:
        """Return identity kernels in the shape of `coefficients` (B, n², H, W)."""
        kernels = torch.zeros_like(coefficients)
        kernels[:, coefficients.shape[1] // 2] = 1
        return kernels


@dataclass(frozen=True)
class Mean:
    """See `mean_kernels`."""

    def __call__(self, coefficients: Tensor) -> Tensor:
        """Return the mean over all pixels of `coefficients` (B, n², H, W), at every pixel."""
        return coefficients.mean((-2, -1), keepdim=True).expand_as(coefficients)


def _unpacked(values: bytes, shape: tuple[int, ...]) -> Tensor:
    """Return the float32 tensor of this shape that the bytes hold."""
    return torch.frombuffer(bytearray(values), dtype=torch.float32).view(shape)


def _averaging(pixels: int, cells: int) -> Tensor:
    """Return weights (cells, pixels) that average, for each cell, the pixels nearest to its centre.

    The first and the last cell are centred on the photo's edges, as in all resizing inside RLN (aligned corners).
    """
    # A painting can be coarser than the map. Its pixels are split into pieces, so that every cell gets some.
    pieces = math.ceil(2 * cells / pixels)
    place = (torch.arange(pixels * pieces, dtype=torch.float64) + 0.5) / (pixels * pieces)
    nearest = (place * (cells - 1) + 0.5).long()
    member = torch.zeros(cells, pixels * pieces, dtype=torch.float64)
    member[nearest, torch.arange(pixels * pieces)] = 1
    shares: Tensor = member.view(cells, pixels, pieces).sum(2) / member.sum(1)[:, None]
    return shares


def as_edits(edits: "Sequence[Edit | tuple[str, Change]] | Mapping[str, Change]") -> list[Edit]:
    """Return a list of `Edit`s from `Edit`s, (tap, change) pairs, or a mapping of taps to changes."""
    pairs = edits.items() if isinstance(edits, Mapping) else edits
    return [pair if isinstance(pair, Edit) else Edit(*pair) for pair in pairs]


def check_edits(edits: Sequence[Edit], names: Sequence[str]) -> None:
    """Raise ValueError if an edit names no tap, so that a typo is not mistaken for an edit without effect."""
    for edit in edits:
        if not fnmatch.filter(names, edit.tap):
            raise ValueError(f"this pass has no tap named {edit.tap!r}; it has {', '.join(names)}")


class Recorder:
    """A listener that applies edits and records the values after them.

    Attributes:
        values: each recorded value, detached, by its tap's name.
        edits: the edits to apply.
    """

    def __init__(self, edits: Sequence[Edit] = ()) -> None:
        self.values: dict[str, Tensor] = {}
        self.edits = list(edits)

    def __call__(self, name: str, value: Tensor) -> Tensor:
        """Apply the edits of tap `name` to `value`; record and return the result."""
        for edit in self.edits:
            if fnmatch.fnmatchcase(name, edit.tap):
                value = self._changed(edit.change, name, value)
        self.values[name] = value.detach()
        return value

    def _changed(self, change: Change, name: str, value: Tensor) -> Tensor:
        """Apply `change` to `value`; raise ValueError if the result has another shape or is not finite."""
        if isinstance(change, Passed):
            if change.tap not in self.values:
                raise ValueError(f"the edit of {name} needs {change.tap}, which has not been computed before it")
            change = self.values[change.tap]
        elif callable(change) and not isinstance(change, Tensor):
            change = change(value)
        try:
            result = torch.as_tensor(change)
        except (RuntimeError, TypeError, ValueError) as error:
            kind = type(change).__name__
            raise ValueError(f"the edit of {name} must give a number, array or tensor, not a {kind}") from error
        try:
            result = result.to(value.device, value.dtype).expand_as(value)
        except RuntimeError as error:
            shapes = f"{tuple(result.shape)} does not fit {tuple(value.shape)}"
            raise ValueError(f"the edit of {name} does not fit: {shapes}") from error
        if not torch.isfinite(result).all():
            raise ValueError(f"the edit of {name} has NaN or infinite values")
        return result
