"""The processes that `torchrun` or `accelerate launch` started."""

import os


def process_number() -> int:
    """Return this process's number: 0 for the first one or the only one."""
    return int(os.environ.get("RANK", "0"))


def process_count() -> int:
    """Return the number of processes."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main_process() -> bool:
    """Say whether this is the first process, the only one that prints."""
    return process_number() == 0


def join_processes(device: str) -> tuple[bool, str]:
    """Join the other processes, if there are any; say whether there are, and return this process's device."""
    if process_count() == 1:
        return False, device
    import torch
    from accelerate import PartialState

    # Without a GPU, Accelerate needs `cpu=True`; otherwise each process would be alone.
    state = PartialState(cpu=device == "cpu" or not torch.accelerator.is_available())
    if device in ("auto", "cuda"):
        device = "cpu" if state.device.type == "cpu" else str(state.device)  # Accelerate numbers CPUs too
    return True, device


def leave_processes() -> None:
    """Wait until the others have finished too: `torchrun` ends them all with the first."""
    from accelerate import PartialState

    state = PartialState()
    state.wait_for_everyone()
    state.destroy_process_group()
