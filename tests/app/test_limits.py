"""Limits of what requests can do: read files, make the server fetch addresses, fill disk or memory, block the queue."""

import errno
import os
import socket
import time
from pathlib import Path
from threading import Event
from typing import Any

import gradio as gr
import httpx
import pytest
from gradio import processing_utils
from gradio_client import handle_file
from PIL import Image

from dgrl.app import guard, outputs
from dgrl.app.files import session_files
from dgrl.app.payloads import REFUSAL
from dgrl.app.runs import AS_TRAINED
from tests.app.asking import ask, file, upload
from tests.app.conftest import Served, connect
from tests.helpers.networks import draw_photo

FOLDER = Path(os.environ["GRADIO_TEMP_DIR"])
ROOT = Path(__file__).resolve().parents[2]


def event(http: httpx.Client, served: Served, name: str, data: list[Any]) -> dict[str, Any]:
    """Return the response to an event of Gradio's queue, also a private one."""
    return ask(http, next(number for number, fn in served.app.get_blocks().fns.items() if fn.api_name == name), data)


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", f"{FOLDER}/../../etc/passwd", "../../etc/passwd", ROOT / "pyproject.toml", "/proc/self/environ"],
    ids=["root", "upwards", "relative", "project", "environment"],  # the folder's name differs between processes
)
def test_no_file_of_the_server_can_be_read(http: httpx.Client, served: Served, path: object) -> None:
    assert http.get(f"file={path}").status_code in (403, 404)
    assert http.get(f"proxy={path}").status_code in (400, 403, 404)
    for name, more in (("detect", [False]), ("report", [None])):
        answer = event(http, served, name, [file(path), "tiny", 0, *more])
        assert not answer["success"]
        assert "Traceback" not in str(answer)


@pytest.mark.parametrize(
    "data", [[1, "tiny", 0, True], [[], {}, 0, True], ["photo.png", "tiny", 0, True], [None, "tiny", [1], True]]
)
def test_arguments_of_the_wrong_kind_are_refused_in_words(http: httpx.Client, served: Served, data: list[Any]) -> None:
    answer = event(http, served, "detect", data)
    assert not answer["success"]
    assert len(answer["output"]["error"]) > 20
    assert "Traceback" not in str(answer)


def test_an_upload_lands_in_the_app_s_folder(http: httpx.Client) -> None:
    (path,) = upload(http, b"content", name="../../../evil.png").json()
    assert Path(path).is_relative_to(FOLDER)
    assert Path(path).name == "evil.png"


@pytest.mark.parametrize("name", ["detect", "measure", "what_if"])
def test_no_address_is_fetched(
    http: httpx.Client, served: Served, monkeypatch: pytest.MonkeyPatch, name: str, photo_files: dict[str, Path]
) -> None:
    fetched: list[str] = []
    for module, function in ((guard, "fetch"), (processing_utils, "async_ssrf_protected_download")):
        monkeypatch.setattr(module, function, lambda url, *_, **__: fetched.append(url))
    web_photo = file("https://example.com/photo.png")
    (photo,) = upload(http, photo_files["wide"].read_bytes()).json()
    data: dict[str, list[Any]] = {
        "detect": [web_photo, "tiny", 0, True],
        "measure": [file(photo), web_photo, "tiny", 0, True],
        "what_if": [file(photo), None, -1, "tiny", 0, None, web_photo],
    }
    answer = event(http, served, name, data[name])
    assert not answer["success"]
    assert answer["output"]["error"] == REFUSAL
    assert fetched == []


def files() -> set[Path]:
    return {path for path in FOLDER.rglob("*") if path.is_file()}


def test_many_files_together_cannot_exceed_the_limit(http: httpx.Client) -> None:
    before = files()
    answer = upload(http, *(bytes([number]) * 5 * 2**20 for number in range(10)))
    assert (answer.status_code, answer.json()["detail"]) == (413, "A request may have at most 44 MB.")
    assert upload(http, bytes(41 * 2**20)).status_code == 413
    assert http.post("queue/join", content=bytes(300 * 2**10)).status_code == 413
    assert {path for path in files() - before if not path.name.startswith("tmp")} == set()


