"""Fetching archives from a server on this machine that misbehaves on request."""

import contextlib
import hashlib
import io
import os
import socket
import stat
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from dgrl.data import download
from dgrl.data.download import DownloadError, fetch, install, unpack, verify

CONTENT = os.urandom(3_000_000)
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


class Server(ThreadingHTTPServer):
    """Serves `files`; breaks off after `break_after` bytes, `breaks` times; does not resume if `ranges` is off."""

    daemon_threads = True

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = files
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.requests = []
        self.break_after, self.breaks = None, 0
        self.ranges = True
        self.tag = '"one"'


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server, expected = self.server, self.headers.get("Range")
        server.requests.append(dict(self.headers))
        if self.path not in server.files:
            self.send_error(404)
            return
        content = server.files[self.path]
        start = 0
        same = self.headers.get("If-Range") in (None, server.tag)
        if expected and server.ranges and same:
            start = int(expected.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("ETag", server.tag)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = len(content)
        if server.breaks:
            server.breaks -= 1
            end = min(end, start + server.break_after)
        self.wfile.write(content[start:end])

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def serving(files):
    with Server(files) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def server():
    with serving({"/a.zip": CONTENT}) as running:
        yield running


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_downloaded_file_is_complete(server, tmp_path):
    fetch(f"{server.url}/a.zip", tmp_path / "a.zip", SHA256)
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert files(tmp_path) == ["a.zip"]


def test_a_broken_transfer_goes_on_where_it_stopped(server, tmp_path):
    server.break_after, server.breaks = 1_000_000, 2
    fetch(f"{server.url}/a.zip", tmp_path / "a.zip", SHA256)
    assert [request.get("Range") for request in server.requests] == [None, "bytes=1000000-", "bytes=2000000-"]
    assert (tmp_path / "a.zip").read_bytes() == CONTENT


def test_the_next_run_also_resumes(server, tmp_path):
    server.break_after, server.breaks = 100_000, download.ATTEMPTS
    with pytest.raises(DownloadError, match=r"a\.zip was interrupted 5 times; run again to resume"):
        fetch(f"{server.url}/a.zip", tmp_path / "a.zip", SHA256)
    assert not (tmp_path / "a.zip").exists()
    server.requests.clear()
    fetch(f"{server.url}/a.zip", tmp_path / "a.zip", SHA256)
    assert [request["Range"] for request in server.requests] == [f"bytes={100_000 * download.ATTEMPTS}-"]
    assert (tmp_path / "a.zip").read_bytes() == CONTENT


def test_a_part_of_another_version_is_not_gone_on_with(server, tmp_path):
    server.break_after, server.breaks = 100_000, download.ATTEMPTS
    with pytest.raises(DownloadError):
        fetch(f"{server.url}/a.zip", tmp_path / "a.zip")
    newer = CONTENT[::-1]
    server.files["/a.zip"], server.tag = newer, '"two"'
    fetch(f"{server.url}/a.zip", tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == newer


def test_servers_that_do_not_resume_start_again(server, tmp_path):
    server.break_after, server.breaks, server.ranges = 1_000_000, 1, False
    fetch(f"{server.url}/a.zip", tmp_path / "a.zip", SHA256)
    assert (tmp_path / "a.zip").read_bytes() == CONTENT


@pytest.mark.parametrize("extra", [b"", b"more than there is"])
def test_a_part_that_is_whole_or_too_long(server, tmp_path, extra):
    """A kill between the last byte and the renaming leaves the first; the second is of another file."""
    (tmp_path / "a.zip.partial").write_bytes(CONTENT + extra)
    fetch(f"{server.url}/a.zip", tmp_path / "a.zip", SHA256)
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert len(server.requests) == (2 if extra else 1)


def test_a_wrong_checksum_is_refused_and_the_file_removed(server, tmp_path):
    with pytest.raises(DownloadError, match=rf"has the checksum {SHA256} instead of sha256:00"):
        fetch(f"{server.url}/a.zip", tmp_path / "a.zip", f"sha256:{'0' * 64}")
    assert files(tmp_path) == []


def test_md5_is_known_too(server, tmp_path):
    fetch(f"{server.url}/a.zip", tmp_path / "a.zip", f"md5:{hashlib.md5(CONTENT).hexdigest()}")
    assert files(tmp_path) == ["a.zip"]


def test_without_a_known_checksum_the_first_download_is_recorded(server, tmp_path):
    lines = []
    fetch(f"{server.url}/a.zip", tmp_path / "a.zip", None, lines.append)
    assert SHA256 in lines[0]
    assert (tmp_path / "a.zip.sha256").read_text() == f"{SHA256.removeprefix('sha256:')}  a.zip\n"
    verify(tmp_path / "a.zip", None, lines.append)
    assert len(lines) == 1
    with (tmp_path / "a.zip").open("r+b") as file:
        file.write(b"rot")
    with pytest.raises(DownloadError, match=r"a\.zip has changed since its download: delete it and a\.zip\.sha256"):
        fetch(f"{server.url}/a.zip", tmp_path / "a.zip", None)


def test_existing_files_are_not_downloaded_again(server, tmp_path):
    (tmp_path / "a.zip").write_bytes(CONTENT)
    fetch(f"{server.url}/a.zip", tmp_path / "a.zip", SHA256)
    assert server.requests == []


def test_missing_files_name_the_sets_own_page(server, tmp_path):
    with pytest.raises(
        DownloadError, match=r"/b\.zip answers 404 \(Not Found\); the data set's own page is http://home"
    ):
        install([(f"{server.url}/b.zip", None)], tmp_path / "SET", "http://home")
    assert not (tmp_path / "SET").exists()


def test_offline_is_one_clear_sentence(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for url, reason in ((f"http://127.0.0.1:{port}/a.zip", "refused"), ("http://nowhere.invalid/a.zip", "")):
        with pytest.raises(
            DownloadError, match=rf"cannot be reached \(.*{reason}[^\[]*\): this machine may be offline$"
        ):
            fetch(url, tmp_path / "a.zip")
    assert files(tmp_path) == []


def test_a_full_disk_and_a_broken_connection_have_different_messages():
    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(28, "No space left on device")

    with pytest.raises(DownloadError, match=r"a\.zip cannot be written \(No space left on device\) after 0 bytes"):
        download._copy(io.BytesIO(b"data"), Full(), 0, 4, "http://home/a.zip")


def archive(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members.items():
            opened.writestr(name, content)
    return path


def test_unpacking_takes_pictures_only(tmp_path):
    names = ["S/image/a.jpg", "S/mask/a.PNG", "S/notes.txt", "__MACOSX/S/image/._a.jpg", "S/image/._a.jpg", "S/x.mat"]
    unpack(archive(tmp_path / "s.zip", dict.fromkeys(names, b"data")), tmp_path / "out")
    result = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*"))
    assert result == ["S/image/a.jpg", "S/mask/a.PNG"]


@pytest.mark.parametrize("name", ["../a.jpg", "/etc/a.jpg", "b/../../a.jpg", "..\\a.jpg", "C:\\a.jpg", "C:/a.jpg"])
def test_archives_that_write_elsewhere_are_refused(tmp_path, name):
    with pytest.raises(DownloadError, match=r"s\.zip is not safe to unpack: it has a member "):
        unpack(archive(tmp_path / "s.zip", {"good.jpg": b"data", name: b"data"}), tmp_path / "in" / "out")
    assert files(tmp_path) == ["s.zip"]


def test_links_in_archives_are_refused(tmp_path):
    link = zipfile.ZipInfo("a.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(DownloadError, match="not safe"):
        unpack(archive(tmp_path / "s.zip", {link: b"/etc/passwd"}), tmp_path / "out")


def test_archives_that_explode_are_refused(tmp_path):
    with pytest.raises(DownloadError, match=r"not safe to unpack: it would grow to 50,000,000 bytes"):
        unpack(archive(tmp_path / "s.zip", {"a.png": bytes(50_000_000)}), tmp_path / "out")


def test_archives_that_do_not_fit_are_refused(tmp_path, monkeypatch):
    free = download.shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda folder: free)
    with pytest.raises(DownloadError, match=r"needs 1,000 bytes when unpacked, and .* has 10 left"):
        unpack(archive(tmp_path / "s.zip", {"a.png": os.urandom(1000)}), tmp_path / "out")


def test_files_that_are_not_archives_are_removed(tmp_path):
    """A page that says "please log in", for example."""
    (tmp_path / "s.zip").write_text("<html>")
    (tmp_path / "s.zip.sha256").write_text("0  s.zip")
    with pytest.raises(DownloadError, match=r"cannot be unpacked \(File is not a zip file\) and was removed"):
        unpack(tmp_path / "s.zip", tmp_path / "out")
    assert files(tmp_path) == []


def test_a_damaged_archive_leaves_no_folder_that_looks_whole(server, tmp_path):
    content = bytearray(
        archive(tmp_path / "s.zip", {f"S/image/{i}.jpg": os.urandom(999) for i in range(9)}).read_bytes()
    )
    content[len(content) // 2] ^= 255
    server.files["/s.zip"] = bytes(content)
    with pytest.raises(DownloadError, match="Bad CRC-32"):
        install([(f"{server.url}/s.zip", None)], tmp_path / "data" / "SET", "http://home")
    assert not (tmp_path / "data" / "SET").exists()
    server.files["/s.zip"] = (tmp_path / "s.zip").read_bytes()
    install([(f"{server.url}/s.zip", None)], tmp_path / "data" / "SET", "http://home")
    assert len(list((tmp_path / "data" / "SET" / "image").iterdir())) == 9


def test_a_kill_while_unpacking_leaves_no_folder_that_looks_whole(server, tmp_path, monkeypatch):
    server.files["/s.zip"] = archive(tmp_path / "s.zip", {f"S/image/{i}.jpg": b"x" for i in range(9)}).read_bytes()
    copies = []

    def killed(source, target):
        copies.append(target)
        if len(copies) == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(download.shutil, "copyfileobj", killed)
        with pytest.raises(KeyboardInterrupt):
            install([(f"{server.url}/s.zip", None)], tmp_path / "data" / "SET", "http://home")
    assert not (tmp_path / "data" / "SET").exists()
    install([(f"{server.url}/s.zip", None)], tmp_path / "data" / "SET", "http://home")
    assert len(list((tmp_path / "data" / "SET" / "image").iterdir())) == 9


def test_of_several_processes_one_fetches_and_the_others_wait(server, tmp_path):
    server.files["/s.zip"] = archive(tmp_path / "s.zip", {f"S/image/{i}.jpg": b"x" for i in range(9)}).read_bytes()
    arguments = ([(f"{server.url}/s.zip", None)], tmp_path / "data" / "SET", "http://home", lambda line: None)
    threads = [threading.Thread(target=install, args=arguments) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.requests) == 1
    assert len(list((tmp_path / "data" / "SET" / "image").iterdir())) == 9


def test_archives_without_pictures_are_refused(tmp_path):
    with pytest.raises(DownloadError, match="has no pictures"):
        unpack(archive(tmp_path / "s.zip", {"a.mat": b"data"}), tmp_path / "out")
