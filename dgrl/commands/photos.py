"""Find the photos that a command line names, and name the files that are made from them."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from PIL import Image

from dgrl.data.names import is_hidden
from dgrl.data.pairs import composed
from dgrl.images import IMAGE_SUFFIXES, ImageError
from dgrl.images.marking import is_marked
from dgrl.images.video import VIDEO_SUFFIXES

STANDARD_INPUT = Path("-")

# Formats that are recognised by content under any name. Pillow's other formats have too short a mark for that.
_KNOWN_BY_CONTENT = ("JPEG", "MPO", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "HEIF", "JPEG2000", "PSD")
# Pictures that cannot be read. Of raw pictures, Pillow would read only the thumbnail.
_NOT_READ = frozenset(
    {
        *(".dng", ".nef", ".nrw", ".cr2", ".cr3", ".crw", ".arw", ".srf", ".sr2", ".raf", ".orf", ".rw2", ".pef"),
        *(".srw", ".x3f", ".3fr", ".iiq", ".raw", ".svg", ".svgz", ".jxl", ".eps", ".ai", ".wmf", ".emf", ".xcf"),
    }
)
_LISTED = 20  # of the files in a folder that are no pictures; the others are counted
Tell = Callable[[Exception], None]


def find_photos(
    arguments: Sequence[Path],
    refuse: Tell,
    pass_over: Tell = lambda _: None,
    out: Path | None = None,
    recursive: bool = False,
) -> list[Path]:
    """Return the named files, and the pictures in the named folders, each once, in order.

    In a folder, files with a picture's ending or content are pictures, except the maps and cut-outs of an earlier run.

    Args:
        arguments: files and folders; `STANDARD_INPUT` is returned unchanged.
        refuse: called with an ImageError for each named file that does not exist, and each folder without pictures.
        pass_over: called with an ImageError for each other file that is skipped.
        out: the folder of results; it is not searched if it is inside a named folder.
        recursive: also search the folders inside the named folders, but not behind links.
    """
    photo_of: dict[Path, Path] = {}
    for argument in arguments:
        try:
            if argument != STANDARD_INPUT and argument.is_dir():
                photos = list(_in_folder(argument, refuse, pass_over, out, recursive))
            else:
                photos = [_existing(argument)]
            if len(photos) == 1 and not argument.is_dir() and is_marked(argument):
                pass_over(ImageError(f"{argument}: a map or cut-out of an earlier run, not a photo"))
                continue
            for photo in photos:
                photo_of.setdefault(_resolved(photo), photo)
        except OSError as error:
            refuse(ImageError(f"{argument}: it cannot be read ({error.strerror})"))
        except ImageError as error:
            refuse(error)
    return list(photo_of.values())


def _existing(path: Path) -> Path:
    if path == STANDARD_INPUT:
        return path
    if path.is_symlink() and not path.exists():
        raise ImageError(f"{path}: this is a link to a file that is not there")
    if not path.exists():
        raise ImageError(f"{path}: there is no such file")
    if path.suffix.lower() in _NOT_READ:
        raise ImageError(f"{path}: {path.suffix} files cannot be read")
    if path.suffix.lower() in VIDEO_SUFFIXES:
        raise ImageError(f"{path}: this is a video; add --video")
    return path


def subfolder(photo: Path, arguments: Sequence[Path]) -> Path:
    """Return a photo's folder, relative to the named folder in which it was found; `.` for a named file."""
    inside = (photo.parent.relative_to(argument) for argument in arguments if photo.is_relative_to(argument))
    return next((folder for folder in inside if ".." not in folder.parts), Path())


def _in_folder(folder: Path, refuse: Tell, pass_over: Tell, out: Path | None, recursive: bool) -> Iterator[Path]:
    other_files: list[Path] = []
    photos = maps = bad_count = 0
    for path in _files(folder, out, recursive):
        suffix = path.suffix.lower()
        if path.is_dir() and suffix not in IMAGE_SUFFIXES:
            other_files.append(path)
        elif suffix in _NOT_READ:
            refuse(ImageError(f"{path}: {path.suffix} files cannot be read"))
            bad_count += 1
        elif is_marked(path):
            maps += 1
        elif suffix in IMAGE_SUFFIXES or _is_picture(path):
            photos += 1
            yield path
        else:
            other_files.append(path)
    for path in other_files[:_LISTED]:
        reason = "a folder; --recursive does its pictures too" if path.is_dir() else "not a picture"
        pass_over(ImageError(f"{path}: skipped, {reason}"))
    if len(other_files) > _LISTED:
        pass_over(ImageError(f"{folder}: skipped, {len(other_files) - _LISTED} more that are no pictures"))
    if maps:
        pass_over(ImageError(f"{folder}: skipped, maps and cut-outs of an earlier run: {maps}"))
    if not photos and not bad_count:
        raise ImageError(f"{folder}: there are no pictures in this folder")


