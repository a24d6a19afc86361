"""Check whether pictures and masks fit together: one report of all problems, before training or evaluation starts.

Ten thousand pairs take seconds, because few pictures are read in full. Of a picture only the header and the last bytes
are read, since a file cut short lacks its end mark; it is read in full only if these look wrong. A mask is small and is
always read in full, to see whether something in it is salient.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ExifTags import Base

from dgrl.data.masks import BRIGHTNESS, HALF, read_levels
from dgrl.data.names import find_names, others_in
from dgrl.data.pairs import DataError, Pair, files_by_stem
from dgrl.files import digest
from dgrl.images import IMAGE_SUFFIXES, MAX_PIXELS, MAX_SIDE, ImageError, read_image
from dgrl.images.marking import is_marked

LISTED = 10
"""A report lists this many problems of a kind, and counts the others."""

GREY = 40, 216
"""Levels between these are neither object nor background."""
_THREADS = 8  # reading from a disk, or over a network, is mostly waiting
_END_MARKS = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}
_SIDEWAYS = frozenset({5, 6, 7, 8})  # EXIF orientations that swap width and height


@dataclass(frozen=True)
class Folders:
    """The folders of a data set's pictures and masks.

    Attributes:
        images: folder of pictures.
        masks: folder of masks of the same stems.
        image_suffixes: which files are pictures, where both lie in one folder.
        mask_suffixes: which files are masks.
        threshold: see `Pair`.
        name: the data set's, if it is a known one.
        published: the number of pairs of a known data set.
    """

    images: Path
    masks: Path
    image_suffixes: Collection[str] = IMAGE_SUFFIXES
    mask_suffixes: Collection[str] = IMAGE_SUFFIXES
    threshold: int = HALF
    name: str = ""
    published: int | None = None

    def count(self, pairs: Iterable[Pair]) -> int:
        """Return how many of `pairs` are from these folders."""
        return sum(pair.image.parent == self.images and pair.mask.parent == self.masks for pair in pairs)


@dataclass(frozen=True)
class Problem:
    """A reason why a picture or a mask cannot be used.

    Attributes:
        kind: one of `KINDS`.
        stem: the stem of the picture or mask.
        detail: the file, and the problem if the kind does not describe it fully.
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
    "masks that are photos",
)
NO_MASK, NO_PICTURE, SHARED, NOT_THERE, UNREADABLE, SIZES, EMPTY, PHOTO = KINDS
SMALL, LARGE = 0.001, 0.95
"""Masks that cover less than the first or more than the second share of their picture are worth a look."""


@dataclass(frozen=True)
class Checked:
    """The result of `check`.

    Attributes:
        pairs: the sound ones, in the order of the folders, then by stem.
        problems: the problems of the others.
        notes: unusual files that were read, and how, a line for each folder and encoding.
        unknown: names to leave out that match no picture, so that the picture they mean may be among the pairs.
        remarks: sentences about odd pairs that can be used: masks of almost nothing or almost everything, and pictures
            that are copies of others.
    """

    pairs: list[Pair]
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def report(self) -> str:
        """Describe the problems in several lines: the count of each kind, and its first files."""
        lines = [f"problems: {len(self.problems)}; sound pairs: {len(self.pairs)}"]
        for kind in KINDS:
            details = [problem.detail for problem in self.problems if problem.kind == kind]
            if details:
                lines.append(f"{kind}: {len(details)}")
                lines += [f"  {detail}" for detail in details[:LISTED]]
            if len(details) > LISTED:
                lines.append(f"  and {len(details) - LISTED} more")
        # A colour photo cannot be read as a mask.
        if self.problems and not self.pairs and all(problem.kind in (PHOTO, UNREADABLE) for problem in self.problems):
            lines.append("No mask can be used: are the folders of pictures and masks swapped, or the same folder?")
        return "\n".join(lines)

    def sound(self) -> list[Pair]:
        """Return the pairs; DataError, with the report as its message, if there is any problem."""
        if self.problems:
            raise DataError(self.report())
        return self.pairs


