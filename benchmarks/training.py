"""Measure how fast RLN trains: `python -m benchmarks.training [--backbone NAME] [--size S] [--batch-size B] …`.

The default is the shipped network on a CPU; for ResNet-50 on a GPU, pass its name and `--precision bf16`.

Prints a Markdown table of pictures/s for forward pass, backward pass and update on pictures in memory. It also gives
the operations of an update, where the backward pass counts as two forward passes, and what share of the matrix
product's rate they reach on the same device in the same run.
"""

import argparse

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.timing import matrix_rate, seconds, table
from dgrl.data.batch import Batch
from dgrl.model import DGRL
from dgrl.network.config import DGRLConfig
from dgrl.running.device import choose_device
from dgrl.training.config import TrainingConfig
from dgrl.training.loop import fastest, make_optimiser
from dgrl.training.stages import make_stage

DTYPES = {"no": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
COLUMNS = ("batch", "compiled", "pictures/s", "GFLOP per picture", "share of the matrix rate", "memory, GB")


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line, or `arguments` of another benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="tf_efficientnet_lite0")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch-size", type=int, nargs="+", default=[8])
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--precision", choices=DTYPES, default="no")
    parser.add_argument("--device", default="auto")
    return parser.parse_args(arguments)


def main() -> None:
    """Measure what the command line asks for."""
    parsed = options()
    device = choose_device(parsed.device)
    with fastest(device):
        report(parsed, device)


def report(options: argparse.Namespace, device: torch.device) -> None:
    """Measure and print the table."""
    rate = matrix_rate(device, DTYPES[options.precision])
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    print(f"{options.backbone}, {options.size}×{options.size}, T = {options.steps}, {options.precision}, {name}")
    print(f"torch {torch.__version__}, matrix product {rate / 1e12:.2f} TFLOP/s\n")
    rows = [
        row(options, device, rate, batch_size, compiled)
        for batch_size in options.batch_size
        for compiled in (False, True)
    ]
    print(table(COLUMNS, rows))


def row(options: argparse.Namespace, device: torch.device, rate: float, batch_size: int, compiled: bool) -> list[str]:
    """Return one row of the table; it says so if the GPU's memory is too small."""
    cells = [str(batch_size), "yes" if compiled else "no"]
    try:
        return [*cells, *measure(options, device, rate, batch_size, compiled)]
    except torch.cuda.OutOfMemoryError:
        return [*cells, "does not fit", *["–"] * (len(COLUMNS) - 3)]
    finally:
        if device.type == "cuda":
            torch.cuda.empty_cache()


def measure(
    options: argparse.Namespace, device: torch.device, rate: float, batch_size: int, compiled: bool
) -> list[str]:
    """Measure speed, operations, share of the matrix product's rate, and the device's memory."""
    config = TrainingConfig(size=options.size, steps=options.steps, precision=options.precision)
    model = DGRL(DGRLConfig(backbone=options.backbone, steps=options.steps)).to(device)
    stage = make_stage(model, config).train().to(memory_format=torch.channels_last)
    optimiser = make_optimiser(stage, config)
    images = torch.rand(batch_size, 3, options.size, options.size, device=device)
    images = images.to(memory_format=torch.channels_last)
    masks = (torch.rand(batch_size, 1, options.size, options.size, device=device) > 0.8).float()
    batch = Batch(images, masks)

    scaler = torch.amp.GradScaler(device.type, enabled=options.precision == "fp16")

    def update() -> None:
        with torch.autocast(device.type, DTYPES[options.precision], enabled=options.precision != "no"):
            loss = stage(batch)
        scaler.scale(loss).backward()
        scaler.step(optimiser)
        scaler.update()
        optimiser.zero_grad()

    # Count the forward pass only: in backward passes PyTorch counts depthwise convolutions as full ones.
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        stage(batch)
    if compiled:
        model.rln.compile()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elapsed = seconds(update)
    flops = 3 * counter.get_total_flops()
    memory = f"{torch.cuda.max_memory_allocated(device) / 1e9:.1f}" if device.type == "cuda" else "–"
    return [
        f"{batch_size / elapsed:.1f}",
        f"{flops / batch_size / 1e9:.0f}",
        f"{flops / elapsed / rate:.0%}",
        memory,
    ]


if __name__ == "__main__":
    main()
