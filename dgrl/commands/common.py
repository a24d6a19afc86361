"""Options, loading of checkpoints, and messages that several commands share."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from dgrl.model import DGRL

log = logging.getLogger("dgrl.cli")

Weights = Annotated[
    str | None,
    typer.Option(
        envvar="DGRL_WEIGHTS", help="Checkpoint: a folder or a Hugging Face Hub id; by default the one that ships."
    ),
]
Steps = Annotated[
    int | None, typer.Option(min=0, max=100, help="T: RLN runs T + 1 times; by default as often as in training.")
]
Quality = Annotated[
    Literal["normal", "high"],
    typer.Option(help="high averages RLN's maps over the photo and its mirror image: better, and slower."),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Precision = Annotated[
    str,
    typer.Option(
        help="Of BRN: auto, fp32, bf16 or fp16. Auto is fp32; half precision is faster and changes maps by up to 0.03."
    ),
]


def load_model(weights: str | None, device: str = "auto", precision: str = "auto") -> "tuple[DGRL, str]":
    """Return the network, ready to run, and its device and precision in words, which are also printed.

    Raises:
        CheckpointError: the checkpoint cannot be loaded.
        DeviceError: the device or precision cannot be had.
    """
    from dgrl.checkpoint import default_weights
    from dgrl.model import DGRL
    from dgrl.running.device import choose_device, rewrite_for_inference
    from dgrl.running.memory import keep_freed_memory
    from dgrl.running.precision import choose_precision, in_use, set_precision

    chosen = choose_device(device)
    choose_precision(precision)  # an unknown one is refused before anything is loaded
    name = weights or default_weights()
    model = DGRL.from_pretrained(name)
    if chosen.type == "cpu":
        keep_freed_memory()
    rewrite_for_inference(model, chosen)
    machine = in_use(chosen, set_precision(model, precision))
    typer.echo(f"{Path(name).name} on {machine}")
    return model, machine


def refuse(error: Exception) -> None:
    """Report an input that is skipped."""
    log.error("dgrl: %s", one_line(str(error)))
    log.debug("", exc_info=error)


def one_line(text: str) -> str:
    """Replace line breaks by spaces and escape unprintable characters, because file names can contain them."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text.replace("\n", " "))
