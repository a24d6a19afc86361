"""`dgrl export`."""

from pathlib import Path
from typing import Annotated

import typer

from dgrl.commands.common import Steps, Weights, one_line


def export(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE.onnx", help="The file to write.")],
    weights: Weights = None,
    steps: Steps = None,
    half: Annotated[
        bool, typer.Option("--half", help="Store the weights in half precision: half as large, maps within .01.")
    ] = False,
    without_edits: Annotated[
        bool, typer.Option("--without-edits", help="Leave out the inputs that stand for edits: only photos go in.")
    ] = False,
) -> None:
    """Write a checkpoint as ONNX: every map an output, every edit an input.

    onnxruntime checks the file against the network before it is kept. docs/onnx.md shows how to feed it.

    Example: dgrl export -o model.onnx
    """
    from dgrl.checkpoint import default_weights
    from dgrl.export import export as write
    from dgrl.model import DGRL

    if out.is_dir():
        raise typer.BadParameter(f"{out} is a folder; name a file", param_hint="--out")
    name = weights or default_weights()
    exported = write(DGRL.from_pretrained(name), out, steps, half, edits=not without_edits)
    typer.echo(one_line(f"{Path(name).name} -> {out} ({exported.megabytes:.1f} MB, opset {exported.opset})"))
    for kind, shapes in (("input", exported.inputs), ("output", exported.outputs)):
        for port, shape in shapes.items():
            edit = ", an edit" if port in exported.altering else ""
            typer.echo(f"  {kind:<7}{port:<32}{'×'.join(map(str, shape))}{edit}")
    typer.echo(f"onnxruntime gives what the network gives, within {exported.difference:.1g}")