def test_requests_without_uploads_are_small(http: httpx.Client) -> None:
    many = {"data": [[]] * 21_000, "fn_index": 0, "session_hash": "a"}
    deep = b'{"fn_index": 0, "session_hash": "a", "data": ' + b"[" * 19_000 + b"]" * 19_000 + b"}"
    assert http.post("queue/join", json=many).status_code == 413
    assert http.post("queue/join", content=deep).status_code == 400
    for session in ("x" * 65, "a/b", "a b", 7):
        answer = http.post("queue/join", json={"data": [], "fn_index": 0, "session_hash": session})
        assert (answer.status_code, "session" in answer.json()["error"]) == (400, True)


def test_unfinished_uploads_are_deleted_after_a_while(
    http: httpx.Client, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert upload(http, b"content", name="..").status_code == 400
    host, port = served.url.removeprefix("http://").rstrip("/").split(":")
    with socket.create_connection((host, int(port))) as vanishing:
        vanishing.sendall(
            b"POST /gradio_api/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n"
            b"Content-Type: multipart/form-data; boundary=B\r\n\r\n"
            b'--B\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n' + bytes(2_000_000)
        )
        time.sleep(0.5)
    session_folder = session_files()
    deadline = time.monotonic() + 30
    while len(left := list(session_folder.folder.glob("tmp*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(left) >= 2
    assert not any(session_folder.knows(str(path)) for path in left)
    session_folder.sweep(search=True)
    assert all(path.exists() for path in left), "an unfinished upload was deleted"
    monkeypatch.setattr("dgrl.app.files.UNFINISHED_SECONDS", 0)
    session_folder.sweep(search=True)
    assert not any(path.exists() for path in left)


def test_uploads_to_a_full_disk_are_refused(http: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files()
    monkeypatch.setattr(guard, "LEAST_FREE", 2**80)
    answer = upload(http, b"content that is new")
    assert answer.status_code == 507
    assert answer.json()["error"] == "The server's disk is full; please try again later."
    assert files() == before


def test_a_result_that_cannot_be_written_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = files()
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(gr.Error, match="No space left on device"):
        outputs.output_file(b"a new result", "result.png")
    assert files() == before


@pytest.mark.slow
def test_a_full_queue_refuses_jobs_and_closed_clients_free_their_place(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served.app.get_blocks()._queue, "max_size", 2)
    photos = [tmp_path / f"{number}.png" for number in range(6)]
    for number, path in enumerate(photos):
        Image.fromarray(draw_photo(50, 60 + number, seed=100 + number)[0]).save(path)
    computed = Event()

    def wait(*_: object) -> None:
        computed.wait(60)

    waiting = served.network.rln.register_forward_pre_hook(wait)
    session_folder = [connect(served.url) for _ in photos]

    def ask(number: int) -> Any:
        return session_folder[number].submit(handle_file(photos[number]), "tiny", AS_TRAINED, api_name="/detect")

    def until(count: int) -> None:
        deadline = time.monotonic() + 60
        while len(served.app.get_blocks()._queue) != count:
            assert time.monotonic() < deadline, f"{len(served.app.get_blocks()._queue)} wait instead of {count}"
            time.sleep(0.05)

    try:
        jobs = [ask(number) for number in (0, 1)]  # two run at the same time
        deadline = time.monotonic() + 60
        while sum(map(bool, served.app.get_blocks()._queue.active_jobs)) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        jobs.append(ask(2))
        until(1)
        vanishing = ask(3)
        until(2)
        with pytest.raises(Exception, match="Queue is full"):
            ask(4).result(timeout=60)
        vanishing.cancel()
        session_folder[3].close()
        until(1)
        jobs.append(ask(5))
    finally:
        computed.set()
        waiting.remove()
    for job, number in zip(jobs, (0, 1, 2, 5), strict=True):
        saliency, *_ = job.result(timeout=60)
        assert Image.open(saliency).size == (60 + number, 50)
    for opened_client in session_folder:
        opened_client.close()


def test_a_list_without_the_last_optional_arguments_gets_their_defaults(
    http: httpx.Client, served: Served, photo_files: dict[str, Path]
) -> None:
    (photo,) = upload(http, photo_files["wide"].read_bytes()).json()
    assert event(http, served, "detect", [file(photo), "tiny", 0, True])["success"]
    assert event(http, served, "detect", [file(photo)])["success"]
    assert event(http, served, "detect", [])["output"]["error"] == guard.WRONG_COUNT
