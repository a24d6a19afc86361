"""`dgrl evaluate`."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from dgrl import evaluation
from dgrl.commands.common import Device, Precision, Steps, Weights, load_model
from dgrl.commands.data import Images, Masks, Only, Without, pairs_of


def evaluate(
    images: Images,
    masks: Masks,
    without: Without = None,
    only: Only = None,
    weights: Weights = None,
    steps: Steps = None,
    refine: Annotated[bool, typer.Option(help="Run BRN too.")] = True,
    stretch: Annotated[bool, typer.Option(help="Stretch each map to [0, 1] first, as the published protocol.")] = True,
    device: Device = "auto",
    precision: Precision = "auto",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the numbers here too.")] = None,
) -> None:
    """Measure a checkpoint on pictures with masks: every time step, and after BRN."""
    pairs = pairs_of(images, masks, without, only)
    model, running = load_model(weights, device, precision)
    with running:
        result = evaluation.evaluate(model, tqdm(pairs, unit="picture"), steps, stretch, refine)
    typer.echo(result.table())
    if json_file is not None:
        json_file.write_text(json.dumps(dataclasses.asdict(result), indent=2), encoding="utf-8")
