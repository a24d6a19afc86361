"""`dgrl trace`."""

from pathlib import Path
from typing import Annotated

import typer

from dgrl.commands.common import Device, Precision, Steps, Weights, load_model, one_line, refuse


def trace(
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="A picture.")],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder to fill; by default STEM_trace in the current one.")
    ] = None,
    weights: Weights = None,
    steps: Steps = None,
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """Show how a photo's object was found.

    The folder receives report.html (open it in a browser), trace.npz (every number; dgrl.Trace.load reads it),
    saliency.png, cutout.png, and every map and figure as PNG. The report and its figures need Matplotlib (the extra
    "report").

    Example: dgrl trace photo.jpg -o photo_trace
    """
    from dgrl import __version__, images
    from dgrl.checkpoint import default_weights
    from dgrl.extras import how_to_install, missing_packages
    from dgrl.report import write_numbers, write_report

    try:
        picture = images.read_image(photo)
    except images.ImageError as error:
        refuse(error)
        raise typer.Exit(2) from error
    folder = out or Path(f"{photo.stem}_trace")
    if folder.exists() and not folder.is_dir():
        raise typer.BadParameter(f"{folder} is a file; name a folder", param_hint="--out")
    weights = weights or default_weights()
    model, machine = load_model(weights, device, precision)
    traced = model.trace(picture, steps)
    facts = {
        "photo": photo.name,
        "checkpoint": Path(weights).name,
        "backbone": model.config.backbone,
        "ran on": machine,
        "program": f"dgrl {__version__}",
    }
    folder.mkdir(parents=True, exist_ok=True)
    if packages := missing_packages("report"):
        write_numbers(traced, folder)
        typer.echo(one_line(f"{photo} -> {folder}"))
        typer.echo(f"no report.html: {how_to_install('report', packages[0])}", err=True)
    else:
        write_report(traced, folder, facts)
        typer.echo(one_line(f"{photo} -> {folder / 'report.html'}"))
