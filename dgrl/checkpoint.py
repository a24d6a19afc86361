"""Checkpoint folders: find, read and write them, strictly."""

import json
from pathlib import Path
from typing import Any

import safetensors
import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError
from safetensors.torch import load_file, save_file
from torch import nn

from dgrl.files import WEIGHTS, replacing
from dgrl.network.config import DGRLConfig

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
CARD_FILE = "README.md"
SHIPPED_WEIGHTS = WEIGHTS / "dgrl-lite"
HUB_WEIGHTS: str | None = None  # the Hub id of the same weights, once they are published there


FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""Allowed types of stored weights. 8-bit types would need a scale, which the format does not have."""


class CheckpointError(ValueError):
    """A checkpoint cannot be loaded; the message says which tensor or setting is wrong and why."""


def default_weights() -> str:
    """Return the default checkpoint; raise CheckpointError if there is none."""
    if (SHIPPED_WEIGHTS / CONFIG_FILE).is_file():
        return str(SHIPPED_WEIGHTS)
    if HUB_WEIGHTS is not None:
        return HUB_WEIGHTS
    raise CheckpointError("no checkpoint ships with this installation; name a folder or a Hub id with --weights")


def checkpoint_folder(name: str | Path | None, hub_settings: dict[str, Any]) -> Path:
    """Return the folder of a checkpoint: a folder, the name of one that ships ("dgrl-lite"), or a Hub id to download.

    Args:
        name: None for the default checkpoint.
        hub_settings: passed on to `snapshot_download`.

    Raises:
        CheckpointError: the name is none of these.
    """
    name = str(default_weights() if name is None else name)
    if Path(name).is_dir():
        return Path(name)
    if name and Path(name).name == name and (WEIGHTS / name / CONFIG_FILE).is_file():
        return WEIGHTS / name
    return download(name, hub_settings)


def download(name: str, hub_settings: dict[str, Any]) -> Path:
    """Download a model from the Hugging Face Hub and return its folder; raise CheckpointError if that fails."""
    try:
        return Path(snapshot_download(name, allow_patterns=[CONFIG_FILE, WEIGHTS_FILE, CARD_FILE], **hub_settings))
    except (OSError, HFValidationError) as error:
        raise CheckpointError(f"{name} is neither a folder nor a model that can be downloaded from the Hub") from error


def read_config(folder: Path) -> DGRLConfig:
    """Read a folder's settings; raise CheckpointError if one is unknown or out of range, or the file is missing."""
    path = folder / CONFIG_FILE
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(settings, dict):
            raise ValueError("it must be a JSON object of settings")
        return DGRLConfig(**settings)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path.parent} is not a checkpoint: it has no {path.name}") from error
    except RecursionError as error:
        raise CheckpointError(f"{path}: it is nested too deeply") from error
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: {error}") from error


def load_weights(model: nn.Module, folder: Path) -> None:
    """Load the folder's weights strictly; raise CheckpointError for a missing, extra or misshapen tensor."""
    path = folder / WEIGHTS_FILE
    try:
        tensors = load_file(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path.parent} is not a checkpoint: it has no {path.name}") from error
    except (OSError, safetensors.SafetensorError) as error:
        raise CheckpointError(f"{path} is not a complete safetensors file: {error}") from error
    expected = model.state_dict()
    faults = [f"{name} is missing" for name in expected.keys() - tensors.keys()]
    faults += [f"{name} is left over" for name in tensors.keys() - expected.keys()]
    for name in expected.keys() & tensors.keys():
        if expected[name].shape != tensors[name].shape:
            faults.append(f"{name} is {tuple(tensors[name].shape)} instead of {tuple(expected[name].shape)}")
        elif expected[name].is_floating_point() != (tensors[name].dtype in FLOATS):
            faults.append(f"{name} holds {tensors[name].dtype} instead of {expected[name].dtype}")
    if faults:
        remainder = f" (and {len(faults) - 5} more)" if len(faults) > 5 else ""
        raise CheckpointError(f"{path} does not fit its configuration: {'; '.join(sorted(faults)[:5])}{remainder}")
    model.load_state_dict(tensors)


def save_weights(model: nn.Module, folder: Path) -> None:
    """Write every tensor of `model`, atomically."""
    with replacing(folder / WEIGHTS_FILE) as partial:
        save_file({name: value.contiguous() for name, value in model.state_dict().items()}, partial)
        partial.chmod(0o644)  # safetensors makes the file readable by its owner only