def check(
    sources: Iterable[Folders],
    exclude: Collection[str] = (),
    only: Collection[str] | None = None,
    masks_only: bool = False,
) -> Checked:
    """Pair the pictures and masks of all folders by stem, and look for all problems.

    Args:
        sources: the folders.
        exclude: names to leave out, with their problems; see `dgrl.data.names.find_names` for how they may be written.
        only: names to keep; by default all.
        masks_only: there are no pictures, and the folders of the masks are given in their place.

    Raises:
        DataError: a folder is missing.
    """
    listings = [_Listing(folders) for folders in sources]
    stems = {stem for listing in listings for stem in listing.stems}
    excluded_stems, unknown = find_names(exclude, stems)
    wanted_stems, unmatched = find_names(only or (), stems)
    pairs: list[Pair] = []
    problems: list[Problem] = []
    for listing in listings:
        stems_to_pair = sorted((listing.stems if only is None else listing.stems & wanted_stems) - excluded_stems)
        for stem in stems_to_pair:
            pair_or_problem = listing.pair(stem)
            pairs += [pair_or_problem] if isinstance(pair_or_problem, Pair) else []
            problems += [pair_or_problem] if isinstance(pair_or_problem, Problem) else []
    unmatched_exclusions = set(unknown)
    problems += [Problem(NOT_THERE, name, name) for name in unmatched if name not in unmatched_exclusions]
    with ThreadPoolExecutor(_THREADS) as threads:
        judgements = list(threads.map(partial(_judge, masks_only=masks_only), pairs))
    sound = [pair for pair, judgement in zip(pairs, judgements, strict=True) if judgement.problem is None]
    problems += [judgement.problem for judgement in judgements if judgement.problem is not None]
    notes = [note for listing in listings for note in listing.notes + listing.names()]
    encodings = Counter(
        (pair.mask.parent, judgement.meaning)
        for pair, judgement in zip(pairs, judgements, strict=True)
        if judgement.meaning != BRIGHTNESS
    )
    notes += [f"{folder}: masks with {encoding}: {count}" for (folder, encoding), count in encodings.items()]
    return Checked(sound, problems, notes, unknown, odd_masks(pairs, judgements) + copies(sound))


