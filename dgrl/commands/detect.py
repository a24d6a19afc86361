"""`dgrl detect`."""

import contextlib
import errno
import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dgrl.commands.common import Device, Precision, Quality, Steps, Weights, load_model, log, one_line, refuse
from dgrl.commands.processes import is_main_process, join_processes, leave_processes, process_count, process_number
from dgrl.files import sweep

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dgrl import images
    from dgrl.commands.results import Results, Targets

STANDARD_OUTPUT = Path("-")
MOST_BYTES = 2**30  # of standard input

# Errors about one name and not about the disk: it is too long, not allowed there, or a folder's.
_ABOUT_THE_NAME = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.EISDIR, errno.ENOTEMPTY, errno.EEXIST)

Out = Annotated[
    Path,
    typer.Option("-o", "--out", help="Folder for the results; or, for one photo, a .png, .webp or .jpg file, or -."),
]
Cutout = Annotated[bool, typer.Option("--cutout", help="Also write STEM_cutout.png, on transparency.")]
CutoutOnly = Annotated[bool, typer.Option("--cutout-only", help="Write the cut-out and no map.")]
Ground = Annotated[
    str | None,
    typer.Option(
        "--background",
        metavar="COLOUR|PICTURE|blur",
        help="Cut-outs on a colour, a picture or their photo, blurred: --background white.",
    ),
]
Trim = Annotated[
    int | None,
    typer.Option(
        "--trim",
        metavar="[MARGIN]",
        min=0,
        help="Cut-outs no larger than the object, or with a margin of so many pixels: --trim 20.",
    ),
]
Threshold = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="Maps and cut-outs of two values only: white, or there, above this."),
]
Largest = Annotated[bool, typer.Option("--largest", help="Keep only the largest object.")]
Invert = Annotated[bool, typer.Option("--invert", help="Keep what is not the object.")]
Format = Annotated[str | None, typer.Option("--format", metavar="png|webp|jpg", help="Format of the results; png.")]
Recursive = Annotated[
    bool, typer.Option("-r", "--recursive", help="Folders within folders too; results keep the same tree.")
]
SkipExisting = Annotated[
    bool, typer.Option("--skip-existing", help="Skip photos whose results exist, to go on where a run stopped.")
]
Matting = Annotated[
    bool,
    typer.Option(
        "--matting", help="Edges as fine as the photo's own: hair, thin lines. Takes seconds to minutes more, by size."
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print a line of JSON for each photo: files, box, area (share), mean saliency.")
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print errors only.")]
Video = Annotated[
    bool,
    typer.Option(
        "--video",
        help="Every frame of videos and animated pictures, without sound; results are webm (by default), mp4 or png: "
        "clip.mp4 -o cutout.webm --video --cutout-only.",
    ),
]


def detect(
    photos: Annotated[
        list[Path],
        typer.Argument(metavar="PHOTO_OR_FOLDER...", help="Pictures, or folders of them; - is standard input."),
    ],
    out: Out = Path("saliency"),
    recursive: Recursive = False,
    skip_existing: SkipExisting = False,
    format: Format = None,
    cutout: Cutout = False,
    cutout_only: CutoutOnly = False,
    background: Ground = None,
    trim: Trim = None,
    box: Annotated[
        str | None,
        typer.Option(metavar="X0,Y0,X1,Y1", help="Find the object in this box, in pixels: --box 40,20,310,420."),
    ] = None,
    point: Annotated[
        str | None, typer.Option(metavar="X,Y", help="Find the object under this pixel: --point 180,240.")
    ] = None,
    largest: Largest = False,
    threshold: Threshold = None,
    invert: Invert = False,
    matting: Matting = False,
    as_json: Json = False,
    quiet: Quiet = False,
    video: Video = False,
    weights: Weights = None,
    steps: Steps = None,
    quality: Quality = "normal",
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """Find the salient object of photos: STEM.png is a grey map of each photo's size, white where the object is.

    Photos are never overwritten; maps of an earlier run are, except with --skip-existing. A photo that cannot be read
    is reported, and the rest are done. With `-o -` the map, or with any option for cut-outs the cut-out, goes to
    standard output as PNG. Several processes, or GPUs, share the photos: `torchrun --nproc-per-node N -m dgrl detect`.

    Examples:

      dgrl detect photo.jpg -o cutout.png --cutout-only --trim 20

      dgrl detect holiday/ -o out --recursive --skip-existing --cutout

      dgrl detect two.jpg --box 40,20,310,420

      dgrl detect clip.mp4 -o cutout.webm --video --cutout-only
    """
    from dgrl.commands.photos import find_photos
    from dgrl.commands.prompting import read_prompt
    from dgrl.trace import FOUND

    results = chosen_results(cutout, cutout_only, background, trim, threshold, largest, invert, matting)
    prompt = read_prompt(box, point)
    errors: list[Exception] = []

    def turn_down(error: Exception) -> None:
        errors.append(error)
        refuse(error)

    if video:
        from dgrl.commands.video import check_options, detect_videos, video_targets

        chosen = {
            "--box": box is not None,
            "--point": point is not None,
            "--trim": trim is not None,
            "--recursive": recursive,
        }
        chosen |= {"--json": as_json, "--skip-existing": skip_existing, "-o -": out == STANDARD_OUTPUT}
        check_options(photos, chosen)
        targets, kind = video_targets(photos, out, results, format)
        with contextlib.redirect_stdout(io.StringIO() if quiet else sys.stdout):
            model, _ = load_model(weights, device, precision)
            if detect_videos(
                targets, kind, lambda photo: model.detect(photo.seen, steps, quality=quality), results, turn_down
            ):
                return
        raise typer.Exit(2)
    share, device = join_processes(device)
    tell, pass_over = (turn_down, refuse) if is_main_process() else (errors.append, lambda _: None)
    paths = find_photos(photos, tell, pass_over, out, recursive)
    check_streams(paths, out)
    if prompt and len(paths) > 1:
        raise typer.BadParameter(f"a prompt is for one photo, not {len(paths)}", param_hint=f"--{next(iter(prompt))}")
    printed = out == STANDARD_OUTPUT
    if printed and as_json:
        raise typer.BadParameter("standard output takes the picture or the JSON, not both", param_hint="--json")
    targets = {} if printed else targets_of(paths, out, results, format, photos if recursive else ())
    own_photos = paths[process_number() :: process_count()]
    skipped = [path for path in own_photos if skip_existing and not printed and is_done(targets[path])]
    own_photos = [path for path in own_photos if path not in skipped]
    for folder in {path.parent for of in targets.values() for path in of.written()}:
        sweep(folder)
    show_bar = sys.stderr.isatty() and len(paths) > 1 and not share and not quiet
    is_verbose = not (printed or as_json or quiet)
    if skipped and is_verbose:
        typer.echo(f"photos left out because their results are there: {len(skipped)}")
    if own_photos:
        with contextlib.redirect_stdout(sys.stdout if is_verbose else io.StringIO()):
            model, _ = load_model(weights, device, precision)

        def write(path: Path, photo: "images.Photo", found_map: "NDArray[np.float32]") -> None:
            saliency = results.saliency(photo, found_map)
            if printed:
                results.print(path, photo, saliency, sys.stdout.buffer)
                return
            results.save(path, photo, saliency, targets[path])
            if not quiet and results.trim is None and not (saliency > FOUND).any():  # trimming reports it too
                by_prompt = " by this prompt" if prompt else ""
                typer.echo(f"dgrl: {one_line(str(path))}: nothing was found{by_prompt}", err=True)
            if as_json:
                typer.echo(results.summary(path, saliency, targets[path]))
            elif is_verbose and not show_bar:
                typer.echo(one_line(f"{path} -> {targets[path].written()[0]}"))

        count = run(
            own_photos,
            lambda photo: model.detect(photo.seen, steps, quality=quality, **prompt),
            write,
            turn_down,
            show_bar,
        )
        if show_bar and is_verbose:
            typer.echo(f"{count} of {len(paths)} photos are done; the results are in {one_line(str(out))}")
    if share:
        leave_processes()
    if errors:
        raise typer.Exit(2)


def run(
    paths: Sequence[Path],
    find: "Callable[[images.Photo], NDArray[np.float32]]",
    write: "Callable[[Path, images.Photo, NDArray[np.float32]], None]",
    turn_down: Callable[[Exception], None],
    show_bar: bool = False,
) -> int:
    """Read photos, find their objects and write the results; return how many were written.

    Args:
        paths: the photos.
        find: gives a photo's map.
        write: writes the results, in another thread.
        turn_down: told of each photo that is refused.
        show_bar: whether a progress bar is shown.
    """
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm

    from dgrl import images
    from dgrl.commands.overlap import Behind, ahead

    written: list[Path] = []

    def written_behind(path: Path, photo: "images.Photo", saliency: "NDArray[np.float32]") -> None:
        try:
            write(path, photo, saliency)
        except OSError as error:
            if getattr(error.__cause__, "errno", None) not in _ABOUT_THE_NAME:
                raise  # the next file would meet the same
            turn_down(error)
            return
        written.append(path)

    with contextlib.ExitStack() as stack:
        if show_bar:
            stack.enter_context(logging_redirect_tqdm([log]))
        writer = stack.enter_context(Behind())
        readings = stack.enter_context(contextlib.closing(ahead(read_given, paths)))
        for path, reading in tqdm(readings, total=len(paths), unit="photo", disable=not show_bar):
            try:
                photo = reading.result()
            except images.ImageError as error:
                turn_down(error)
                continue
            if photo.animated:
                refuse(
                    images.ImageError(f"{path}: it has several frames, and only the first was used; --video does all")
                )
            writer.submit(written_behind, path, photo, find(photo))
    return len(written)


def chosen_results(
    cutout: bool,
    cutout_only: bool,
    background: str | None,
    trim: int | None,
    threshold: float | None,
    largest: bool,
    invert: bool,
    matting: bool = False,
) -> "Results":
    """Return the requested results. Any option for cut-outs requests a cut-out."""
    from dgrl.commands.results import Results
    from dgrl.images.cutouts import Background

    ground = None if background is None else Background.named(background)
    cutout = cutout or cutout_only or trim is not None or ground is not None
    return Results(not cutout_only, cutout, ground, trim, threshold, largest, invert, matting)


def check_streams(photos: list[Path], out: Path) -> None:
    """Raise BadParameter if standard input or output cannot be used as these options require."""
    from dgrl.commands.photos import STANDARD_INPUT

    streams = STANDARD_INPUT in photos or out == STANDARD_OUTPUT
    if streams and process_count() > 1:
        raise typer.BadParameter("standard input and output can only be used by one process")
    if STANDARD_INPUT in photos and sys.stdin.isatty():
        raise typer.BadParameter("standard input is the terminal; send a picture: dgrl detect - < photo.jpg")
    if out == STANDARD_OUTPUT and len(photos) > 1:
        raise typer.BadParameter(f"standard output takes one picture, not {len(photos)}", param_hint="--out")
    if out == STANDARD_OUTPUT and sys.stdout.isatty():
        raise typer.BadParameter("standard output is the terminal; send it to a file: -o - > map.png")


def read_given(path: Path) -> "images.Photo":
    """Read a photo of `find_photos`; ImageError if it cannot be read."""
    from dgrl import images
    from dgrl.commands.photos import STANDARD_INPUT

    if path != STANDARD_INPUT:
        return images.read_photo(path)
    content = sys.stdin.buffer.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise images.ImageError(f"standard input: it has more than {MOST_BYTES // 2**20:,} MB")
    return images.read_photo(content, name="standard input")


def is_done(targets: "Targets") -> bool:
    """Say whether all results of a photo exist."""
    return all(path.is_file() for path in targets.written())


def targets_of(
    photos: list[Path], out: Path, results: "Results", format: str | None, folders: Sequence[Path] = ()
) -> "dict[Path, Targets]":
    """Return the files of each photo's results; BadParameter if `out` does not suit the photos.

    Args:
        photos: the photos.
        out: a folder, or a file.
        results: the results to write.
        format: "png", "webp" or "jpg"; None for what a file's ending says, else PNG.
        folders: within `out`, photos found in these keep the folders that they lie in.
    """
    from dgrl.commands.photos import cutout_path, name_maps, subfolder
    from dgrl.commands.results import FORMATS, Targets
    from dgrl.images import IMAGE_SUFFIXES

    if format is not None and format.lower() not in FORMATS:
        raise typer.BadParameter(f"{format!r} is not one of png, webp, jpg", param_hint="--format")
    if out.suffix.lower() not in IMAGE_SUFFIXES or out.is_dir():
        if out.exists() and not out.is_dir():
            raise typer.BadParameter(f"{out} is a file; name a folder", param_hint="--out")
        suffix = f".{(format or 'png').lower()}"
        maps = name_maps(photos, out, suffix, {photo: subfolder(photo, folders) for photo in photos})
    else:
        maps, suffix = dict.fromkeys(photos, out), out.suffix.lower()
        check_file(out, photos, format)
    if results.cutout and FORMATS[suffix[1:]] == "JPEG" and results.ground is None:
        raise typer.BadParameter("JPEG files have no transparency; add --background white, or use webp or png")
    return {
        photo: Targets(
            path if results.map else None,
            (path if path == out and not results.map else cutout_path(path)) if results.cutout else None,
        )
        for photo, path in maps.items()
    }


def check_file(out: Path, photos: list[Path], format: str | None) -> None:
    """Raise BadParameter unless there is one photo and `out` can be the file of its result."""
    from dgrl.commands.results import FORMATS
    from dgrl.images.marking import is_marked

    kind = FORMATS.get(out.suffix.lower()[1:])
    if kind is None:
        message = f"{out}: results are PNG, WebP or JPEG files; name a folder or such a file"
        raise typer.BadParameter(message, param_hint="--out")
    if format is not None and FORMATS[format.lower()] != kind:
        raise typer.BadParameter(f"{out} is no {format} file", param_hint="--format")
    if len(photos) > 1:
        raise typer.BadParameter(f"{out} is one file, for {len(photos)} photos; name a folder", param_hint="--out")
    if any(photo.resolve() == out.resolve() for photo in photos):
        raise typer.BadParameter(f"{out} is the photo itself", param_hint="--out")
    if out.is_file() and not is_marked(out):
        message = f"{out} is there already and is not a map of dgrl; name another file"
        raise typer.BadParameter(message, param_hint="--out")
