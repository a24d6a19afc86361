"""Measure how fast RLN and BRN are, beside other engines: `python -m benchmarks.inference`. Prints Markdown tables.

The rows are this package in float32 and bf16, the same modules as PyTorch runs them by default, and, if it is
installed, OpenCV on the published layers. Each row is measured in its own process, one after the other, on all
processors. One run measures all of them, so that their ratios are fair.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.timing import matrix_rate, peak_memory, seconds, table
from dgrl import DGRL, DGRLConfig
from dgrl.checkpoint import default_weights
from dgrl.running.device import choose_device, rewrite_for_inference
from dgrl.running.memory import keep_freed_memory
from dgrl.running.precision import set_precision

NETWORKS = {"published": "ResNet-50 as published", "lite": "dgrl-lite"}
ENGINES = ("float32", "bf16", "plain", "opencv")
BATCHES = (1, 4, 16)
DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16}
GOALS = {"float32": 1.4, "bf16": 3.0}
"""How many times as fast as OpenCV the published network should be."""
KINDS = {"convolution": "convolutions", "upsample": "resizing", "copy": "copies and casts"}
"""Kinds of PyTorch operators, by a word in their names."""


def load(network: str) -> DGRL:
    """Return the published network with random weights, or the shipped one."""
    torch.manual_seed(0)
    return DGRL(DGRLConfig.published()).eval() if network == "published" else DGRL.from_pretrained(default_weights())


def measure(network: str, engine: str) -> dict[str, Any]:
    """Measure seconds of RLN and BRN on one picture, their operations, pictures/s of batches, and peak memory in MB."""
    if engine == "opencv":
        return measure_opencv()
    model, device = load(network), choose_device()
    rln_images, brn_images, saliency = inputs(model, device)
    if engine == "plain":
        model.to(device)
        with torch.no_grad():
            return times(model, rln_images, brn_images, saliency)
    if device.type == "cpu":
        keep_freed_memory()
    rewrite_for_inference(model, device)
    set_precision(model, "bf16" if engine == "bf16" else "fp32")
    with torch.inference_mode():
        measured = times(model, rln_images, brn_images, saliency)
        measured["flops"] = [flops(model.rln, rln_images), flops(model.brn, brn_images, saliency)]
        photos = torch.randint(256, (max(BATCHES), 3, 480, 640), dtype=torch.uint8, device=device)
        measured["profile"] = profiled(lambda: (model.localise(rln_images), model.brn(brn_images, saliency)))
        measured["memory"] = peak_memory()
        measured["batches"] = [size / seconds(lambda s=size: model(photos[:s]), repeats=2) for size in BATCHES]
    return measured


def inputs(model: DGRL, device: torch.device) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the inputs of RLN and BRN for one photo, and a saliency map."""
    rln_images, brn_images = (torch.rand(1, 3, side, side) for side in (model.config.rln_size, model.config.brn_size))
    return rln_images.to(device), brn_images.to(device), torch.rand_like(brn_images[:, :1]).to(device)


def times(model: DGRL, rln_images: torch.Tensor, brn_images: torch.Tensor, saliency: torch.Tensor) -> dict[str, Any]:
    """Time RLN and BRN, as the network runs them."""
    rln, brn = (seconds(work) for work in (lambda: model.localise(rln_images), lambda: model.brn(brn_images, saliency)))
    return {"rln": rln, "brn": brn}


def flops(module: nn.Module, *arguments: torch.Tensor) -> int:
    """Count floating-point operations of one pass; a multiplication with its addition counts as two."""
    with FlopCounterMode(display=False) as counter:
        module(*arguments)
    return counter.get_total_flops()


def profiled(work: Callable[[], object]) -> dict[str, float]:
    """Return each kind of operator's share of the time."""
    with torch.profiler.profile() as profile:
        work()
    shares = dict.fromkeys([*KINDS.values(), "all else"], 0.0)
    for event in profile.key_averages():
        kind = next((kind for part, kind in KINDS.items() if part in event.key), "all else")
        shares[kind] += event.self_device_time_total or event.self_cpu_time_total
    total_time = sum(shares.values())
    return {kind: time / total_time for kind, time in shares.items()}


def measure_opencv() -> dict[str, Any]:
    """Measure the published layers in OpenCV's Caffe engine, with all its optimisations."""
    import cv2
    import numpy as np

    from tests.helpers.caffe_files import open_opencv, write_model
    from tests.helpers.caffe_network import COPIES, Sizes, brn_network, rln_network

    measured = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, layers, output, shapes in (
            ("rln", rln_network(Sizes()), "prob-net3", {f"data{copy}": (1, 3, 384, 384) for copy in COPIES}),
            ("brn", brn_network(), "prob", {"data": (1, 3, 480, 480), "data_sal": (1, 1, 480, 480)}),
        ):
            path = Path(folder) / f"{name}.caffemodel"
            write_model(path, layers)
            net = open_opencv(path, layers, shapes)
            for key, shape in shapes.items():
                net.setInput(np.random.default_rng(0).uniform(0, 1, shape).astype(np.float32), key)
            measured[name] = seconds(lambda net=net, output=output: net.forward(output))
    return measured | {"version": cv2.__version__}


