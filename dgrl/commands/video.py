"""`dgrl detect --video`: every frame of videos and animated pictures."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dgrl.commands.common import one_line
from dgrl.commands.photos import cutout_path, name_maps
from dgrl.commands.results import Results, Targets
from dgrl.extras import require
from dgrl.files import replacing
from dgrl.images import ImageError, Photo, to_grey
from dgrl.images.marking import is_marked
from dgrl.images.video import SequenceWriter, VideoWriter, read_frames, steadied

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Find = Callable[[Photo], NDArray[np.float32]]

FORMATS = ("webm", "mp4", "png")
"""The kinds of output: videos, or a folder of numbered PNGs."""


def video_targets(
    paths: Sequence[Path], out: Path, results: Results, format: str | None
) -> tuple[dict[Path, Targets], str]:
    """Return the files of each video's results, and their formats in `FORMATS`.

    They are STEM.webm in `out`, or `out` itself for one video; folders for PNGs.

    Raises:
        typer.BadParameter: `out` or `format` does not fit.
    """
    kind = (format or out.suffix.lower()[1:] or "webm").lower()
    as_file = kind in ("webm", "mp4") and out.suffix.lower() == f".{kind}" and not out.is_dir()
    if format is None and not as_file:
        kind = "webm"
    if out.suffix and not as_file and not out.is_dir() and len(paths) == 1:
        raise typer.BadParameter(f"{out.suffix} is not one of .webm, .mp4; name a folder for PNGs", param_hint="--out")
    if kind not in FORMATS:
        raise typer.BadParameter(f"{kind!r} is not one of {', '.join(FORMATS)}", param_hint="--format")
    if results.cutout and kind == "mp4" and results.ground is None:
        raise typer.BadParameter("MP4 files have no transparency; add --background white, or use webm or png")
    if as_file:
        if len(paths) > 1:
            raise typer.BadParameter(f"{out} is one file, for {len(paths)} videos; name a folder", param_hint="--out")
        if out.is_file() and not is_marked(out):
            message = f"{out} is there already and is not a video of dgrl; name another file"
            raise typer.BadParameter(message, param_hint="--out")
        maps = dict.fromkeys(paths, out)
    elif out.exists() and not out.is_dir():
        raise typer.BadParameter(f"{out} is a file; name a folder, or a .webm or .mp4 file", param_hint="--out")
    else:
        maps = name_maps(paths, out, "" if kind == "png" else f".{kind}")
    targets = {
        path: Targets(
            target if results.map else None,
            (target if as_file and not results.map else cutout_path(target)) if results.cutout else None,
        )
        for path, target in maps.items()
    }
    return targets, kind


def detect_videos(
    targets: Mapping[Path, Targets], kind: str, find: "Find", results: Results, turn_down: Callable[[Exception], None]
) -> bool:
    """Write the results of videos; return whether all of them could be read.

    Args:
        targets, kind: see `video_targets`.
        find: gives a frame's map.
        results: the results to make of each frame.
        turn_down: told of each video that cannot be read.
    """
    written_count = 0
    for path, its_targets in targets.items():
        try:
            count = detect_video(path, find, results, its_targets, kind)
        except ImageError as error:
            turn_down(error)
            continue
        written_count += 1
        typer.echo(one_line(f"{path} -> {its_targets.written()[0]} ({count} frames)"))
    return written_count == len(targets)


def detect_video(path: Path, find: "Find", results: Results, targets: Targets, kind: str) -> int:
    """Find the object in every frame of a video and write the results; return the number of frames.

    Raises:
        ImageError: the video cannot be read. What was written of a PNG sequence stays; an unfinished video does not.
        OSError: a result cannot be written; the message names it.
    """
    from tqdm import tqdm

    count = 0
    with _writer(targets.map, kind) as of_maps, _writer(targets.cutout, kind) as of_cutouts:
        frames = tqdm(read_frames(path), unit="frame", disable=not sys.stderr.isatty())
        for frame, prediction in steadied((frame, find(frame.photo)) for frame in frames):
            saliency = results.saliency(frame.photo, prediction)
            if of_maps is not None:
                of_maps.add(to_grey(saliency), frame.seconds)
            if of_cutouts is not None:
                of_cutouts.add(results.picture(path, frame.photo, saliency), frame.seconds)
            count += 1
    return count


def check_options(paths: Sequence[Path], chosen: Mapping[str, bool]) -> None:
    """Raise BadParameter for folders, and for options in `chosen` that are set, because they are for photos only."""
    for option, is_set in chosen.items():
        if is_set:
            raise typer.BadParameter(f"{option} is for photos, not for --video", param_hint=option)
    for path in paths:
        if path.is_dir():
            raise typer.BadParameter(f"{path} is a folder; --video takes files", param_hint="--video")
    require("video")


@contextlib.contextmanager
def _writer(target: Path | None, kind: str) -> Iterator[VideoWriter | SequenceWriter | None]:
    """Yield the writer of a result: a video that replaces `target` once it is complete, or a folder of PNGs."""
    if target is None:
        yield None
    elif kind == "png":
        with SequenceWriter(target) as sequence:
            yield sequence
    else:
        with replacing(target) as partial, VideoWriter(partial, kind) as video:
            yield video
