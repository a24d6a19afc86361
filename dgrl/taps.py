"""Taps: named places in the network where a person may look, or reach in.

Recording and altering are one mechanism. A `Tap` is an identity module that stands in the network's forward pass. While
somebody listens, every value that passes through a tap is handed to the listener, and what the listener returns goes on
in its place. With nobody listening a tap costs one look-up.

The listener lives in a context variable, not on the module: two threads can trace the same model at once.
"""

import fnmatch
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

Listener = Callable[[str, Tensor], Tensor]
Change = Callable[[Tensor], Tensor] | Tensor | np.ndarray | float

_listener: ContextVar[Listener | None] = ContextVar("dgrl_listener", default=None)


class Tap(nn.Module):
    """An identity module with a name, e.g. `rln.t{t}.conv4.weight_map`; `{t}` becomes the time step of the pass."""

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


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Within this context, in this thread, every value that passes a tap goes through `listener(name, value)`."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@dataclass(frozen=True)
class Edit:
    """One alteration of a pass.

    Attributes:
        tap: the tap's name, or a pattern such as `rln.t*.conv4.weight_map` (as in `fnmatch`).
        change: what passes on instead: a function of the tensor, or a number or array that replaces it. An array has
            the tensor's shape, or one that broadcasts to it.
    """

    tap: str
    change: Change


def flatten_map(level: str, t: int | str = "*") -> Edit:
    """Make CWM's weight map at `level` ("conv3", "conv4", "conv5") weigh every place alike, at step `t` or at all."""
    return Edit(f"rln.t{t}.{level}.weight_map", 1.0)


def scale_feedback(block: str, factor: float, t: int | str = "*") -> Edit:
    """Multiply the feedback that enters `block` ("conv2" to "conv5"); a factor of 0 cuts it."""
    return Edit(f"rln.t{t}.{block}.feedback", lambda feedback: feedback * factor)


def identity_kernels() -> Edit:
    """Replace every BRN kernel by the untrained one: 1 at the centre, 0 elsewhere."""

    def identity(coefficients: Tensor) -> Tensor:
        kernels = torch.zeros_like(coefficients)
        kernels[:, coefficients.shape[1] // 2] = 1
        return kernels

    return Edit("brn.coefficients", identity)


def mean_kernels() -> Edit:
    """Replace every BRN kernel by the mean of all kernels of the picture: one fixed filter instead of one per pixel."""
    return Edit("brn.coefficients", lambda v: v.mean((-2, -1), keepdim=True).expand_as(v))


def as_edits(edits: "Sequence[Edit | tuple[str, Change]] | Mapping[str, Change]") -> list[Edit]:
    """Edits in any of the forms that people write: `Edit`s, (tap, change) pairs, or a mapping of taps to changes."""
    pairs = edits.items() if isinstance(edits, Mapping) else edits
    return [pair if isinstance(pair, Edit) else Edit(*pair) for pair in pairs]


class Recorder:
    """A listener that applies edits and keeps what passed, after the edits.

    Attributes:
        values: what passed each recorded tap, detached, by the tap's name.
    """

    def __init__(self, edits: Sequence[Edit] = ()) -> None:
        self.values: dict[str, Tensor] = {}
        self._edits = list(edits)
        self._used = [False] * len(self._edits)

    def __call__(self, name: str, value: Tensor) -> Tensor:
        """Apply the edits of tap `name` to `value`, keep and return the result."""
        for i, edit in enumerate(self._edits):
            if fnmatch.fnmatchcase(name, edit.tap):
                value = apply_change(edit, name, value)
                self._used[i] = True
        self.values[name] = value.detach()
        return value

    def check_all_used(self) -> None:
        """ValueError, naming the edit, if its tap was never passed: a typing error must not pass for an effect."""
        for edit, used in zip(self._edits, self._used, strict=True):
            if not used:
                raise ValueError(f"no tap named {edit.tap!r} was passed; this pass has {', '.join(self.values)}")


def apply_change(edit: Edit, name: str, value: Tensor) -> Tensor:
    """`value` as `edit` alters it; ValueError if the result has another shape or is not finite."""
    change = edit.change(value) if callable(edit.change) and not isinstance(edit.change, Tensor) else edit.change
    try:
        changed = torch.as_tensor(change)
    except (RuntimeError, TypeError, ValueError) as error:
        kind = type(change).__name__
        raise ValueError(f"the edit of {name} gives no number, array or tensor but a {kind}") from error
    try:
        changed = changed.to(value).expand_as(value)
    except RuntimeError as error:
        shapes = f"{tuple(changed.shape)} does not fit {tuple(value.shape)}"
        raise ValueError(f"the edit of {name} does not fit: {shapes}") from error
    if not torch.isfinite(changed).all():
        raise ValueError(f"the edit of {name} holds NaN or infinite values")
    return changed


def tap_names(steps: int, context: bool = True, propagations: int = 1) -> list[str]:
    """The taps of one pass with time steps 0 to `steps`, in the order in which they are passed."""
    names = []
    for t in range(steps + 1):
        if t > 0:
            names += [f"rln.t{t}.conv{k}.feedback" for k in (2, 3, 4, 5)]
        if context:
            names += [f"rln.t{t}.conv{k}.weight_map" for k in (3, 4, 5)]
        names.append(f"rln.t{t}.logits")
    between = [f"brn.propagated{number}" for number in range(1, propagations)]
    return [*names, "brn.prior", "brn.coefficients", *between, "brn.refined"]