def report(results: dict[tuple[str, str], dict[str, Any]], rates: dict[str, float]) -> str:
    """Return the tables."""
    opencv = results.get(("published", "opencv"))
    lines, batches = [], []
    for (network, engine), measured in results.items():
        total = measured["rln"] + measured["brn"]
        line = [NETWORKS[network], engine, *(f"{measured[name]:.2f}" for name in ("rln", "brn"))]
        plain_times = results[network, "plain"]
        line.append(f"{(plain_times['rln'] + plain_times['brn']) / total:.1f}")
        line.append(f"{(opencv['rln'] + opencv['brn']) / total:.1f}" if opencv and network == "published" else "–")
        line += shares(measured, engine, rates)
        line.append(f"{measured['memory']:.0f}" if "memory" in measured else "–")
        lines.append(line)
        if "batches" in measured:
            batches.append([NETWORKS[network], engine, *(f"{speed:.2f}" for speed in measured["batches"])])
    columns = ["network", "engine", "RLN, s", "BRN, s", "times plain", "times OpenCV"]
    columns += ["RLN, share of matrix rate", "BRN, share", "peak memory, MB"]
    headings = ["photos/s", "engine", *(f"batch of {size}" for size in BATCHES)]
    return "\n\n".join([table(columns, lines), table(headings, batches), profiles(results), limits(results, rates)])


def profiles(results: dict[tuple[str, str], dict[str, Any]]) -> str:
    """Return the table of what RLN and BRN together spend their time on."""
    rows = [
        [NETWORKS[network], engine, *(f"{share:.0%}" for share in measured["profile"].values())]
        for (network, engine), measured in results.items()
        if "profile" in measured
    ]
    return table(["share of the time", "engine", *KINDS.values(), "all else"], rows)


def limits(results: dict[tuple[str, str], dict[str, Any]], rates: dict[str, float]) -> str:
    """Compare the published network with OpenCV: goal, result, and what the matrix rate would allow."""
    opencv = results.get(("published", "opencv"))
    rows = []
    for engine, goal in GOALS.items():
        measured = results.get(("published", engine))
        if opencv and measured:
            opencv_seconds = opencv["rln"] + opencv["brn"]
            reached, possible = (
                opencv_seconds / (measured["rln"] + measured["brn"]),
                opencv_seconds * rates[engine] / sum(measured["flops"]),
            )
            rows.append([engine, f"{goal:.1f}", f"{reached:.2f}", f"{possible:.2f}"])
    return table(["times OpenCV", "goal", "reached", "if all ran at the matrix rate"], rows)


def shares(measured: dict[str, Any], engine: str, rates: dict[str, float]) -> list[str]:
    """Return RLN's and BRN's shares of the machine's rate; under bf16, RLN may compute in both precisions."""
    if "flops" not in measured:
        return ["–", "–"]
    return [
        f"{count / measured[name] / rates[engine]:.0%}"
        for count, name in zip(measured["flops"], ("rln", "brn"), strict=True)
    ]


def main() -> None:
    """Measure everything, or print one row as JSON (`--only NETWORK ENGINE`)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs=2, metavar=("NETWORK", "ENGINE"))
    combination = parser.parse_args().only
    if combination:
        print(json.dumps(measure(*combination)))
        return
    results = {}
    for network in NETWORKS:
        for engine in ENGINES:
            if engine == "opencv" and network != "published":
                continue
            command = [sys.executable, "-m", "benchmarks.inference", "--only", network, engine]
            process = subprocess.run(command, capture_output=True, text=True, check=False)
            if process.returncode:
                print(f"{network}, {engine}: {process.stderr.strip().splitlines()[-1]}", file=sys.stderr)
                continue
            results[network, engine] = json.loads(process.stdout.splitlines()[-1])
    device = choose_device()
    rates = {name: matrix_rate(device, dtype) for name, dtype in DTYPES.items()}
    print(f"{device}, {torch.get_num_threads()} threads of {platform.machine()}, torch {torch.__version__};")
    print(f"matrix product {rates['float32'] / 1e9:.0f} GFLOP/s in float32, {rates['bf16'] / 1e9:.0f} in bf16.\n")
    print(report(results, rates))


if __name__ == "__main__":
    main()