def check_pairs(pairs: Sequence[Pair], max_pairs: int = 64) -> None:
    """Look at some pairs, evenly spaced, before they are trained on.

    Raises:
        DataError: a mask is a photo, or of another size than its picture, or cannot be read.
    """
    sample = pairs[:: max(1, -(-len(pairs) // max_pairs))]
    with ThreadPoolExecutor(_THREADS) as threads:
        problems = [judgement.problem for judgement in threads.map(_judge, sample) if judgement.problem is not None]
    faults = [problem for problem in problems if problem.kind in (PHOTO, SIZES, UNREADABLE)]
    if faults:
        count = f" ({len(faults)} of {len(sample)} pairs that were looked at)" if len(faults) > 1 else ""
        raise DataError(f"{faults[0].kind}: {faults[0].detail}{count}")


def odd_masks(pairs: Sequence[Pair], judgements: Sequence["Judgement"]) -> list[str]:
    """Return a sentence about masks that cover almost nothing of their pictures, and one about almost everything."""
    shares = [(pair, judgement.share) for pair, judgement in zip(pairs, judgements, strict=True)]
    sentences = []
    for limit, odd_pairs in (
        (f"less than {SMALL:.1%}", [pair for pair, share in shares if 0 < share < SMALL]),
        (f"more than {LARGE:.0%}", [pair for pair, share in shares if share > LARGE]),
    ):
        if odd_pairs:
            sentences.append(f"masks that cover {limit} of their picture: {len(odd_pairs)}, e.g. {odd_pairs[0].mask}")
    return sentences


def copies(pairs: Sequence[Pair]) -> list[str]:
    """Describe pictures that are the same file under several names, because hold-out pictures may be among them."""
    by_size: dict[int, list[Path]] = {}
    for pair in pairs:
        by_size.setdefault(pair.image.stat().st_size, []).append(pair.image)
    by_content: dict[str, list[Path]] = {}
    for path in (path for paths in by_size.values() if len(paths) > 1 for path in paths):
        by_content.setdefault(digest(path), []).append(path)
    groups = [paths for paths in by_content.values() if len(paths) > 1]
    if not groups:
        return []
    count = sum(len(paths) - 1 for paths in groups)
    return [f"pictures that are copies of others: {count}, e.g. {groups[0][0]} and {groups[0][1].name}"]


class _Listing:
    """The files in two folders by stem. Maps that DGRL wrote beside pictures do not count as pictures."""

    def __init__(self, folders: Folders) -> None:
        self.threshold = folders.threshold
        self.images = files_by_stem(folders.images, folders.image_suffixes)
        self.masks = files_by_stem(folders.masks, folders.mask_suffixes)
        maps = 0
        for stem, paths in list(self.images.items()):
            if len(paths) > 1 or stem not in self.masks:
                self.images[stem] = [path for path in paths if not is_marked(path)]
                maps += len(paths) - len(self.images[stem])
            if not self.images[stem]:
                del self.images[stem]
        self.notes = [f"{folders.images}: maps and cut-outs that are no pictures: {maps}"] if maps else []
        for folder in dict.fromkeys((folders.images, folders.masks)):
            if other_files := others_in(folder):
                self.notes.append(
                    f"{folder}: files that are no pictures: {len(other_files)}, e.g. {other_files[0].name}"
                )
        self.stems = self.images.keys() | self.masks.keys()

    def names(self) -> list[str]:
        """Return a sentence with names of both if no picture has a mask."""
        if not self.images or not self.masks or self.images.keys() & self.masks.keys():
            return []
        picture, mask = next(iter(self.images.values()))[0], next(iter(self.masks.values()))[0]
        return [
            f"no mask has the name of a picture: pictures are called like {picture.name}, masks like {mask.name}; "
            "both need the same name before the ending"
        ]

    def pair(self, stem: str) -> Pair | Problem:
        """Return the pair of this name, or the reason why there is none."""
        pictures, masks = self.images.get(stem, []), self.masks.get(stem, [])
        if len(pictures) > 1 or len(masks) > 1:
            return Problem(SHARED, stem, _names(pictures if len(pictures) > 1 else masks))
        if not masks:
            return Problem(NO_MASK, stem, str(pictures[0]))
        if not pictures:
            return Problem(NO_PICTURE, stem, str(masks[0]))
        return Pair(pictures[0], masks[0], self.threshold)


def _names(paths: Sequence[Path]) -> str:
    return f"{paths[0]}, {', '.join(path.name for path in paths[1:])}"


@dataclass(frozen=True)
class Judgement:
    """The result of checking one pair.

    Attributes:
        problem: why it cannot be used; None if it can.
        meaning: what its mask's numbers mean (see `dgrl.data.masks`).
        share: how much of the picture the mask covers.
    """

    problem: Problem | None
    meaning: str = BRIGHTNESS
    share: float = 0.0


def _judge(pair: Pair, masks_only: bool = False) -> Judgement:
    """Check a pair; with `masks_only` the mask may be its own picture."""
    if not masks_only and _same_file(pair):
        return Judgement(
            Problem(PHOTO, pair.stem, f"{pair.mask}: it is the picture itself, not an object in white on black")
        )
    try:
        levels = read_levels(pair.mask)
        height, width = levels.values.shape
        if _size_at_a_glance(pair.image) != (width, height):
            height, width = read_image(pair.image).shape[:2]
    except ImageError as error:
        return Judgement(Problem(UNREADABLE, pair.stem, str(error)))
    if not masks_only and is_photo(pair, levels.values):
        grey = "it has the grey levels of a photo, not an object in white on black"
        return Judgement(Problem(PHOTO, pair.stem, f"{pair.mask}: {grey}"))
    if levels.values.shape != (height, width):
        sizes = f"{levels.values.shape[1]}×{levels.values.shape[0]}, the picture {width}×{height}"
        return Judgement(Problem(SIZES, pair.stem, f"{pair.mask}: {sizes}"), levels.meaning)
    brightest = int(levels.values.max())
    if brightest > pair.threshold:
        return Judgement(None, levels.meaning, float((levels.values > pair.threshold).mean()))
    # Numbers of classes, and 12 bits in 16, look black but are not.
    why = f": its brightest pixel has {brightest} of 255, and {pair.threshold + 1} is salient" if brightest else ""
    return Judgement(Problem(EMPTY, pair.stem, f"{pair.mask}{why}"), levels.meaning)


def is_photo(pair: Pair, values: NDArray[np.uint8]) -> bool:
    """Say whether a mask (H, W) is a photo: the picture's file, or grey and similar to the picture.

    A soft mask has grey levels too, on its contour; one that a network drew may have more.
    """
    if _same_file(pair):
        return True
    grey = (values > GREY[0]) & (values < GREY[1])
    if grey.mean() < 0.25 or np.count_nonzero(np.bincount(values.ravel(), minlength=256)) < 64:
        return False
    if grey.mean() > 0.75:
        return True
    picture = Image.fromarray(read_image(pair.image)).convert("L").resize((32, 32), Image.Resampling.BOX)
    mask = Image.fromarray(values).resize((32, 32), Image.Resampling.BOX)
    grey_levels = np.asarray(picture, float).ravel(), np.asarray(mask, float).ravel()
    return bool(min(np.std(greys) for greys in grey_levels) > 0 and np.corrcoef(*grey_levels)[0, 1] > 0.9)


def _same_file(pair: Pair) -> bool:
    image, mask = pair.image, pair.mask
    return image == mask or (image.stat().st_size == mask.stat().st_size and image.read_bytes() == mask.read_bytes())


def _size_at_a_glance(path: Path) -> tuple[int, int] | None:
    """Return a picture's width and height without decoding it; None if it may be damaged and must be read in full."""
    try:
        with path.open("rb") as file, Image.open(file) as picture:
            size = picture.size
            if not _ends_well(file, picture.format) or max(size) > MAX_SIDE or size[0] * size[1] > MAX_PIXELS:
                return None
            # A PNG may carry its orientation at the end; then the sizes differ.
            if picture.format == "JPEG" and picture.getexif().get(Base.Orientation) in _SIDEWAYS:
                size = size[::-1]
            if picture.format == "PNG":
                picture.verify()  # checks the checksums of the pixels without decoding them
            return size
    except Exception:  # decoders raise errors of many kinds; reading the file in full then gives the reason
        return None


def _ends_well(file: BinaryIO, picture_format: str | None) -> bool:
    """Say whether a file has its end mark; some cameras and programs append a few bytes."""
    mark = _END_MARKS.get(picture_format or "")
    if mark is None:
        return False
    position = file.tell()
    file.seek(-min(64, file.seek(0, 2)), 2)
    tail = file.read()
    file.seek(position)
    return mark in tail
