"""Taps: named places in the network where a person may look, or reach in, and the edits that people make there.

Recording and altering are one mechanism. A `Tap` is an identity module that stands in the network's forward pass. While
somebody listens, every value that passes through a tap is handed to the listener, and what the listener returns goes on
in its place. With nobody listening a tap costs one look-up.

The listener lives in a context variable, not on the module: two threads can trace the same model at once.

Edits are values. Equal settings give equal edits, so a pass can be kept under them; and they can be pickled, so that
the pass may run in another process. Edits of the same tap are applied in the order in which they are given.
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

LEVELS = ("conv3", "conv4", "conv5")  # where RLN has side outputs, which CWM weighs
BLOCKS = ("conv2", *LEVELS)  # which feedback enters
EVERY = "*"  # as a time step of an edit: all of them
PRIOR, COEFFICIENTS, REFINED = "brn.prior", "brn.coefficients", "brn.refined"

Listener = Callable[[str, Tensor], Tensor]

_listener: ContextVar[Listener | None] = ContextVar("dgrl_listener", default=None)


class Tap(nn.Module):
    """An identity module with a name: what passes, and once `name_taps` has seen it, before that where it stands."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, value: Tensor, t: int = 0) -> Tensor:
        """`value`, or what the listener makes of it at time step `t`."""
        listener = _listener.get()
        return value if listener is None else listener(self.name.format(t=t), value)

    def extra_repr(self) -> str:
        """The name, in the printed network."""
        return self.name


def name_taps(network: nn.Module, prefix: str) -> None:
    """Name each tap of a network by its place: `prefix`, the level or block that it is of, and what passes it.

    `{t}` in the prefix becomes the time step of the pass: "rln.t{t}" gives `rln.t{t}.conv4.weight_map`.
    """
    for path, module in network.named_modules():
        if isinstance(module, Tap):
            module.name = ".".join([prefix, *(part for part in path.split(".") if part in BLOCKS), module.name])


def weight_map_name(level: str, t: int | str) -> str:
    """The tap of CWM's weight map at `level` and time step `t`, or `EVERY`."""
    return f"rln.t{t}.{level}.weight_map"


def feedback_name(block: str, t: int | str) -> str:
    """The tap of the feedback that enters `block` at time step `t`, or `EVERY`."""
    return f"rln.t{t}.{block}.feedback"


def logits_name(t: int | str) -> str:
    """The tap of RLN's logits at time step `t`."""
    return f"rln.t{t}.logits"


def propagated_name(number: int) -> str:
    """The tap of BRN's map after propagation `number` = 1, 2 …, where another one follows."""
    return f"brn.propagated{number}"


def tap_names(steps: int, context: bool = True, propagations: int = 1) -> list[str]:
    """The taps of one pass with time steps 0 to `steps`, in the order in which they are passed."""
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
    """Within this context, in this thread, every value that passes a tap goes through `listener(name, value)`."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def listening_mirrored() -> Iterator[None]:
    """Within this context the current listener, if there is one, sees and returns values flipped left to right."""
    listener = _listener.get()
    if listener is None:
        yield
        return
    with listening(lambda name, value: listener(name, value.flip(-1)).flip(-1)):
        yield


@dataclass(frozen=True)
class Passed:
    """As a change: what passed another tap earlier in the same half of the pass, after that one's edits."""

    tap: str


Change = Callable[[Tensor], Tensor] | Tensor | np.ndarray | float | Passed


@dataclass(frozen=True)
class Edit:
    """One alteration of a pass.

    Attributes:
        tap: the tap's name, or a pattern such as `rln.t*.conv4.weight_map` (as in `fnmatch`).
        change: what passes on instead: a function of the tensor, a number or array that replaces it, or what `Passed`
            another tap. An array has the tensor's shape, or one that broadcasts to it.
    """

    tap: str
    change: Change


def flatten_map(level: str, t: int | str = EVERY) -> Edit:
    """Make CWM's weight map at `level` ("conv3", "conv4", "conv5") weigh every place alike, at step `t` or at all."""
    return Edit(weight_map_name(level, t), 1.0)


def paint_map(level: str, painting: ArrayLike, strength: float, t: int | str = EVERY) -> Edit:
    """Multiply CWM's weight map at `level` where somebody has painted, at step `t` or at all.

    With p the share of a cell that is painted and m the weight there, the cell gets m · (1 + (strength − 1) · p). Then
    the map is divided by its mean, which is 1 again. To paint on an even map, flatten it first.

    Args:
        level: "conv3", "conv4" or "conv5".
        painting: (H, W) in [0, 1], 1 is painted, stretched over the photo; kept in 8 bits.
        strength: 0 takes the weight away, 1 changes nothing, 4 makes it four times as large.
        t: the time step.

    Raises:
        ValueError: the painting is no such map, or the strength is negative or not finite; in the pass, a strength of
            0 leaves no weight anywhere.
    """
    values = np.asarray(painting, dtype=np.float32)
    if values.ndim != 2 or values.size == 0:
        raise ValueError(f"a painting has rows and columns; this one's shape is {values.shape}")
    if not (values.min() >= 0 and values.max() <= 1):
        raise ValueError("a painting holds values from 0 to 1")
    if not (math.isfinite(strength) and strength >= 0):
        raise ValueError(f"the strength of a painting is 0 or more, not {strength}")
    grey = np.rint(values * 255).astype(np.uint8)
    return Edit(weight_map_name(level, t), Paint(grey.shape[0], grey.shape[1], grey.tobytes(), float(strength)))


