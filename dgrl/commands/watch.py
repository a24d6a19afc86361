"""`dgrl watch`."""

import contextlib
import io
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from dgrl.commands.common import Device, Precision, Quality, Steps, Weights, load_model, one_line, refuse
from dgrl.commands.detect import (
    Cutout,
    CutoutOnly,
    Format,
    Ground,
    Invert,
    Json,
    Largest,
    Matting,
    Quiet,
    Threshold,
    Trim,
    chosen_results,
    is_done,
    targets_of,
)
from dgrl.commands.photos import is_photo
from dgrl.extras import require

SETTLED_SECONDS = 1.0
"""A file that has not changed for so long is complete."""
LOOK_MILLISECONDS = 250
"""Time between two checks of files that may still be incomplete."""


def watch(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder to which pictures come.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the results.")] = Path("saliency"),
    format: Format = None,
    cutout: Cutout = False,
    cutout_only: CutoutOnly = False,
    background: Ground = None,
    trim: Trim = None,
    largest: Largest = False,
    threshold: Threshold = None,
    invert: Invert = False,
    matting: Matting = False,
    as_json: Json = False,
    quiet: Quiet = False,
    weights: Weights = None,
    steps: Steps = None,
    quality: Quality = "normal",
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """Wait for pictures in a folder and write what `dgrl detect` writes, until Ctrl-C.

    Pictures that are there already come first, except those whose results are there. A file is read once it has not
    changed for a second. Folders within the folder are not watched. Needs the extra `watch`.

    Example:

      dgrl watch inbox/ -o out --cutout-only --trim 20
    """
    from dgrl.images import ImageError, read_photo

    require("watch")
    if not folder.is_dir():
        raise typer.BadParameter(f"{folder} is not a folder", param_hint="FOLDER")
    results = chosen_results(cutout, cutout_only, background, trim, threshold, largest, invert, matting)
    targets_of([], out, results, format)  # refuses options that do not fit, before the network is loaded
    is_verbose = not (as_json or quiet)
    with contextlib.redirect_stdout(sys.stdout if is_verbose else io.StringIO()):
        model, _ = load_model(weights, device, precision)
    if is_verbose:
        typer.echo(one_line(f"watching {folder}; Ctrl-C stops"))
    paths: list[Path] = []
    with contextlib.suppress(KeyboardInterrupt):
        for path, is_new in complete_files(folder):
            if not is_photo(path):
                continue
            paths = [*(earlier_path for earlier_path in paths if earlier_path != path), path]
            targets = targets_of(paths, out, results, format)[path]
            if not is_new and is_done(targets):
                continue
            try:
                photo = read_photo(path)
            except ImageError as error:
                refuse(error)
                continue
            saliency = results.saliency(photo, model.detect(photo.seen, steps, quality=quality))
            results.save(path, photo, saliency, targets)
            if as_json:
                typer.echo(results.summary(path, saliency, targets))
            elif is_verbose:
                typer.echo(one_line(f"{path} -> {targets.written()[0]}"))
            sys.stdout.flush()


def complete_files(folder: Path) -> Iterator[tuple[Path, bool]]:
    """Yield the files of a folder that are there, then those that come or change, each once it is complete.

    The second value says whether a file has come or changed since the start. Ends at KeyboardInterrupt.
    """
    from watchfiles import Change, watch

    unsettled: dict[Path, tuple[float, object]] = {}
    present_at_start: set[Path] | None = None

    def note(paths: Iterable[Path]) -> None:
        for path in paths:
            if path.is_file():
                unsettled[path] = time.monotonic(), _state(path)

    looks = watch(
        folder,
        watch_filter=None,
        recursive=False,
        debounce=LOOK_MILLISECONDS,
        rust_timeout=LOOK_MILLISECONDS,
        yield_on_timeout=True,
    )
    for changes in looks:
        changed_paths = {folder / Path(name).name for change, name in changes if change != Change.deleted}
        if present_at_start is None:  # only now, so that nothing comes unseen between the listing and the watching
            present_at_start = set(folder.iterdir()) - changed_paths
            note(sorted(present_at_start))
        present_at_start -= changed_paths
        note(sorted(changed_paths))
        for path, (since, state) in list(unsettled.items()):
            if _state(path) != state:
                note([path])
            elif time.monotonic() - since >= SETTLED_SECONDS:
                del unsettled[path]
                yield path, path not in present_at_start


def _state(path: Path) -> object:
    """Return values that change when a file is written; None if it is gone."""
    with contextlib.suppress(OSError):
        status = path.stat()
        return status.st_size, status.st_mtime_ns
    return None
