"""`dgrl detect`."""

import contextlib
import errno
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dgrl.commands.common import Device, Precision, Quality, Steps, Weights, load_model, log, one_line, refuse
from dgrl.commands.processes import is_main_process, join_processes, leave_processes, process_count, process_number
from dgrl.files import replacing, sweep

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from dgrl import images
    from dgrl.images.cutouts import Background

STANDARD_OUTPUT = Path("-")
MOST_BYTES = 2**30  # of standard input

# What is wrong with one name and not with the disk: too long, impossible there, or a folder's.
_ABOUT_THE_NAME = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.EISDIR, errno.ENOTEMPTY, errno.EEXIST)


def detect(
    photos: Annotated[
        list[Path],
        typer.Argument(metavar="PHOTO_OR_FOLDER...", help="Pictures, or folders of them; - is standard input."),
    ],
    out: Annotated[
        Path,
        typer.Option("-o", "--out", help="Folder for the maps; or, for a single photo, a .png file, or - to print it."),
    ] = Path("saliency"),
    cutout: Annotated[bool, typer.Option("--cutout", help="Also write STEM_cutout.png, on transparency.")] = False,
    background: Annotated[
        str | None,
        typer.Option(metavar="COLOUR|PICTURE|blur", help="Cut-outs on a colour, a picture or their photo, blurred."),
    ] = None,
    trim: Annotated[bool, typer.Option("--trim", help="Cut-outs no larger than the object.")] = False,
    threshold: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Maps and cut-outs of two values only: white, or there, above this."),
    ] = None,
    weights: Weights = None,
    steps: Steps = None,
    quality: Quality = "normal",
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """Find the salient object of photos: STEM.png is a grey map of each photo's size, white where the object is.

    Photos are never overwritten; maps of an earlier run are. A photo that cannot be read is reported, the rest done.
    With `-o -` the map, or with any option for cut-outs the cut-out, goes to standard output as PNG.
    Several processes, or GPUs, share the photos: `torchrun --nproc-per-node N -m dgrl detect …`.
    """
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm

    from dgrl import images
    from dgrl.commands.overlap import Behind, ahead
    from dgrl.commands.photos import cutout_path, find_photos
    from dgrl.images.cutouts import Background, binary
    from dgrl.images.marking import save_marked

    cutout = cutout or trim or background is not None
    ground = None if background is None else Background.named(background)
    refused: list[Exception] = []
    written: list[Path] = []

    def turn_down(error: Exception) -> None:
        refused.append(error)
        refuse(error)

    def save(picture: "Image.Image", path: Path) -> None:
        with replacing(path) as partial:
            save_marked(picture, partial, compress_level=3)  # level 6 takes twice as long

    def write(path: Path, photo: "images.Photo", saliency: "NDArray[np.float32]") -> None:
        if threshold is not None:
            saliency = binary(saliency, threshold)
        if printed:
            print_png(finished(path, photo, saliency, ground, trim) if cutout else images.to_grey(saliency))
            return
        try:
            save(images.to_grey(saliency), maps[path])
            if cutout:
                save(finished(path, photo, saliency, ground, trim), cutout_path(maps[path]))
        except OSError as error:
            if getattr(error.__cause__, "errno", None) not in _ABOUT_THE_NAME:
                raise  # the next file would meet the same
            turn_down(error)
            return
        written.append(path)
        if not show_bar:
            typer.echo(one_line(f"{path} -> {maps[path]}"))

    share, device = join_processes(device)
    tell, pass_over = (turn_down, refuse) if is_main_process() else (refused.append, lambda _: None)
    found = find_photos(photos, tell, pass_over, out)
    check_streams(found, out)
    printed = out == STANDARD_OUTPUT
    maps = {} if printed else map_paths(found, out)
    for folder in {path.parent for path in maps.values()}:
        sweep(folder)
    mine = found[process_number() :: process_count()]
    show_bar = sys.stderr.isatty() and len(found) > 1 and not share
    with contextlib.ExitStack() as stack:
        if mine:
            with contextlib.redirect_stdout(io.StringIO() if printed else sys.stdout):
                model, _ = load_model(weights, device, precision)
        if show_bar:
            stack.enter_context(logging_redirect_tqdm([log]))
        writer = stack.enter_context(Behind())
        read = stack.enter_context(contextlib.closing(ahead(read_given, mine)))
        for path, reading in tqdm(read, total=len(mine), unit="photo", disable=not show_bar):
            try:
                photo = reading.result()
            except images.ImageError as error:
                turn_down(error)
                continue
            writer.submit(write, path, photo, model.detect(photo.seen, steps, quality=quality))
    if show_bar:
        typer.echo(f"{len(written)} of {len(found)} maps are in {one_line(str(out))}")
    if share:
        leave_processes()
    if refused:
        raise typer.Exit(2)


def check_streams(photos: list[Path], out: Path) -> None:
    """BadParameter if standard input or output cannot be what is asked of it."""
    from dgrl.commands.photos import STANDARD_INPUT

    streams = STANDARD_INPUT in photos or out == STANDARD_OUTPUT
    if streams and process_count() > 1:
        raise typer.BadParameter("standard input and output are for one process")
    if STANDARD_INPUT in photos and sys.stdin.isatty():
        raise typer.BadParameter("standard input is the terminal; send a picture: dgrl detect - < photo.jpg")
    if out == STANDARD_OUTPUT and len(photos) > 1:
        raise typer.BadParameter(f"standard output takes one picture, not {len(photos)}", param_hint="--out")
    if out == STANDARD_OUTPUT and sys.stdout.isatty():
        raise typer.BadParameter("standard output is the terminal; send it to a file: -o - > map.png")


def read_given(path: Path) -> "images.Photo":
    """The photo of a path that `find_photos` gave; ImageError if it cannot be read."""
    from dgrl import images
    from dgrl.commands.photos import STANDARD_INPUT

    if path != STANDARD_INPUT:
        return images.read_photo(path)
    content = sys.stdin.buffer.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise images.ImageError(f"standard input: it has more than {MOST_BYTES // 2**20:,} MB")
    return images.read_photo(io.BytesIO(content))


def finished(
    path: Path, photo: "images.Photo", saliency: "NDArray[np.float32]", ground: "Background | None", trim: bool
) -> "Image.Image":
    """The cut-out of a photo, on its background if there is one, and trimmed if it should be."""
    from dgrl.images.cutouts import cut_out, trimmed

    cut = cut_out(photo, saliency)
    picture = cut if ground is None else ground.under(cut, photo)
    if not trim:
        return picture
    cropped = trimmed(picture, cut)
    if cropped is None:
        log.error("dgrl: %s", one_line(f"{path}: nothing is found in it, so its cut-out is not trimmed"))
    return picture if cropped is None else cropped


def print_png(picture: "Image.Image") -> None:
    """A picture to standard output."""
    from dgrl.images.marking import save_marked

    save_marked(picture, sys.stdout.buffer)
    sys.stdout.buffer.flush()


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
