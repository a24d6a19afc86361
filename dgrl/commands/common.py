"""What commands share: options, loading a checkpoint, reporting and writing."""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from dgrl.shipped import WEIGHTS

if TYPE_CHECKING:
    from dgrl.model import DGRL

log = logging.getLogger("dgrl.cli")

SHIPPED_WEIGHTS = WEIGHTS / "dgrl-lite"
HUB_WEIGHTS: str | None = None  # the Hub id of the same weights, once they are published there

PARTIAL = ".dgrl-{}.partial"
STALE_SECONDS = 3600  # nothing takes so long to write

Weights = Annotated[
    str | None,
    typer.Option(
        envvar="DGRL_WEIGHTS", help="Checkpoint: a folder or a Hugging Face Hub id; by default the one that ships."
    ),
]
Steps = Annotated[
    int | None, typer.Option(min=0, max=100, help="T: RLN runs T + 1 times; by default as often as in training.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Precision = Annotated[str, typer.Option(help="auto, fp32, bf16 or fp16; auto is bf16 where the hardware has it.")]


def default_weights() -> str:
    """The checkpoint to take if none is named; CheckpointError if there is none."""
    if (SHIPPED_WEIGHTS / "config.json").is_file():
        return str(SHIPPED_WEIGHTS)
    if HUB_WEIGHTS is not None:
        return HUB_WEIGHTS
    from dgrl.model import CheckpointError

    raise CheckpointError("no checkpoint ships with this installation; name a folder or a Hub id with --weights")


class Loaded(NamedTuple):
    """A network on its device, and what is in use, in words."""

    model: "DGRL"
    machine: str


def load_model(weights: str | None, device: str = "auto", precision: str = "auto") -> Loaded:
    """The network, ready to run; says what is in use.

    Raises:
        CheckpointError: the checkpoint cannot be loaded.
        DeviceError: the device or precision cannot be had.
    """
    from dgrl.device import choose_device, rewrite_for_inference
    from dgrl.memory import keep_freed_memory
    from dgrl.model import DGRL
    from dgrl.precision import choose_precision, in_use, settle_precision

    chosen = choose_device(device)
    choose_precision(precision, chosen)  # an unknown one is refused before anything is loaded
    name = weights or default_weights()
    model = DGRL.from_pretrained(name)
    if chosen.type == "cpu":
        keep_freed_memory()
    rewrite_for_inference(model, chosen)
    settled, difference = settle_precision(model, precision)
    machine = in_use(chosen, settled, difference)
    typer.echo(f"{Path(name).name} on {machine}")
    return Loaded(model, machine)


def refuse(error: Exception) -> None:
    """Report an input that is passed over."""
    log.error("dgrl: %s", one_line(str(error)))
    log.debug("", exc_info=error)


def one_line(text: str) -> str:
    """Text without line breaks, and with what cannot be printed escaped: file names can hold anything."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text.replace("\n", " "))


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; the file takes its place when it is whole, and not at all after an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(PARTIAL.format(os.getpid()))
    try:
        yield partial
        partial.replace(path)
    except OSError as error:  # few of them say which file they are about
        raise OSError(f"{path}: it cannot be written ({error.strerror or error})") from error
    finally:
        partial.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Delete what runs that were killed, an hour ago or more, have left of their `replacing` in `folder`."""
    for partial in folder.glob(PARTIAL.format("*")):
        with suppress(OSError):
            if time.time() - partial.stat().st_mtime > STALE_SECONDS:
                partial.unlink()
