"""Fetching archives of data sets: resumed, checked, and unpacked whole or not at all.

Written here because no library at hand resumes: torchvision's and pooch's downloads start again from the first byte.
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
MAX_GROWTH = 100  # pictures hardly shrink in an archive; what grows more than this is a trap

_CHUNK = 1 << 20
_AGENT = "Mozilla/5.0 (compatible; dgrl)"  # some university servers turn Python's own name away
_RANGE_REFUSED = 416

Say = Callable[[str], None]


class DownloadError(DataError):
    """An archive cannot be fetched or unpacked; the message is a sentence that names it and says why."""


def install(archives: Sequence[tuple[str, str | None]], folder: Path, home: str, say: Say = print) -> None:
    """Fetch archives and unpack their pictures into `folder`, which is made whole or not at all.

    The archives stay beside `folder`. Another process that installs the same waits, and finds it done.

    Args:
        archives: addresses, and checksums ("sha256:…", "md5:…") or None where the true one is unknown.
        folder: the folder to make.
        home: a page for people, named when an address no longer works.
        say: what to do with a line that people should read.

    Raises:
        DownloadError: there is no way to an address, or what came from there is not what should have come.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(folder.with_name(f".{folder.name}.lock")):
        if folder.exists():
            return
        # By the data set's name too: more than one has an "images.zip".
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
        # An archive of one folder would else make a folder in a folder.
        (inner[0] if len(inner) == 1 and inner[0].is_dir() else partial).rename(folder)
        shutil.rmtree(partial, ignore_errors=True)


def fetch(url: str, file: Path, checksum: str | None = None, say: Say = print) -> None:
    """Download `url` as `file`, going on where an earlier try broke off, and check it.

    A part lies in `file`.partial. Where no true checksum is known, the one that came is written to `file`.sha256, so
    that a file which changes later is noticed.

    Raises:
        DownloadError: it cannot be had, or its checksum is wrong.
    """
    if not file.exists():
        partial = file.with_name(f"{file.name}.partial")
        if not any(_transfer(url, partial) for _ in range(ATTEMPTS)):
            raise DownloadError(
                f"{url} broke off {ATTEMPTS} times; what has come is kept, and another run goes on there"
            )
        partial.replace(file)
        _tag(partial).unlink(missing_ok=True)
    verify(file, checksum, say)


def verify(file: Path, checksum: str | None, say: Say = print) -> None:
    """Compare a file with its checksum, or with the one first seen if the true one is unknown.

    Raises:
        DownloadError: they differ. A file that never was right is removed.
    """
    pin = _pin(file)
    pinned = checksum is None and pin.exists()
    expected = f"sha256:{pin.read_text(encoding='utf-8').split()[0]}" if pinned else checksum
    algorithm = expected.split(":")[0] if expected else "sha256"
    found = f"{algorithm}:{digest(file, algorithm)}"
    if expected is None:
        say(f"{file.name}: its true checksum is not known; that of this file is {found}, kept in {pin.name}")
        pin.write_text(f"{found.split(':')[1]}  {file.name}\n", encoding="utf-8")
    elif found != expected and pinned:
        raise DownloadError(f"{file} has changed since it came: delete it and {pin.name} to fetch it anew")
    elif found != expected:
        file.unlink()
        raise DownloadError(f"{file.name} is not the file it should be ({found} instead of {expected}) and was removed")