def _files(folder: Path, out: Path | None, recursive: bool) -> Iterator[Path]:
    """Yield a folder's files without hidden ones and `out`, also those of its folders if it is searched recursively."""
    for path in sorted(folder.iterdir()):
        if is_hidden(path):
            continue
        is_folder = path.is_dir() and path.suffix.lower() not in IMAGE_SUFFIXES
        if is_folder and out is not None and path.resolve() == out.resolve():
            continue
        if is_folder and recursive and not path.is_symlink():
            yield from _files(path, out, recursive)
        else:
            yield path


def is_photo(path: Path) -> bool:
    """Say whether a file is a photo: not hidden, a picture by name or content, and not a result of DGRL."""
    looks_like_one = path.suffix.lower() in IMAGE_SUFFIXES or _is_picture(path)
    return looks_like_one and not is_hidden(path) and not is_marked(path)


def _is_picture(path: Path) -> bool:
    """Say whether the first bytes of a file are those of a picture."""
    try:
        if not path.is_file():
            return False
        with Image.open(path, formats=_KNOWN_BY_CONTENT):
            return True
    except Exception:  # Pillow's are of many kinds
        return False


def name_maps(
    photos: Sequence[Path], folder: Path, suffix: str = ".png", within: Mapping[Path, Path] | None = None
) -> dict[Path, Path]:
    """Return the file of each photo's map: `folder`/STEM.png.

    No file has two maps, nor a map and a cut-out, even on disks that ignore case and how accents are stored. None is a
    photo, and a file beside its photo is only replaced if an earlier run wrote it. Where STEM.png is not possible, the
    name has the photo's ending too (a.jpg.png), then its folder, then a number.

    Args:
        photos: files, or `STANDARD_INPUT`.
        folder: where all of them go.
        suffix: the ending of the maps.
        within: folder inside of `folder` of each photo's map, for those that do not lie in it directly.
    """
    forms: list[Callable[[int, Path], str]] = [
        lambda _, photo: "stdin" if photo == STANDARD_INPUT else photo.stem,
        lambda _, photo: photo.name,
        lambda _, photo: f"{_resolved(photo).parent.name}_{photo.name}",
        lambda index, photo: f"{photo.name}_{index + 1}",
    ]
    places = {photo: folder / (within or {}).get(photo, Path()) for photo in photos}
    used_keys = {_key(path) for photo in photos for path in (photo, _resolved(photo))}
    photo_folders = {photo.parent.resolve() for photo in photos}
    for place in set(places.values()):
        if place.resolve() in photo_folders:
            old_maps = (path for path in place.iterdir() if path.suffix.lower() == suffix)
            used_keys |= {_key(path) for path in old_maps if not is_marked(path)}
    form = dict.fromkeys(photos, 0)
    while True:
        maps = {
            photo: places[photo] / f"{forms[form[photo]](index, photo)}{suffix}" for index, photo in enumerate(photos)
        }
        clashing = _clashing(maps, used_keys)
        if not any(form[photo] < len(forms) - 1 for photo in clashing):
            return maps
        for photo in clashing:
            form[photo] = min(form[photo] + 1, len(forms) - 1)


def cutout_path(map_path: Path) -> Path:
    """Return the file of the cut-out that belongs to a map."""
    return map_path.with_name(f"{map_path.stem}_cutout{map_path.suffix.lower()}")


def _clashing(maps: dict[Path, Path], used_keys: Collection[str]) -> list[Path]:
    keys = {photo: [_key(path), _key(cutout_path(path))] for photo, path in maps.items()}
    count = Counter(key for photo_keys in keys.values() for key in photo_keys)
    return [
        photo for photo, photo_keys in keys.items() if any(count[key] > 1 or key in used_keys for key in photo_keys)
    ]


def _resolved(path: Path) -> Path:
    """Return the file that a path leads to; a circular link leads to itself."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # Python 3.10 to 3.12 raise the latter
        return path.absolute()


def _key(path: Path) -> str:
    return composed(str(_resolved(path.parent) / path.name).casefold())
