"""Measure what a user waits for, beside the goals: `python -m benchmarks.speed`. Prints Markdown tables.

Three networks in one run: the shipped one, the same with an untrained BRN of version 1.0's shape (training does not
change its speed), and the published one with random weights. Times are also given in GFLOP: the work that one large
matrix product would do in that time, so that machines can be compared.
"""

import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.inference import flops, inputs
from benchmarks.timing import matrix_rate, seconds, table
from dgrl import DGRL, DGRLConfig
from dgrl.attribution.attribute import attribute
from dgrl.attribution.question import Method, ObjectTarget
from dgrl.checkpoint import default_weights
from dgrl.files import EXAMPLES
from dgrl.images import read_image
from dgrl.report import write_report
from dgrl.running.device import choose_device, rewrite_for_inference
from dgrl.running.memory import keep_freed_memory
from dgrl.running.precision import set_precision
from dgrl.taps import flatten_map

PHOTO = EXAMPLES / "astronaut.jpg"
GOALS = {
    "detect": "45 GFLOP",
    "report of one pass": "2 s",
    "Integrated Gradients": "8 s",
    "Occlusion": "5 s",
}
REPEATS = 3
OLDER = "the same with version 1.0's BRN"
BRN_OF_1 = {
    "refinement_channels": (64, 64, 64, 128, 128, 128),
    "refinement_dilations": (),
    "refinement_padding": "zeros",
    "refinement_sees": "prior",
    "prior": "soft",
}
"""The shape of dgrl-lite's BRN in version 1.0."""


def networks() -> dict[str, DGRL]:
    """Return the networks by name, ready for inference."""
    shipped_one = DGRL.from_pretrained(default_weights())
    torch.manual_seed(0)
    by_name = {
        f"ships ({brn_of(shipped_one)})": shipped_one,
        OLDER: shipped_one.with_new_brn(**BRN_OF_1).eval(),
        "ResNet-50 as published": DGRL(DGRLConfig.published()).eval(),
    }
    device = choose_device()
    for network in by_name.values():
        rewrite_for_inference(network, device)
        set_precision(network, "fp32")
    return by_name


def brn_of(model: DGRL) -> str:
    """Return the size of BRN in words."""
    return f"BRN of {sum(parameter.numel() for parameter in model.brn.parameters()):,} parameters"


def works(model: DGRL, folder: Path) -> dict[str, Callable[[], object]]:
    """Return the functions to time with a network, by name."""
    photo = read_image(PHOTO)
    trace = model.trace(photo)

    def explained(method: Method) -> object:
        return attribute(model, photo, ObjectTarget(), method)

    timed_work: dict[str, Callable[[], object]] = {
        "detect": lambda: model.detect(photo),
        "RLN alone": lambda: model.trace_localised(photo),
        "BRN alone": lambda: model.trace_refined(trace),
        "trace": lambda: model.trace(photo),
        "edited pass": lambda: model.trace(photo, edits=[flatten_map("conv4")]),
        "report of one pass": lambda: write_report(trace, folder, {"photo": PHOTO.name}),
    }
    if trace.found().any():  # a random network finds nothing to explain
        timed_work["Integrated Gradients"] = lambda: explained("integrated_gradients")
        timed_work["Occlusion"] = lambda: explained("occlusion")
    return timed_work


def main() -> None:
    """Measure and print."""
    device = choose_device()
    if device.type == "cpu":
        keep_freed_memory()
    rates = [matrix_rate(device, torch.float32)]
    rows, cost = [], []
    for name, model in networks().items():
        with tempfile.TemporaryDirectory() as folder:
            for task, run in works(model, Path(folder)).items():
                is_slow = task in ("Integrated Gradients", "Occlusion")
                elapsed = timed(run) if is_slow else seconds(run, REPEATS)
                rates.append(matrix_rate(device, torch.float32))
                rate = min(rates[-2:])  # other programs may have slowed the machine meanwhile
                goal = GOALS.get(task, "–") if "published" not in name else "–"
                rows.append([name, task, f"{elapsed:.2f}", f"{elapsed * rate / 1e9:.0f}", goal])
        with torch.inference_mode():
            rln_images, brn_images, saliency = inputs(model, device)
            arithmetic = [flops(model.rln, rln_images), flops(model.brn, brn_images, saliency)]
        cost.append([name, *(f"{count / 1e9:.0f}" for count in arithmetic)])
    threads = torch.get_num_threads()
    print(f"{device}, {threads} threads of {platform.machine()}, torch {torch.__version__}, float32;")
    print(f"matrix product {min(rates) / 1e9:.0f} to {max(rates) / 1e9:.0f} GFLOP/s during the run.\n")
    print(table(["network", "work", "seconds", "GFLOP of the machine's rate", "goal, at most"], rows))
    print()
    print(table(["network", "RLN, GFLOP", "BRN, GFLOP"], cost))


def timed(run: Callable[[], object]) -> float:
    """Return the seconds of one run, without a run to warm up."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
