"""Being one of several processes that `torchrun` or `accelerate launch` started."""

import os


def process_number() -> int:
    """0 for the first, and for one that is alone."""
    return int(os.environ.get("RANK", "0"))


def process_count() -> int:
    """How many there are."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main_process() -> bool:
    """Whether this process is to speak: only the first is."""
    return process_number() == 0


def join_processes(device: str) -> tuple[bool, str]:
    """Whether this is one of several processes, and its device: of several GPUs each process takes its own."""
    if process_count() == 1:
        return False, device
    import torch
    from accelerate import PartialState

    # Without a GPU Accelerate must be told so, or each process would be alone.
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
