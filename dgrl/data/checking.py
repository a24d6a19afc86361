"""Whether pictures and masks fit together: one report of all that is wrong, before training or evaluation starts.

Ten thousand pairs take seconds, for what is sound is not read in full: of a picture only its header and its last bytes
(a file cut short lacks its end mark), of a mask, which is small, all, to see that something in it is salient. Whatever
looks odd is then read in full and judged by that.
"""

from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from PIL import Image
from PIL.ExifTags import Base

from dgrl.data.pairs import HALF, DataError, Pair, files_by_stem
from dgrl.images import IMAGE_SUFFIXES, MAX_PIXELS, MAX_SIDE, ImageError, read_image

LISTED = 10
"""How many problems of a kind a report lists; the others it counts."""

_THREADS = 8  # reading from a disk, or over a network, is mostly waiting
_END_MARKS = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}
_SIDEWAYS = frozenset({5, 6, 7, 8})  # EXIF orientations that swap width and height


@dataclass(frozen=True)
class Folders:
    """Where the pictures and the masks of a data set lie.

    Attributes:
        images: folder of pictures.
        masks: folder of masks of the same stems.
        image_suffixes: which files are pictures, where both lie in one folder.
        mask_suffixes: which files are masks.
        threshold: see `Pair`.
        name: the data set's, if it is a known one.
        published: how many pairs it then has.
    """

    images: Path
    masks: Path
    image_suffixes: Collection[str] = IMAGE_SUFFIXES
    mask_suffixes: Collection[str] = IMAGE_SUFFIXES
    threshold: int = HALF
    name: str = ""
    published: int | None = None

    def count(self, pairs: Iterable[Pair]) -> int:
        """How many of `pairs` are from these folders."""
        return sum(pair.image.parent == self.images and pair.mask.parent == self.masks for pair in pairs)


@dataclass(frozen=True)
class Problem:
    """Why a picture or a mask cannot be used.

    Attributes:
        kind: one of `KINDS`.
        stem: the stem it is about.
        detail: the file, and what is wrong with it if the kind does not say.
    """

    kind: str
    stem: str
    detail: str


KINDS = (
    "pictures without a mask",
    "masks without a picture",
    "names that several files share",
    "listed names without a picture",
    "files that cannot be read",
    "masks of another size than their picture",
    "masks in which nothing is salient",
)
NO_MASK, NO_PICTURE, SHARED, NOT_THERE, UNREADABLE, SIZES, EMPTY = KINDS


@dataclass(frozen=True)
class Checked:
    """What `check` found.

    Attributes:
        pairs: the sound ones, in the order of the folders, then by stem.
        problems: what is wrong with the others.
    """

    pairs: list[Pair]
    problems: list[Problem] = field(default_factory=list)

    def report(self) -> str:
        """The problems, several lines: each kind with its number, and below it the first files."""
        lines = [f"problems: {len(self.problems)}; sound pairs: {len(self.pairs)}"]
        for kind in KINDS:
            details = [problem.detail for problem in self.problems if problem.kind == kind]
            if details:
                lines.append(f"{kind}: {len(details)}")
                lines += [f"  {detail}" for detail in details[:LISTED]]
            if len(details) > LISTED:
                lines.append(f"  and {len(details) - LISTED} more")
        return "\n".join(lines)

    def sound(self) -> list[Pair]:
        """The pairs; DataError, with the report as its message, if anything is wrong."""
        if self.problems:
            raise DataError(self.report())
        return self.pairs


def check(sources: Iterable[Folders], exclude: Collection[str] = (), only: Collection[str] | None = None) -> Checked:
    """Pair the pictures and masks of all folders by stem, and look for whatever is wrong with them.

    Args:
        sources: the folders.
        exclude: stems to leave out, with their problems.
        only: stems to keep; by default all.

    Raises:
        DataError: a folder is missing.
    """
    pairs: list[Pair] = []
    problems: list[Problem] = []
    for folders in sources:
        found = _pair(folders, exclude, only)
        pairs += found.pairs
        problems += found.problems
    there = {pair.stem for pair in pairs} | {problem.stem for problem in problems}
    problems += [Problem(NOT_THERE, stem, stem) for stem in sorted(set(only or ()) - set(exclude) - there)]
    with ThreadPoolExecutor(_THREADS) as threads:
        judged = list(threads.map(_judge, pairs))
    sound = [pair for pair, problem in zip(pairs, judged, strict=True) if problem is None]
    return Checked(sound, problems + [problem for problem in judged if problem is not None])


def _pair(folders: Folders, exclude: Collection[str], only: Collection[str] | None) -> Checked:
    images = files_by_stem(folders.images, folders.image_suffixes)
    masks = files_by_stem(folders.masks, folders.mask_suffixes)
    pairs, problems = [], []
    for stem in sorted(images.keys() | masks.keys()):
        if stem in exclude or (only is not None and stem not in only):
            continue
        pictures, mates = images.get(stem, []), masks.get(stem, [])
        if len(pictures) > 1 or len(mates) > 1:
            problems.append(Problem(SHARED, stem, _names(pictures if len(pictures) > 1 else mates)))
        elif not mates:
            problems.append(Problem(NO_MASK, stem, str(pictures[0])))
        elif not pictures:
            problems.append(Problem(NO_PICTURE, stem, str(mates[0])))
        else:
            pairs.append(Pair(pictures[0], mates[0], folders.threshold))
    return Checked(pairs, problems)


def _names(paths: Sequence[Path]) -> str:
    return f"{paths[0]}, {', '.join(path.name for path in paths[1:])}"


def _judge(pair: Pair) -> Problem | None:
    if _sound_at_a_glance(pair):
        return None
    try:
        height, width = read_image(pair.image).shape[:2]
        truth = pair.truth()
    except ImageError as error:
        return Problem(UNREADABLE, pair.stem, str(error))
    if truth.shape != (height, width):
        sizes = f"{truth.shape[1]}×{truth.shape[0]}, the picture {width}×{height}"
        return Problem(SIZES, pair.stem, f"{pair.mask}: {sizes}")
    return None if truth.any() else Problem(EMPTY, pair.stem, str(pair.mask))


def _sound_at_a_glance(pair: Pair) -> bool:
    """Whether the pair is sure to be sound; False calls for a thorough look."""
    try:
        with pair.image.open("rb") as file, Image.open(file) as picture:
            size = picture.size
            if not _ends_well(file, picture.format):
                return False
            # A PNG may carry its orientation at the end; it is told by the sizes, which then differ.
            if picture.format == "JPEG" and picture.getexif().get(Base.Orientation) in _SIDEWAYS:
                size = size[::-1]
        with pair.mask.open("rb") as file, Image.open(file) as mask:
            if mask.size != size or mask.mode not in ("1", "L", "P", "RGB") or mask.has_transparency_data:
                return False
            grey = mask if mask.mode == "1" else mask.convert("RGB").convert("L")
            brightest = grey.getextrema()[1]
    except Exception:  # decoders raise errors of many kinds; the thorough look says what it is
        return False
    fits = max(size) <= MAX_SIDE and size[0] * size[1] <= MAX_PIXELS
    return fits and isinstance(brightest, int) and brightest > pair.threshold


def _ends_well(file: BinaryIO, picture_format: str | None) -> bool:
    """Whether the file's end mark is where it should be; some cameras and programs append a few bytes."""
    mark = _END_MARKS.get(picture_format or "")
    if mark is None:
        return False
    position = file.tell()
    file.seek(-min(64, file.seek(0, 2)), 2)
    tail = file.read()
    file.seek(position)
    return mark in tail