def give_map(level: str, weights: ArrayLike, t: int | str = EVERY) -> Edit:
    """Replace CWM's weight map at `level` by the given weights, at step `t` or at all.

    The weights are brought to the map's size, each cell the mean of its area, and divided by their mean.

    Args:
        level: "conv3", "conv4" or "conv5", or `EVERY` level.
        weights: (H, W), 0 or more, stretched over the photo; kept as float32.
        t: the time step.

    Raises:
        ValueError: the weights have another number of axes, are negative, not finite, or 0 everywhere.
    """
    values = np.asarray(weights, dtype=np.float32)
    if values.ndim != 2 or values.size == 0:
        raise ValueError(f"a weight map has rows and columns; this one's shape is {values.shape}")
    if not (np.isfinite(values).all() and values.min() >= 0 and values.max() > 0):
        raise ValueError("a weight map holds finite values of 0 or more, and not 0 everywhere")
    return Edit(weight_map_name(level, t), GivenMap(values.shape, values.tobytes()))


def patch(other: "Trace", tap: str) -> Edit:
    """Put the value that another pass recorded at a tap in the place of this pass's ("activation patching").

    The other pass may be of another picture, another checkpoint, or have other edits. What follows the tap is computed
    from the patched value; feedback carries it to later time steps.

    Args:
        other: the trace of the other pass.
        tap: the tap's name, for example "rln.t1.conv4.weight_map"; no pattern.

    Raises:
        ValueError: the other pass recorded no such tap; or, in the pass, its value has another shape.
    """
    if tap not in other.taps:
        raise ValueError(f"the other pass recorded no tap named {tap!r}; it has {', '.join(other.taps)}")
    values = np.asarray(other.taps[tap], dtype=np.float32)
    return Edit(tap, Recorded(tap, values.shape, values.tobytes()))


def scale_feedback(block: str, factor: float, t: int | str = EVERY) -> Edit:
    """Multiply the feedback that enters `block` ("conv2" to "conv5"); a factor of 0 cuts it."""
    return Edit(feedback_name(block, t), Scale(float(factor)))


def identity_kernels() -> Edit:
    """Replace every BRN kernel by the untrained one: 1 at the centre, 0 elsewhere."""
    return Edit(COEFFICIENTS, Identity())


def mean_kernels() -> Edit:
    """Replace every BRN kernel by the mean of all kernels of the picture: one fixed filter instead of one per pixel."""
    return Edit(COEFFICIENTS, Mean())


def before_refinement() -> Edit:
    """Leave the map as it was before BRN: the result is the prior."""
    return Edit(REFINED, Passed(PRIOR))


@dataclass(frozen=True)
class Scale:
    """Times `factor`."""

    factor: float

    def __call__(self, value: Tensor) -> Tensor:
        """The value of any shape, scaled."""
        return value * self.factor


@dataclass(frozen=True)
class Paint:
    """See `paint_map`; `grey` holds the painting's rows, a byte for each of the `height` × `width` pixels."""

    height: int
    width: int
    grey: bytes
    strength: float

    def __call__(self, weights: Tensor) -> Tensor:
        """The weight map (B, 1, h, w), painted, with a mean of 1."""
        factor = self.factor(weights.shape[-2], weights.shape[-1])
        painted = weights * factor.to(weights.device, weights.dtype)
        mean = painted.mean((-2, -1), keepdim=True)
        if not (mean > 0).all():
            raise ValueError("the painting leaves no weight anywhere: leave a place unpainted, or raise the strength")
        return painted / mean

    def factor(self, height: int, width: int) -> Tensor:
        """(height, width): by what the painting multiplies each cell of a map, before its mean is made 1 again."""
        grey = torch.frombuffer(bytearray(self.grey), dtype=torch.uint8).view(self.height, self.width)
        rows, columns = (_averaging(*sizes).float() for sizes in zip(grey.shape, (height, width), strict=True))
        share = rows @ (grey.float() / 255) @ columns.T  # (h, w) in [0, 1]
        return 1 + (self.strength - 1) * share


@dataclass(frozen=True)
class GivenMap:
    """See `give_map`; `values` holds the float32 rows of the weights of this `shape` (H, W)."""

    shape: tuple[int, ...]
    values: bytes

    def __call__(self, weights: Tensor) -> Tensor:
        """A map of the size of `weights` (B, 1, h, w), with a mean of 1."""
        size = (weights.shape[-2], weights.shape[-1])
        given = F.adaptive_avg_pool2d(_unpacked(self.values, self.shape)[None], size)
        return given / given.mean()


