"""Measure how fast one GPU trains ResNet-50 as published (384², T = 2), and how fast pictures are read.

`python -m benchmarks.gpu` prints the tables that `make gpu` writes to the page. `--device cpu` runs a smaller test.
"""

import argparse
import os

import torch

from benchmarks import data, training
from benchmarks.timing import matrix_rate, table
from dgrl.running.device import choose_device
from dgrl.training.loop import fastest

BATCHES = (16, 32, 64)
COMPILED = (16, 32)
"""Batch sizes that are also measured compiled: each takes a minute or two."""


def main() -> None:
    """Measure training, then reading."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    device = choose_device(parser.parse_args().device)
    on_gpu = device.type == "cuda"
    name = torch.cuda.get_device_name(device) if on_gpu else "CPU, smaller than on a GPU"
    print(f"{name}, torch {torch.__version__}, {os.cpu_count()} processors")
    settings = ["--backbone", "resnet50", "--size", "384", "--steps", "2"]
    if not on_gpu:
        settings = ["--backbone", "test_resnet", "--size", "64", "--steps", "1"]
    rows = []
    for precision in ("bf16", "fp16", "no") if on_gpu else ("no",):
        options = training.options([*settings, "--precision", precision])
        rate = matrix_rate(device, training.DTYPES[precision])
        batches = BATCHES if on_gpu else (2,)
        runs = [(size, False) for size in batches]
        runs += [(size, True) for size in COMPILED if on_gpu and precision == "bf16"]
        rows += [[precision, *training.row(options, device, rate, *run)] for run in runs]
        print(f"matrix product in {precision}: {rate / 1e12:.1f} TFLOP/s")
    print()
    print(table(["precision", *training.COLUMNS], rows), end="\n\n")
    data.main()


if __name__ == "__main__":
    with fastest(torch.device("cuda" if torch.cuda.is_available() else "cpu")):
        main()
