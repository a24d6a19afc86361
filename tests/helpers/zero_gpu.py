"""Starts the app as a ZeroGPU Space does, with the real package `spaces`: `python -m tests.helpers.zero_gpu`.

The environment says the rest: SPACES_ZERO_GPU, SPACES_ZERO_DEVICE_API_URL (the service that lends GPUs), HOME,
ZEROGPU_OFFLOAD_DIR and what `app.py` reads. Prints, before the app is launched, what has been computed on the emulated
device, and with it the address.

A call's process has no GPU here: its CPU stands for one. The two functions that start CUDA and fetch the weights are
replaced; everything else is the package's.
"""

import os
import runpy
from pathlib import Path
from typing import Any

import torch
from spaces.zero import torch as emulation
from spaces.zero.torch import patching

MOVING = {"to", "__set__", "__get__", "requires_grad_"}
"""Operations that move a network to a device."""
computed: set[str] = set()
_patched = patching.ZeroGPUFunctionMode.__torch_function__


def watched(self: Any, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
    """Call the package's own function, and note its name if it computes on the device from tensors on the device."""
    result = _patched(self, function, types, args, kwargs)
    on_device = [value for value in args if isinstance(value, torch.Tensor) and value in patching.cuda_aliases]
    name = getattr(function, "__name__", str(function))
    if on_device and isinstance(result, torch.Tensor) and name not in MOVING:
        computed.add(name)
    return result


def start(_uuid: str) -> None:
    """Replace the start of CUDA."""


def fetch(callback: Any = None) -> None:
    """Replace loading from the disk to the GPU: load the same files to the CPU."""
    for pack in patching.tensor_packs:
        content = Path(pack.path()).read_bytes()
        offset = 0
        for tensor, size, aligned in (*(entry for batch in pack.batches for entry in batch), *pack.big_tensors):
            values = torch.frombuffer(bytearray(content[offset : offset + size]), dtype=tensor.dtype)
            for fake in pack.fakes[tensor]:
                fake.data = torch.empty(0, dtype=tensor.dtype).set_(
                    values.untyped_storage(), 0, tensor.shape, tensor.stride()
                )
            offset += aligned


def main() -> None:
    assert os.environ["SPACES_ZERO_GPU"] == "true"
    patching.ZeroGPUFunctionMode.__torch_function__ = watched
    emulation.init, emulation.move = start, fetch
    app = runpy.run_path("app.py", run_name="app")
    print("computed:", *sorted(computed), flush=True)
    print("networks on:", *{str(tensor.device) for tensor in patching.cuda_aliases}, flush=True)
    app["app"].launch(mcp_server=True)


if __name__ == "__main__":
    main()
