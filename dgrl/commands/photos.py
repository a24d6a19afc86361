"""Which photos a command line means, and how the files made of them are called."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from dgrl.images import IMAGE_SUFFIXES, ImageError

# HEIC cannot be read: in a folder such a photo is taken and refused, rather than passed over in silence.
PHOTO_SUFFIXES = IMAGE_SUFFIXES | {".heic", ".heif"}


def find_photos(arguments: Sequence[Path], refuse: Callable[[Exception], None]) -> list[Path]:
    """The files named, and the pictures in the folders named (not in folders within), each once, in order.

    What does not exist, and a folder without pictures, goes to `refuse` as an ImageError.
    """
    found: dict[Path, Path] = {}
    for argument in arguments:
        try:
            for photo in _in_folder(argument) if argument.is_dir() else [_existing(argument)]:
                found.setdefault(photo.resolve(), photo)
        except OSError as error:
            refuse(ImageError(f"{argument}: it cannot be read ({error.strerror})"))
        except ImageError as error:
            refuse(error)
    return list(found.values())


def _existing(path: Path) -> Path:
    if not path.exists():
        raise ImageError(f"{path}: there is no such file")
    return path


def _in_folder(folder: Path) -> list[Path]:
    # Names that start with a dot are hidden; macOS keeps "._photo.jpg" files that are no pictures.
    names = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    photos = [path for path in names if path.suffix.lower() in PHOTO_SUFFIXES and path.is_file()]
    if not photos:
        raise ImageError(f"{folder}: there are no pictures in this folder")
    return photos


def name_maps(photos: Sequence[Path], folder: Path) -> dict[Path, Path]:
    """Where each photo's map goes: `folder`/STEM.png.

    No two of them are the same, also where case does not count and with cut-outs beside them, and none is a photo:
    those that would be take their photo's whole name (a.jpg.png), then its folder's too, then a number.
    """
    forms: list[Callable[[int, Path], str]] = [
        lambda _, photo: photo.stem,
        lambda _, photo: photo.name,
        lambda _, photo: f"{photo.resolve().parent.name}_{photo.name}",
        lambda index, photo: f"{photo.name}_{index + 1}",
    ]
    taken = {_key(photo.resolve()) for photo in photos}
    form = dict.fromkeys(photos, 0)
    while True:
        maps = {photo: folder / f"{forms[form[photo]](index, photo)}.png" for index, photo in enumerate(photos)}
        clashing = _clashing(maps, taken)
        if not any(form[photo] < len(forms) - 1 for photo in clashing):
            return maps
        for photo in clashing:
            form[photo] = min(form[photo] + 1, len(forms) - 1)


def cutout_path(map_path: Path) -> Path:
    """Where the cut-out goes that belongs to a map."""
    return map_path.with_name(f"{map_path.stem}_cutout.png")


def _clashing(maps: dict[Path, Path], taken: Collection[str]) -> list[Path]:
    keys = {photo: [_key(path), _key(cutout_path(path))] for photo, path in maps.items()}
    count = Counter(key for both in keys.values() for key in both)
    return [photo for photo, both in keys.items() if any(count[key] > 1 or key in taken for key in both)]


def _key(path: Path) -> str:
    return str(path.parent.resolve() / path.name).casefold()
