"""Python code that trains with the options chosen in the notebook's panel."""

from collections.abc import Mapping
from typing import Any


def python_of(
    network: Mapping[str, Any], preset: str, stage: str, changes: Mapping[str, Any], images: str, masks: str, out: str
) -> str:
    """Return Python code that trains as `dgrl train` does with these options.

    Args:
        network: options of `dgrl train` that say where the network comes from.
        preset, stage, changes: the recipe's name, the stage, and the settings that differ.
        images, masks, out: folders of pictures and masks, and the run's.
    """
    settings = "".join(f", {name}={value!r}" for name, value in changes.items() if name != "stage")
    lines = [f"recipe = preset({preset!r}, {stage!r}{settings})", *_network(network, preset)]
    lines += [f"pairs = find_pairs({images!r}, {masks!r})", f"train(model, pairs, {out!r}, recipe)"]
    names = ["DGRL", *(["DGRLConfig"] if "init" not in network else []), "find_pairs", "train"]
    functions = ["network_settings", "preset"] if any("network_settings" in line for line in lines) else ["preset"]
    imports = [f"from dgrl import {', '.join(names)}", f"from dgrl.training.config import {', '.join(functions)}"]
    return "\n".join([*(["import torch"] if "init" not in network else []), *imports, *lines])


def _network(network: Mapping[str, Any], preset: str) -> list[str]:
    """Return the lines of code that make the network."""
    options = dict(network)
    if "init" in options:
        lines = [f"model = DGRL.from_pretrained({str(options.pop('init'))!r})"]
        if options.pop("new_brn", False):
            lines.append(f"model = model.with_new_brn(**network_settings({preset!r}))")
        if options.get("steps") is not None:
            lines.append(f"model = model.with_steps({options['steps']})")
        return lines
    backbone, pretrained = options.pop("backbone", "resnet50"), options.pop("pretrained", True)
    steps = options.pop("steps", None)
    settings = f"network_settings({preset!r})" + (f" | {options!r}" if options else "")
    return [
        "torch.manual_seed(recipe.seed)",
        f"config = DGRLConfig.for_backbone({backbone!r}, steps={2 if steps is None else steps}, **{settings})",
        f"model = DGRL(config, pretrained_backbone={pretrained})",
    ]