@dataclass(frozen=True)
class Recorded:
    """See `patch`; `values` holds the float32 values of this `shape`, without the axis of the batch."""

    tap: str
    shape: tuple[int, ...]
    values: bytes

    def __call__(self, value: Tensor) -> Tensor:
        """The recorded value; ValueError if `value` (B, C, H, W) has another shape."""
        here = tuple(value.shape[1:])
        recorded = (1, *self.shape) if len(self.shape) == 2 else self.shape  # traces leave out a channel axis of 1
        if recorded != here:
            raise ValueError(f"{self.tap} has the shape {recorded} in the other pass and {here} in this one")
        return _unpacked(self.values, recorded)


@dataclass(frozen=True)
class Identity:
    """See `identity_kernels`."""

    def __call__(self, coefficients: Tensor) -> Tensor:
        """Kernels of the shape of `coefficients` (B, n², H, W)."""
        kernels = torch.zeros_like(coefficients)
        kernels[:, coefficients.shape[1] // 2] = 1
        return kernels


@dataclass(frozen=True)
class Mean:
    """See `mean_kernels`."""

    def __call__(self, coefficients: Tensor) -> Tensor:
        """The mean over the picture, at every pixel of `coefficients` (B, n², H, W)."""
        return coefficients.mean((-2, -1), keepdim=True).expand_as(coefficients)


def _unpacked(values: bytes, shape: tuple[int, ...]) -> Tensor:
    """The float32 tensor of this shape that the bytes hold."""
    return torch.frombuffer(bytearray(values), dtype=torch.float32).view(shape)


def _averaging(pixels: int, cells: int) -> Tensor:
    """(cells, pixels): each cell's mean over the pixels that are nearer to its centre than to another's.

    The first and the last cell lie on the picture's edges, as in every resizing of RLN (aligned corners).
    """
    # A painting coarser than the map has no pixel of its own for every cell: its pixels are cut into pieces.
    pieces = math.ceil(2 * cells / pixels)
    place = (torch.arange(pixels * pieces, dtype=torch.float64) + 0.5) / (pixels * pieces)
    nearest = (place * (cells - 1) + 0.5).long()
    member = torch.zeros(cells, pixels * pieces, dtype=torch.float64)
    member[nearest, torch.arange(pixels * pieces)] = 1
    shares: Tensor = member.view(cells, pixels, pieces).sum(2) / member.sum(1)[:, None]
    return shares


def as_edits(edits: "Sequence[Edit | tuple[str, Change]] | Mapping[str, Change]") -> list[Edit]:
    """Edits in any of the forms that people write: `Edit`s, (tap, change) pairs, or a mapping of taps to changes."""
    pairs = edits.items() if isinstance(edits, Mapping) else edits
    return [pair if isinstance(pair, Edit) else Edit(*pair) for pair in pairs]


def check_edits(edits: Sequence[Edit], names: Sequence[str]) -> None:
    """ValueError, naming the edit, if none of the taps is meant by it: a typing error must not pass for no effect."""
    for edit in edits:
        if not fnmatch.filter(names, edit.tap):
            raise ValueError(f"no tap named {edit.tap!r} is passed; this pass has {', '.join(names)}")


class Recorder:
    """A listener that applies edits and keeps what passed, after the edits.

    Attributes:
        values: what passed each recorded tap, detached, by the tap's name.
        edits: what it applies.
    """

    def __init__(self, edits: Sequence[Edit] = ()) -> None:
        self.values: dict[str, Tensor] = {}
        self.edits = list(edits)

    def __call__(self, name: str, value: Tensor) -> Tensor:
        """Apply the edits of tap `name` to `value`, keep and return the result."""
        for edit in self.edits:
            if fnmatch.fnmatchcase(name, edit.tap):
                value = self._changed(edit.change, name, value)
        self.values[name] = value.detach()
        return value

    def _changed(self, change: Change, name: str, value: Tensor) -> Tensor:
        """`value` as `change` makes it; ValueError if the result has another shape or is not finite."""
        if isinstance(change, Passed):
            if change.tap not in self.values:
                raise ValueError(f"the edit of {name} asks for {change.tap}, which has not been passed before it")
            change = self.values[change.tap]
        elif callable(change) and not isinstance(change, Tensor):
            change = change(value)
        try:
            changed = torch.as_tensor(change)
        except (RuntimeError, TypeError, ValueError) as error:
            kind = type(change).__name__
            raise ValueError(f"the edit of {name} gives no number, array or tensor but a {kind}") from error
        try:
            changed = changed.to(value.device, value.dtype).expand_as(value)
        except RuntimeError as error:
            shapes = f"{tuple(changed.shape)} does not fit {tuple(value.shape)}"
            raise ValueError(f"the edit of {name} does not fit: {shapes}") from error
        if not torch.isfinite(changed).all():
            raise ValueError(f"the edit of {name} holds NaN or infinite values")
        return changed
