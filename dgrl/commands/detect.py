"""`dgrl detect`."""

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dgrl.commands.common import Device, Precision, Steps, Weights, load_model, log, one_line, refuse
from dgrl.commands.processes import is_main_process, join_processes, leave_processes, process_count, process_number
from dgrl.files import replacing, sweep

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dgrl import images


def detect(
    photos: Annotated[list[Path], typer.Argument(metavar="PHOTO_OR_FOLDER...", help="Pictures, or folders of them.")],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder for the maps; or, for a single photo, a .png file.")
    ] = Path("saliency"),
    cutout: Annotated[bool, typer.Option("--cutout", help="Also write STEM_cutout.png, on transparency.")] = False,
    weights: Weights = None,
    steps: Steps = None,
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """Find the salient object of photos: STEM.png is a grey map of each photo's size, white where the object is.

    Photos are never overwritten; maps of an earlier run are. A photo that cannot be read is reported, the rest done.
    Several processes, or GPUs, share the photos: `torchrun --nproc-per-node N -m dgrl detect …`.
    """
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm

    from dgrl import images
    from dgrl.commands.overlap import Behind, ahead
    from dgrl.commands.photos import cutout_path, find_photos

    refused: list[Exception] = []
    written: list[Path] = []

    def turn_down(error: Exception) -> None:
        refused.append(error)
        refuse(error)

    def write(path: Path, photo: "images.RGB", saliency: "NDArray[np.float32]") -> None:
        with replacing(maps[path]) as partial:
            images.to_grey(saliency).save(partial, "PNG")
        if cutout:
            with replacing(cutout_path(maps[path])) as partial:
                images.cutout(photo, saliency).save(partial, "PNG", compress_level=3)  # level 6 takes twice as long
        written.append(path)
        if not show_bar:
            typer.echo(one_line(f"{path} -> {maps[path]}"))

    share, device = join_processes(device)
    found = find_photos(photos, turn_down if is_main_process() else refused.append)
    maps = map_paths(found, out)
    for folder in {path.parent for path in maps.values()}:
        sweep(folder)
    mine = found[process_number() :: process_count()]
    show_bar = sys.stderr.isatty() and len(found) > 1 and not share
    with contextlib.ExitStack() as stack:
        if mine:
            model, _ = load_model(weights, device, precision)
        if show_bar:
            stack.enter_context(logging_redirect_tqdm([log]))
        writer = stack.enter_context(Behind())
        read = stack.enter_context(contextlib.closing(ahead(images.read_image, mine)))
        for path, reading in tqdm(read, total=len(mine), unit="photo", disable=not show_bar):
            try:
                photo = reading.result()
            except images.ImageError as error:
                turn_down(error)
                continue
            writer.submit(write, path, photo, model.detect(photo, steps))
    if show_bar:
        typer.echo(f"{len(written)} of {len(found)} maps are in {one_line(str(out))}")
    if share:
        leave_processes()
    if refused:
        raise typer.Exit(2)


def map_paths(photos: list[Path], out: Path) -> dict[Path, Path]:
    """Where each photo's map goes; BadParameter if `out` can be neither a folder for all nor a file for one."""
    from dgrl.commands.photos import name_maps
    from dgrl.images import IMAGE_SUFFIXES

    if out.suffix.lower() not in IMAGE_SUFFIXES or out.is_dir():
        if out.exists() and not out.is_dir():
            raise typer.BadParameter(f"{out} is a file; name a folder", param_hint="--out")
        return name_maps(photos, out)
    if out.suffix.lower() != ".png":
        raise typer.BadParameter(f"{out}: maps are PNG files; name a folder or a .png file", param_hint="--out")
    if len(photos) > 1:
        raise typer.BadParameter(f"{out} is one file, for {len(photos)} photos; name a folder", param_hint="--out")
    if any(photo.resolve() == out.resolve() for photo in photos):
        raise typer.BadParameter(f"{out} is the photo itself", param_hint="--out")
    return dict.fromkeys(photos, out)
