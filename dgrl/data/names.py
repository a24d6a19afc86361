"""Match lists of file names with the files that exist, and recognise files of the system."""

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
    """Read the non-empty lines of text files, in UTF-8 or in UTF-16 with a byte order mark.

    Raises:
        DataError: a file cannot be read.
    """
    names: dict[str, None] = {}
    for file in files:
        try:
            content = file.read_bytes()
            encoding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8")
            # Not `splitlines`, which also splits at characters that may be part of a name.
            names |= dict.fromkeys(line.strip() for line in re.split(r"[\r\n]+", content.decode(encoding)))
        except OSError as error:
            raise DataError(f"{file}: the list of names cannot be read ({error.strerror})") from error
        except UnicodeDecodeError as error:
            raise DataError(f"{file}: the list of names is not text in UTF-8 or UTF-16") from error
    return [name for name in names if name]


def find_names(names: Iterable[str], stems: Collection[str]) -> tuple[set[str], list[str]]:
    """Return the stems that the names in a list match, and the names without a match.

    A name is a stem or a file name, with or without folders (also Windows paths) and quotes; accents may be composed or
    not. A line may hold several names, separated by tabs, commas or spaces, if all of them match. A line that starts
    with "#" is a comment unless it is a name.

    Args:
        names: the lines.
        stems: the existing stems, from `dgrl.data.pairs.stem_of`.
    """
    matched: set[str] = set()
    unknown: list[str] = []
    for name in names:
        for words in _readings(name):
            matches = [_stem(word, stems) for word in words]
            if words and None not in matches:
                matched.update(stem for stem in matches if stem is not None)
                break
        else:
            if not name.startswith("#"):
                unknown.append(name)
    return matched, unknown


def _readings(line: str) -> Iterator[list[str]]:
    """Yield the ways to split a line into names, the most likely first."""
    yield [line]
    for separator in ("\t", ",", ";", None):
        yield [word for word in line.split(separator) if word.strip()]


def _stem(word: str, stems: Collection[str]) -> str | None:
    """Return the stem that a word matches, or None."""
    word = composed(word.strip())
    if len(word) > 1 and word[0] + word[-1] in _QUOTES:
        word = word[1:-1]
    for name in (word, PureWindowsPath(word).name):  # PureWindowsPath splits at "/" too
        stem, dot, ending = name.rpartition(".")
        for candidate in (name, stem if dot + ending.lower() in IMAGE_SUFFIXES else name):
            if candidate in stems:
                return candidate
    return None


def is_hidden(path: Path) -> bool:
    """Return whether a file is hidden or belongs to the system: macOS's "._photo.jpg", "Thumbs.db"."""
    return path.name.startswith(".") or path.name.lower() in _OF_THE_SYSTEM


def others_in(folder: Path) -> list[Path]:
    """Return a folder's files without an image suffix, sorted, without those of `is_hidden`."""
    return [
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() not in IMAGE_SUFFIXES and not is_hidden(path) and not path.is_dir()
    ]
