"""`dgrl import-caffe`."""

from pathlib import Path
from typing import Annotated

import typer

from dgrl.commands.common import refuse
from dgrl.extras import require


def import_caffe(
    rln: Annotated[Path, typer.Argument(metavar="RLN.caffemodel", help="The authors' model of stage one.")],
    brn: Annotated[Path, typer.Argument(metavar="BRN.caffemodel", help="The authors' model of stage two.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The checkpoint folder to write.")],
) -> int:
    """Make a checkpoint of the authors' Caffe weights.

    Example: dgrl import-caffe RLN.caffemodel BRN.caffemodel checkpoint
    """
    require("caffe")
    from dgrl.caffe.convert import CaffeError
    from dgrl.caffe.convert import import_caffe as convert

    try:
        convert(rln, brn, out)
    except CaffeError as error:
        refuse(error)
        return 2
    typer.echo(f"{out} holds the authors' network; try: dgrl detect PHOTO --weights {out}")
    return 0