def unpack(archive: Path, folder: Path) -> None:
    """The pictures of a zip archive into `folder`, under the names that they have in it.

    Raises:
        DownloadError: it is no zip archive or is damaged, and was removed; it wants to write elsewhere, is beyond all
            measure, or holds no pictures.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = {member: _safe_path(archive, member) for member in opened.infolist()}
            pictures = {member: path for member, path in members.items() if _is_picture(member, path)}
            _check_size(archive, sum(member.file_size for member in pictures), folder)
            for member, path in bar(pictures.items(), f"unpacking {archive.name}", unit="file"):
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(member) as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        archive.unlink()
        _pin(archive).unlink(missing_ok=True)
        raise DownloadError(f"{archive} cannot be unpacked ({error}) and was removed: fetch it anew") from error


def _safe_path(archive: Path, member: zipfile.ZipInfo) -> PurePosixPath:
    path = PurePosixPath(member.filename.replace("\\", "/"))
    if (
        path.is_absolute()
        or ".." in path.parts
        or any(":" in part for part in path.parts)
        or stat.S_ISLNK(member.external_attr >> 16)
    ):
        raise DownloadError(f"{archive} is not safe to unpack: it holds {member.filename!r}")
    return path


def _is_picture(member: zipfile.ZipInfo, path: PurePosixPath) -> bool:
    """Whether to unpack it; macOS hides files beside pictures that are none."""
    hidden = "__MACOSX" in path.parts or path.name.startswith(".")
    return not member.is_dir() and not hidden and path.suffix.lower() in IMAGE_SUFFIXES


def _check_size(archive: Path, size: int, folder: Path) -> None:
    if size == 0:
        raise DownloadError(f"{archive} holds no pictures")
    if size > MAX_GROWTH * archive.stat().st_size:
        raise DownloadError(f"{archive} is not safe to unpack: it would grow to {size:,} bytes")
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if size > free:
        raise DownloadError(f"{archive} needs {size:,} bytes when unpacked, and {folder.parent} has {free:,} left")


def _transfer(url: str, partial: Path) -> bool:
    """Add to `partial` what it lacks of `url`; whether it is whole now."""
    have = partial.stat().st_size if partial.exists() else 0
    try:
        response = _request(url, partial, have)
    except urllib.error.HTTPError as error:
        if error.code != _RANGE_REFUSED or not have:
            raise DownloadError(f"{url} answers {error.code} ({error.reason})") from error
        # Nothing follows what is here: it is whole, or of another file.
        if error.headers.get("Content-Range", "") == f"bytes */{have}":
            return True
        partial.unlink()
        return False
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        reason = getattr(reason, "strerror", None) or reason
        raise DownloadError(f"{url} cannot be reached ({reason}): this machine may be offline") from error
    with response:
        if response.status != 206 or not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            have = 0  # the server does not resume, or has another file by now: all of it comes
            validator = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
            _tag(partial).write_text(validator, encoding="utf-8")
        length = response.headers.get("Content-Length")
        total = have + int(length) if length is not None else None
        with partial.open("ab" if have else "wb") as file:
            return _copy(response, file, have, total, url)


def _request(url: str, partial: Path, have: int) -> HTTPResponse:
    headers = {"User-Agent": _AGENT}
    if have:
        headers["Range"] = f"bytes={have}-"
        validator = _tag(partial).read_text(encoding="utf-8") if _tag(partial).exists() else ""
        if validator and not validator.startswith("W/"):  # a weak one may not be asked with
            headers["If-Range"] = validator
    answer: HTTPResponse = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    return answer


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _copy(response: _Readable, file: IO[bytes], have: int, total: int | None, url: str) -> bool:
    """Write what comes; whether all came."""
    name = url.rsplit("/", 1)[-1]
    with bar(total=total, initial=have, desc=name, unit="B", unit_scale=True) as shown:
        while True:
            try:
                chunk = response.read(_CHUNK)
            except (OSError, HTTPException):  # the connection broke
                return False
            if not chunk:
                return total is None or shown.n == total
            try:
                file.write(chunk)
            except OSError as error:
                raise DownloadError(f"{name} cannot be written ({error.strerror}) after {shown.n:,} bytes") from error
            shown.update(len(chunk))


def _pin(file: Path) -> Path:
    """The file that remembers the checksum first seen."""
    return file.with_name(f"{file.name}.sha256")


def _tag(partial: Path) -> Path:
    """The file that remembers which version of the file a part is of."""
    return partial.with_name(f"{partial.name}.tag")
