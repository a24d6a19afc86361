"""Videos and animated pictures, frame by frame: reading them, and writing videos and PNG sequences.

Pillow reads animated pictures; PyAV (the extra `video`) reads and writes everything else. Only a few frames are in
memory at a time. Sound is not kept.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageSequence

from dgrl.extras import require
from dgrl.images.marking import MARK, save_marked
from dgrl.images.opening import ANIMATED_FORMATS, MAX_PIXELS, ImageError, check_size
from dgrl.images.reading import Photo, read_photo

if TYPE_CHECKING:
    from av.container import InputContainer

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".mpg", ".mpeg"})
"""Endings of files that hold a video; animated pictures have those of photos."""
CLOCK = 90_000
"""Ticks per second in which the frames of written videos are timed."""
STANDING = 0.1
"""Seconds that a frame of an animated picture is shown if its file does not say."""

Map = NDArray[np.float32]


@dataclass(frozen=True)
class Frame:
    """One frame: its picture, and when it is first shown, in seconds from the beginning."""

    photo: Photo
    seconds: float


def read_frames(path: Path) -> Iterator[Frame]:
    """Yield the frames of a video (MP4, WebM, …) or of a picture (GIF, WebP, PNG, AVIF), upright, one after another.

    Raises:
        ImageError: the file cannot be read, holds no pictures, or a frame is damaged or too large.
        MissingExtraError: it is a video, and PyAV is not installed.
    """
    yield from (_video_frames if path.suffix.lower() in VIDEO_SUFFIXES else _picture_frames)(path)


def _picture_frames(path: Path) -> Iterator[Frame]:
    try:
        with Image.open(path, formats=sorted(ANIMATED_FORMATS)) as image:
            check_size(image.size, str(path), MAX_PIXELS)
            seconds = 0.0
            for frame in ImageSequence.Iterator(image):
                frame.load()
                yield Frame(read_photo(frame), seconds)
                seconds += (frame.info.get("duration") or 1000 * STANDING) / 1000
    except FileNotFoundError as error:
        raise ImageError(f"{path}: there is no such file") from error
    except ImageError:
        raise
    except Exception as error:  # Pillow's are of many kinds
        raise ImageError(f"{path}: this is not a video or an animated picture, or it is damaged") from error


def _video_frames(path: Path) -> Iterator[Frame]:
    with _opened(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        check_size((stream.width, stream.height), str(path), MAX_PIXELS)
        start, index = None, -1
        for index, frame in enumerate(container.decode(stream)):
            check_size((frame.width, frame.height), str(path), MAX_PIXELS)
            seconds = float(frame.time) if frame.time is not None else index / float(stream.average_rate or 25)
            start = seconds if start is None else start
            upright = np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)
            yield Frame(read_photo(np.ascontiguousarray(upright)), max(seconds - start, 0.0))
        if index < 0:
            raise ImageError(f"{path}: there are no pictures in this video")


@contextmanager
def _opened(path: Path) -> "Iterator[InputContainer]":
    """Open a video; raise ImageError if that, or the code inside the context, fails."""
    require("video")
    import av

    if not path.is_file():
        raise ImageError(f"{path}: there is no such file")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise ImageError(f"{path}: there are no pictures in this file")
            yield container
    except av.error.FFmpegError as error:
        raise ImageError(f"{path}: the video cannot be read ({error.strerror})") from error


def steadied(predictions: Iterable[tuple[Frame, Map]]) -> Iterator[tuple[Frame, Map]]:
    """Replace each frame's map (H, W) by the median of three, with the map before and the map after, against flicker.

    Moving objects do not lag behind (`python -m benchmarks video` measures it). A frame is yielded once the next frame
    is known.
    """
    frames = iter(predictions)
    previous = current = next(frames, None)
    if current is None or previous is None:
        return
    for following in chain(frames, [None]):
        next_or_current = current if following is None else following
        same_size = previous[1].shape == current[1].shape == next_or_current[1].shape
        maps = [previous[1], current[1], next_or_current[1]]
        yield current[0], np.median(maps, axis=0).astype(np.float32) if same_size else current[1]
        previous, current = current, next_or_current


class VideoWriter:
    """Writes pictures of one size to a WebM or MP4 file, as a context whose end completes the file.

    Args:
        path: the file, which is replaced.
        kind: "webm" (VP9; RGBA pictures keep their transparency) or "mp4" (H.264; without a last odd row or column).

    Raises:
        MissingExtraError: PyAV is not installed.
    """

    def __init__(self, path: Path, kind: str) -> None:
        require("video")
        import av

        self.kind = kind
        self.container = av.open(str(path), "w", format=kind)
        self.container.metadata["comment"] = MARK
        self.stream: Any = None

    def __enter__(self) -> "VideoWriter":
        return self

    def add(self, picture: Image.Image, seconds: float) -> None:
        """Write a picture ("L", "RGB" or "RGBA") that is shown from this second on.

        All pictures are written in the size of the first, and with transparency if that one has any.
        """
        import av

        if self.stream is None:
            self._start(picture.size, picture.mode == "RGBA")
        transparent = self.stream.pix_fmt == "yuva420p"
        picture = picture if picture.size == self.size else picture.resize(self.size)
        values = np.asarray(picture.convert("RGBA" if transparent else "RGB"))
        values = values[: self.stream.height, : self.stream.width]
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(values), format="rgba" if transparent else "rgb24")
        frame.time_base, frame.pts = Fraction(1, CLOCK), round(seconds * CLOCK)
        self.container.mux(self.stream.encode(frame))

    def _start(self, size: tuple[int, int], transparent: bool) -> None:
        self.size = size
        if self.kind == "webm":
            settings = {"crf": "24", "b": "0", "cpu-used": "5", "deadline": "good", "row-mt": "1", "auto-alt-ref": "0"}
            self.stream = self.container.add_stream("libvpx-vp9", rate=25, options=settings)
            self.stream.pix_fmt = "yuva420p" if transparent else "yuv420p"
            self.stream.width, self.stream.height = size
        else:
            self.stream = self.container.add_stream("libx264", rate=25, options={"crf": "18"})
            self.stream.pix_fmt = "yuv420p"
            self.stream.width, self.stream.height = (max(side // 2 * 2, 2) for side in size)
        self.stream.codec_context.time_base = Fraction(1, CLOCK)

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        try:
            if kind is None and self.stream is not None:
                self.container.mux(self.stream.encode(None))
        finally:
            self.container.close()


class SequenceWriter:
    """Writes pictures to a folder as 000001.png, 000002.png …, with the mark of maps and cut-outs."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.count = folder, 0

    def __enter__(self) -> "SequenceWriter":
        return self

    def add(self, picture: Image.Image, seconds: float) -> None:  # noqa: ARG002 (a sequence has no times)
        """Write the next picture."""
        self.count += 1
        save_marked(picture, self.folder / f"{self.count:06d}.png", compress_level=3)

    def __exit__(self, *_error: object) -> None:
        """Do nothing: every picture is already written."""
