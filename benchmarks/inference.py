"""How long RLN and BRN take: `python -m benchmarks.inference [WEIGHTS]`. Prints a Markdown table."""

import platform
import sys
import time
from collections.abc import Callable

import torch

from dgrl import DGRL, DGRLConfig
from dgrl.commands.common import default_weights
from dgrl.device import Precision, choose_device, in_use, inference, place

REPEATS = 5
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")


def seconds(work: Callable[[], object]) -> float:
    """The fastest of a few runs, after one to warm up."""
    work()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times)


def measure(model: DGRL, device: torch.device, precision: Precision) -> list[float]:
    """Seconds for RLN, for BRN, and from a photo's tensor to its map, all with one 640×480 photo."""
    photo = torch.randint(256, (1, 3, 480, 640), dtype=torch.uint8, device=device)
    saliency = torch.rand(1, 1, 384, 384, device=device)
    with inference(device, precision):
        return [
            seconds(lambda: model.localise(photo)),
            seconds(lambda: model.refine(photo, saliency)),
            seconds(lambda: model(photo)),
        ]


def main() -> None:
    """Measure the shipped network and the published one (random weights) in float32 and bf16."""
    device = choose_device("auto")
    networks = {
        "shipped": DGRL.from_pretrained(sys.argv[1] if len(sys.argv) > 1 else default_weights()),
        "ResNet-50, random weights": DGRL(DGRLConfig()).eval(),
    }
    machine = f"{torch.get_num_threads()} threads of {platform.machine()}"
    print(f"{machine}, {in_use(device, 'fp32')}, torch {torch.__version__}\n")
    print("| network | precision | RLN, s | BRN, s | photo to map, s |\n|---|---|---|---|---|")
    for name, model in networks.items():
        place(model, device)
        for precision in PRECISIONS:
            times = " | ".join(f"{value:.2f}" for value in measure(model, device, precision))
            print(f"| {name} | {precision} | {times} |", flush=True)


if __name__ == "__main__":
    main()
