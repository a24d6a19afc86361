"""A copy of a network for inference: folded, with channels-last convolutions."""

import copy
from types import FunctionType, MethodType
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from dgrl.network.config import DGRLConfig
from dgrl.running.folding import folded
from dgrl.running.memory import keep_memory_of_a_pass

if TYPE_CHECKING:
    from dgrl.model import DGRL

_SETTINGS = frozenset({bool, int, float, str, tuple, torch.dtype, DGRLConfig, FunctionType, MethodType})


class InferenceCopy:
    """Makes the fast copy of one network on first use, and again after the network has changed.

    The network itself is not changed. The copy computes the same within rounding. A network in training mode or with
    hooks is used itself, because hooks belong to its own modules.

    Args:
        rewritten: whether the network itself was rewritten for inference (`rewrite_for_inference`) and needs no copy.
    """

    def __init__(self, rewritten: bool = False) -> None:
        self.rewritten = rewritten
        self._copy: DGRL | None = None
        self._made_of: list[object] = []

    def __reduce__(self) -> tuple[type["InferenceCopy"], tuple[bool]]:
        """Leave the copy out when the network is copied or pickled."""
        return InferenceCopy, (self.rewritten,)

    def of(self, network: "DGRL") -> "DGRL":
        """Return the network to run: an up-to-date copy, or `network` itself."""
        if self.rewritten:
            return network
        modules = list(network.modules())
        if any(module.training or module._forward_hooks or module._forward_pre_hooks for module in modules):
            return network
        tensors = [tensor for module in modules for tensor in _tensors(module)]
        if any(tensor.is_inference() for tensor in tensors):  # inference tensors have no version counter
            return network
        state = _state(modules, tensors)
        if self._copy is None or state != self._made_of:
            if network.device.type == "cpu":
                keep_memory_of_a_pass()
            self._copy, self._made_of = fast_copy(network), state
        return self._copy


def fast_copy(network: "DGRL") -> "DGRL":
    """Return a copy with folded layers and channels-last convolutions; other tensors are shared with `network`."""
    shared: dict[int, object] = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    with torch.no_grad():
        lighter = copy.deepcopy(network, shared)
        lighter.rln.backbone = folded(network.rln.backbone)
        lighter.inference = InferenceCopy(rewritten=True)
        for module in lighter.modules():
            for name, values in list(module.named_parameters(recurse=False)):
                if values.dim() == 4:
                    contiguous = values.detach().contiguous(memory_format=torch.channels_last)
                    setattr(module, name, nn.Parameter(contiguous, requires_grad=False))
    return lighter


def _tensors(module: nn.Module) -> list[Tensor]:
    """Return the parameters and buffers that a module itself holds."""
    return [tensor for tensor in (*module._parameters.values(), *module._buffers.values()) if tensor is not None]


def _state(modules: list[nn.Module], tensors: list[Tensor]) -> list[object]:
    """Return a key that changes when the network does: its modules, their settings, each tensor's memory and version.

    The list keeps references to modules and tensors, so that their identities are not reused. Changes through `.data`
    or NumPy do not change a tensor's version and are not detected.
    """
    state: list[object] = [(module, _settings(module)) for module in modules]
    state += [(_Same(tensor), tensor.data_ptr(), tensor.device, tensor._version) for tensor in tensors]
    return state


def _settings(module: nn.Module) -> dict[str, object]:
    """Return the plain attributes and replaced methods of a module."""
    return {name: value for name, value in vars(module).items() if type(value) in _SETTINGS}


class _Same:
    """Compares a tensor by identity: `==` of tensors compares their values."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.tensor is other.tensor

    __hash__ = None  # type: ignore[assignment]
