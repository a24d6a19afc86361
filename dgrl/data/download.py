"""Download archives of data sets: resume, verify, and unpack atomically.

Our own code, because torchvision's and pooch's downloads cannot resume.
"""

import shutil
import stat
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Sequence
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]  # exported lazily

from dgrl.data.pairs import DataError
from dgrl.files import digest
from dgrl.images import IMAGE_SUFFIXES
from dgrl.running.progress import bar

ATTEMPTS = 5
TIMEOUT = 60.0  # seconds without a byte
MAX_GROWTH = 100  # pictures hardly compress; an archive that grows more is an attack

_CHUNK = 1 << 20
_AGENT = "Mozilla/5.0 (compatible; dgrl)"  # some university servers refuse Python's default user agent
_RANGE_REFUSED = 416

Say = Callable[[str], None]


class DownloadError(DataError):
    """An archive cannot be downloaded or unpacked; the message names it and says why."""


def install(archives: Sequence[tuple[str, str | None]], folder: Path, home: str, say: Say = print) -> None:
    """Download archives and unpack their pictures into `folder`, atomically.

    The archives stay beside `folder`. A second process that installs the same set waits for the first.

    Args:
        archives: URLs, each with its checksum ("sha256:…", "md5:…") or None if it is unknown.
        folder: the folder to create.
        home: the data set's web page, named in errors.
        say: called with each line of progress.

    Raises:
        DownloadError: a URL cannot be reached, or a file has the wrong checksum.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(folder.with_name(f".{folder.name}.lock")):
        if folder.exists():
            return
        # With the data set's name, because several have an "images.zip".
        files = [folder.with_name(f"{folder.name}-{url.rsplit('/', 1)[-1]}") for url, _ in archives]
        for (url, checksum), file in zip(archives, files, strict=True):
            say(f"fetching {url}")
            try:
                fetch(url, file, checksum, say)
            except DownloadError as error:
                raise DownloadError(f"{error}; the data set's own page is {home}") from error
        partial = folder.with_name(f".{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        for file in files:
            unpack(file, partial)
        inner = list(partial.iterdir())
        # An archive with a single folder would otherwise create a nested folder.
        (inner[0] if len(inner) == 1 and inner[0].is_dir() else partial).rename(folder)
        shutil.rmtree(partial, ignore_errors=True)


def fetch(url: str, file: Path, checksum: str | None = None, say: Say = print) -> None:
    """Download `url` as `file`, resume an earlier attempt, and verify the checksum.

    The partial download is `file`.partial. If the checksum is unknown, the computed one is written to `file`.sha256, so
    that later changes are detected.

    Raises:
        DownloadError: the download fails, or the checksum is wrong.
    """
    if not file.exists():
        partial = file.with_name(f"{file.name}.partial")
        if not any(_transfer(url, partial) for _ in range(ATTEMPTS)):
            raise DownloadError(f"{url} was interrupted {ATTEMPTS} times; run again to resume the download")
        partial.replace(file)
        _tag(partial).unlink(missing_ok=True)
    verify(file, checksum, say)


def verify(file: Path, checksum: str | None, say: Say = print) -> None:
    """Compare a file with its checksum, or with the first one recorded if the true one is unknown.

    Raises:
        DownloadError: they differ. A file that differs from a known checksum is deleted.
    """
    pin = _pin(file)
    pinned = checksum is None and pin.exists()
    expected = f"sha256:{pin.read_text(encoding='utf-8').split()[0]}" if pinned else checksum
    algorithm = expected.split(":")[0] if expected else "sha256"
    actual = f"{algorithm}:{digest(file, algorithm)}"
    if expected is None:
        say(f"{file.name}: the expected checksum is unknown; recorded {actual} in {pin.name}")
        pin.write_text(f"{actual.split(':')[1]}  {file.name}\n", encoding="utf-8")
    elif actual != expected and pinned:
        raise DownloadError(f"{file} has changed since its download: delete it and {pin.name} to download it again")
    elif actual != expected:
        file.unlink()
        raise DownloadError(f"{file.name} has the checksum {actual} instead of {expected} and was removed")


def unpack(archive: Path, folder: Path) -> None:
    """Unpack the pictures of a zip archive into `folder`, under their names in the archive.

    Raises:
        DownloadError: the file is not a zip archive or is damaged, and was removed; or it has paths outside `folder`,
            is too large, or has no pictures.
    """
    try:
        with zipfile.ZipFile(archive) as zip_file:
            members = {member: _safe_path(archive, member) for member in zip_file.infolist()}
            pictures = {member: path for member, path in members.items() if _is_picture(member, path)}
            _check_size(archive, sum(member.file_size for member in pictures), folder)
            for member, path in bar(pictures.items(), f"unpacking {archive.name}", unit="file"):
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                with zip_file.open(member) as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        archive.unlink()
        _pin(archive).unlink(missing_ok=True)
        raise DownloadError(f"{archive} cannot be unpacked ({error}) and was removed: download it again") from error


def _safe_path(archive: Path, member: zipfile.ZipInfo) -> PurePosixPath:
    path = PurePosixPath(member.filename.replace("\\", "/"))
    if (
        path.is_absolute()
        or ".." in path.parts
        or any(":" in part for part in path.parts)
        or stat.S_ISLNK(member.external_attr >> 16)
    ):
        raise DownloadError(f"{archive} is not safe to unpack: it has a member {member.filename!r}")
    return path


def _is_picture(member: zipfile.ZipInfo, path: PurePosixPath) -> bool:
    """Return whether a member is a picture; macOS adds hidden files beside pictures."""
    hidden = "__MACOSX" in path.parts or path.name.startswith(".")
    return not member.is_dir() and not hidden and path.suffix.lower() in IMAGE_SUFFIXES


def _check_size(archive: Path, size: int, folder: Path) -> None:
    if size == 0:
        raise DownloadError(f"{archive} has no pictures")
    if size > MAX_GROWTH * archive.stat().st_size:
        raise DownloadError(f"{archive} is not safe to unpack: it would grow to {size:,} bytes")
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if size > free:
        raise DownloadError(f"{archive} needs {size:,} bytes when unpacked, and {folder.parent} has {free:,} left")


def _transfer(url: str, partial: Path) -> bool:
    """Download the rest of `url` into `partial`; return whether it is complete."""
    size = partial.stat().st_size if partial.exists() else 0
    try:
        response = _request(url, partial, size)
    except urllib.error.HTTPError as error:
        if error.code != _RANGE_REFUSED or not size:
            raise DownloadError(f"{url} answers {error.code} ({error.reason})") from error
        # The server has no more bytes: the file is complete, or belongs to another version.
        if error.headers.get("Content-Range", "") == f"bytes */{size}":
            return True
        partial.unlink()
        return False
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        reason = getattr(reason, "strerror", None) or reason
        raise DownloadError(f"{url} cannot be reached ({reason}): this machine may be offline") from error
    with response:
        if response.status != 206 or not response.headers.get("Content-Range", "").startswith(f"bytes {size}-"):
            size = 0  # the server does not resume, or the file has changed: start again
            validator = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
            _tag(partial).write_text(validator, encoding="utf-8")
        length = response.headers.get("Content-Length")
        total = size + int(length) if length is not None else None
        with partial.open("ab" if size else "wb") as file:
            return _copy(response, file, size, total, url)


def _request(url: str, partial: Path, size: int) -> HTTPResponse:
    headers = {"User-Agent": _AGENT}
    if size:
        headers["Range"] = f"bytes={size}-"
        validator = _tag(partial).read_text(encoding="utf-8") if _tag(partial).exists() else ""
        if validator and not validator.startswith("W/"):  # HTTP forbids weak validators in If-Range
            headers["If-Range"] = validator
    answer: HTTPResponse = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    return answer


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _copy(response: _Readable, file: IO[bytes], size: int, total: int | None, url: str) -> bool:
    """Write the response's bytes to the file; return whether all arrived."""
    name = url.rsplit("/", 1)[-1]
    with bar(total=total, initial=size, desc=name, unit="B", unit_scale=True) as progress:
        while True:
            try:
                chunk = response.read(_CHUNK)
            except (OSError, HTTPException):  # the connection broke
                return False
            if not chunk:
                return total is None or progress.n == total
            try:
                file.write(chunk)
            except OSError as error:
                raise DownloadError(
                    f"{name} cannot be written ({error.strerror}) after {progress.n:,} bytes"
                ) from error
            progress.update(len(chunk))


def _pin(file: Path) -> Path:
    """Return the path of the file with the first recorded checksum."""
    return file.with_name(f"{file.name}.sha256")


def _tag(partial: Path) -> Path:
    """Return the path of the file with the validator of a partial download."""
    return partial.with_name(f"{partial.name}.tag")
