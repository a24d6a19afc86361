"""Names of files as people write them in lists, and files in folders that are not meant."""

import codecs
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path, PureWindowsPath

from dgrl.data.pairs import DataError, composed
from dgrl.images.opening import IMAGE_SUFFIXES

_QUOTES = ("''", '""', "“”", "‘’", "«»")
_MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16", codecs.BOM_UTF8: "utf-8-sig"}
_OF_THE_SYSTEM = frozenset({"thumbs.db", "desktop.ini", "icon\r", "$recycle.bin", "system volume information"})


def read_names(files: Iterable[Path]) -> list[str]:
    """The lines of text files, without those that are empty; UTF-8, or UTF-16 with its mark.

    Raises:
        DataError: a file cannot be read.
    """
    names: dict[str, None] = {}
    for file in files:
        try:
            content = file.read_bytes()
            encoding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8")
            # Not `splitlines`: names may hold what it takes for ends of lines too.
            names |= dict.fromkeys(line.strip() for line in re.split(r"[\r\n]+", content.decode(encoding)))
        except OSError as error:
            raise DataError(f"{file}: the list of names cannot be read ({error.strerror})") from error
        except UnicodeDecodeError as error:
            raise DataError(f"{file}: the list of names is no text in UTF-8 or UTF-16") from error
    return [name for name in names if name]


def find_names(names: Iterable[str], stems: Collection[str]) -> tuple[set[str], list[str]]:
    """The stems that names in a list mean, and the names that mean none of them.

    A name is a stem or a file's name, with or without folders (of Windows too), in quotes or not, however its accents
    are stored. A line may also hold several, apart by tabs, commas or spaces, if each is there. A line that starts with
    "#" is a comment unless it is a name.

    Args:
        names: the lines.
        stems: what there is, as `dgrl.data.pairs.stem_of` gives them.
    """
    found: set[str] = set()
    unknown: list[str] = []
    for name in names:
        for words in _readings(name):
            meant = [_stem(word, stems) for word in words]
            if words and None not in meant:
                found.update(stem for stem in meant if stem is not None)
                break
        else:
            if not name.startswith("#"):
                unknown.append(name)
    return found, unknown


def _readings(line: str) -> Iterator[list[str]]:
    """The ways to take a line apart, the likeliest first."""
    yield [line]
    for separator in ("\t", ",", ";", None):
        yield [word for word in line.split(separator) if word.strip()]


def _stem(word: str, stems: Collection[str]) -> str | None:
    """The stem that a word means, if there is one."""
    word = composed(word.strip())
    if len(word) > 1 and word[0] + word[-1] in _QUOTES:
        word = word[1:-1]
    for name in (word, PureWindowsPath(word).name):  # which knows "/" too
        stem, dot, ending = name.rpartition(".")
        for candidate in (name, stem if dot + ending.lower() in IMAGE_SUFFIXES else name):
            if candidate in stems:
                return candidate
    return None


def is_hidden(path: Path) -> bool:
    """Whether a file is one that systems keep for themselves: hidden ones, macOS's "._photo.jpg", "Thumbs.db"."""
    return path.name.startswith(".") or path.name.lower() in _OF_THE_SYSTEM


def others_in(folder: Path) -> list[Path]:
    """The files in a folder, sorted, that go by no picture's ending; not those that systems keep for themselves."""
    return [
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() not in IMAGE_SUFFIXES and not is_hidden(path) and not path.is_dir()
    ]
