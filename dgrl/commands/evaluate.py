"""`dgrl evaluate`."""

import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from dgrl.commands.common import Device, Precision, Quality, Steps, Weights, load_model, log, refuse
from dgrl.commands.data import (
    Data,
    Download,
    Images,
    Masks,
    Only,
    SkipBad,
    Without,
    checked_pairs,
    tell,
)
from dgrl.commands.processes import is_main_process, join_processes, leave_processes
from dgrl.evaluation.evaluate import Evaluation, evaluate_maps
from dgrl.evaluation.evaluate import evaluate as run
from dgrl.evaluation.metrics import CURVES, METRICS, THRESHOLDS
from dgrl.evaluation.tables import as_csv
from dgrl.extras import require
from dgrl.files import replacing


def evaluate(
    images: Images = None,
    masks: Masks = None,
    data: Data = None,
    download: Download = False,
    without: Without = None,
    only: Only = None,
    skip_bad: SkipBad = False,
    maps: Annotated[
        Path | None, typer.Option(help="Measure the maps in this folder, named as the pictures; no network runs.")
    ] = None,
    weights: Weights = None,
    steps: Steps = None,
    quality: Quality = "normal",
    refine: Annotated[bool, typer.Option(help="Run BRN too.")] = True,
    stretch: Annotated[bool, typer.Option(help="Stretch each map to [0, 1] first, as the published protocol.")] = True,
    device: Device = "auto",
    precision: Precision = "auto",
    threads: Annotated[int, typer.Option(min=1, help="Threads that compute metrics beside the network.")] = 4,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the numbers here too.")] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Folder for table, numbers of every picture, PR and F curves, and the worst pictures."),
    ] = None,
) -> None:
    """Measure a checkpoint, or the maps of any method, on pictures with masks: every time step, and after BRN.

    Several processes share the work: `torchrun --nproc-per-node N -m dgrl evaluate …`, or `accelerate launch -m dgrl …`
    where there are several GPUs.

    Example: dgrl evaluate --images photos/ --masks masks/ --weights RUN --json scores.json
    """
    if maps is not None and (steps is not None or not refine or quality != "normal"):
        raise typer.BadParameter("--steps, --quality and --no-refine are for a network, not for --maps")
    masks_only = maps is not None and not images
    if masks_only:
        images = masks  # maps are measured by masks alone; a report shows these for the photos
    if report is not None:
        require("report")
    for folder in filter(None, (report, json_file and json_file.parent)):
        folder.mkdir(parents=True, exist_ok=True)  # hours later it would be too late to find that it cannot be made
    checked = checked_pairs(images, masks, without, only, data, download, skip_bad, masks_only)
    share, device = join_processes(device)
    settings = {"threads": threads, "progress": True, "share": share}
    turn_down = refuse if skip_bad else None
    if maps is not None:
        result = evaluate_maps(maps, checked.pairs, stretch, turn_down, **settings)
    else:
        with contextlib.redirect_stdout(sys.stdout if is_main_process() else io.StringIO()):
            model, _ = load_model(weights, device, precision)
        result = run(model, checked.pairs, steps, stretch, refine, turn_down, quality, **settings)
    if is_main_process():
        typer.echo(result.table())
        if json_file is not None:
            write(json_file, json.dumps(result.summary(), indent=2, ensure_ascii=False))
        if report is not None:
            write_report(report, result)
    if share:
        leave_processes()
    skipped = len(checked.problems) + result.refused
    if skipped:
        if is_main_process():
            log.error("dgrl: skipped: %d", skipped)
        raise typer.Exit(2)


def write_report(folder: Path, result: Evaluation) -> None:
    """Write `table.md`, `metrics.json`, `pictures.csv`, `curves.csv`, `curves.png` and `worst.png` to `folder`."""
    from dgrl.figures.evaluation import contact_sheet, curves_figure

    write(folder / "table.md", result.table() + "\n")
    write(folder / "metrics.json", json.dumps(result.summary(), indent=2, ensure_ascii=False))
    pictures = [[row.pair.image.name, row.kind, *(row.scores[name] for name in METRICS)] for row in result.rows]
    write(folder / "pictures.csv", as_csv(["picture", "map", *METRICS], pictures))
    columns = {f"{kind} {name}": curve[name] for kind, curve in result.curves.items() for name in CURVES}
    thresholds = range(THRESHOLDS - 1, -1, -1)
    curves = zip(thresholds, *columns.values(), strict=True)
    write(folder / "curves.csv", as_csv(["threshold", *columns], curves))
    for name, figure in (
        ("curves.png", curves_figure(result.curves, result.protocol)),
        ("worst.png", contact_sheet(result.worst)),
    ):
        with replacing(folder / name) as partial:
            figure.savefig(partial, format="png", dpi=130)
    tell(f"report in {folder}")


def write(path: Path, text: str) -> None:
    """Write a text file, completely or not at all."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
