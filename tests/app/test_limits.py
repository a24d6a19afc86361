"""What a visitor can make of the server: read its files, send it elsewhere, fill its disk or memory, hold its queue."""

import errno
import io
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import gradio as gr
import httpx
import pytest
from gradio import processing_utils
from gradio_client import handle_file
from PIL import Image

from dgrl.app import limits, parts
from dgrl.app.runs import AS_TRAINED
from tests.app.conftest import Served, connect
from tests.helpers.networks import draw_photo

FOLDER = Path(os.environ["GRADIO_TEMP_DIR"])
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def http(served: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{served.url}gradio_api/", timeout=60) as client:
        yield client


def event(http: httpx.Client, served: Served, name: str, data: list[Any]) -> dict[str, Any]:
    """What an event, also a private one, answers."""
    number = next(number for number, fn in served.app.fns.items() if fn.api_name == name)
    body = {"fn_index": number, "data": data, "session_hash": f"visitor{time.monotonic_ns()}"}
    http.post("queue/join", json=body).raise_for_status()
    with http.stream("GET", "queue/data", params={"session_hash": body["session_hash"]}) as answer:
        for line in answer.iter_lines():
            message = json.loads(line.removeprefix("data:")) if line else {"msg": ""}
            if message["msg"] == "process_completed":
                return message
    raise AssertionError("no answer")


def file(path: object) -> dict[str, Any]:
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}}


def picture(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("1", (width, height)).save(buffer, "png")
    return buffer.getvalue()


def upload(http: httpx.Client, *contents: bytes, name: str = "a.png") -> httpx.Response:
    return http.post("upload", files=[("files", (name, content)) for content in contents])


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", f"{FOLDER}/../../etc/passwd", "../../etc/passwd", ROOT / "pyproject.toml", "/proc/self/environ"],
    ids=["root", "upwards", "relative", "project", "environment"],  # the folder's name differs between processes
)
def test_no_file_of_the_server_can_be_read(http: httpx.Client, served: Served, path: object) -> None:
    assert http.get(f"file={path}").status_code in (403, 404)
    assert http.get(f"proxy={path}").status_code in (400, 403, 404)
    for name, more in (("detect", []), ("report", [])):
        answer = event(http, served, name, [file(path), "tiny", 0, *more])
        assert not answer["success"]
        assert "Traceback" not in str(answer)


@pytest.mark.parametrize("data", [[1, "tiny", 0], [[], {}, 0], ["photo.png", "tiny", 0], [None, "tiny", [1]]])
def test_arguments_of_the_wrong_kind_are_refused_in_words(http: httpx.Client, served: Served, data: list[Any]) -> None:
    answer = event(http, served, "detect", data)
    assert not answer["success"]
    assert len(answer["output"]["error"]) > 20
    assert "Traceback" not in str(answer)


def test_an_upload_lands_in_the_app_s_folder(http: httpx.Client) -> None:
    (path,) = upload(http, b"content", name="../../../evil.png").json()
    assert Path(path).is_relative_to(FOLDER)
    assert Path(path).name == "evil.png"


@pytest.mark.parametrize("name", ["detect", "measure", "painting_file"])
def test_no_address_is_fetched(
    http: httpx.Client, served: Served, monkeypatch: pytest.MonkeyPatch, name: str, photo_files: dict[str, Path]
) -> None:
    fetched: list[str] = []
    monkeypatch.setattr(processing_utils, "async_ssrf_protected_download", lambda url, **_: fetched.append(url))
    there = file("https://example.com/photo.png")
    (photo,) = upload(http, photo_files["wide"].read_bytes()).json()
    data: dict[str, list[Any]] = {
        "detect": [there, "tiny", 0],
        "measure": [file(photo), "tiny", 0, there, True],
        "painting_file": [{"background": None, "layers": [there], "composite": None, "id": None}],
    }
    answer = event(http, served, name, data[name])
    assert not answer["success"]
    assert answer["output"]["error"] == "Give the picture itself, not its address on the web."
    assert fetched == []


def files() -> set[Path]:
    return {path for path in FOLDER.rglob("*") if path.is_file()}


def test_many_files_are_no_way_around_the_limit(http: httpx.Client) -> None:
    before = files()
    answer = upload(http, *(bytes([number]) * 5 * 2**20 for number in range(10)))
    assert (answer.status_code, answer.text) == (413, "A request may have 44 MB and no more.")
    assert upload(http, bytes(41 * 2**20)).status_code == 413
    assert http.post("queue/join", content=bytes(45 * 2**20)).status_code in (400, 413)
    assert {path for path in files() - before if not path.name.startswith("tmp")} == set()


def test_what_failed_uploads_leave_is_deleted_in_time(http: httpx.Client, served: Served) -> None:
    assert upload(http, b"content", name="..").status_code == 400
    host, port = served.url.removeprefix("http://").rstrip("/").split(":")
    with socket.create_connection((host, int(port))) as vanishing:
        vanishing.sendall(
            b"POST /gradio_api/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n"
            b"Content-Type: multipart/form-data; boundary=B\r\n\r\n"
            b'--B\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n' + bytes(2_000_000)
        )
        time.sleep(0.5)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        left = {str(path) for path in FOLDER.glob("tmp*")}
        if len(left) >= 2 and left <= served.app.upload_file_set:
            break
        time.sleep(0.1)
    else:
        raise AssertionError(f"Gradio will not delete {left - served.app.upload_file_set}")


def test_a_full_disk_takes_no_uploads(http: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files()
    monkeypatch.setattr(limits, "LEAST_FREE", 2**80)
    answer = upload(http, b"content that is new")
    assert (answer.status_code, answer.text) == (507, "The server's disk is full; please try again later.")
    assert files() == before


def test_a_result_that_cannot_be_written_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = files()
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(gr.Error, match="No space left on device"):
        parts.served_file(b"a new result", "result.png")
    assert files() == before


def drawing(**more: Any) -> dict[str, Any]:
    return {"background": None, "layers": [], "composite": None, "id": None, **more}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_painting_has_few_pixels_and_layers(http: httpx.Client, served: Served) -> None:
    small, bomb = (upload(http, content).json()[0] for content in (picture(9, 9), picture(12_000, 12_000)))
    (broken,) = upload(http, b"no picture").json()
    assert event(http, served, "painting_file", [drawing(layers=[file(small)])])["success"]
    for layers, message in (([bomb], "25,000,000 pixels"), ([broken], "no picture"), ([small] * 5, "one layer")):
        answer = event(http, served, "painting_file", [drawing(layers=[file(path) for path in layers])])
        assert not answer["success"]
        assert message in answer["output"]["error"]


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_what_the_editor_sends_is_bounded(http: httpx.Client, served: Served) -> None:
    number, editor = next((n, b) for n, b in served.app.blocks.items() if isinstance(b, gr.ImageEditor))

    def send(content: bytes, index: object, name: str) -> int:
        data = {"type": "layer", "index": str(index), "id": name}
        fields = {"fn_name": "accept_blobs", "component_id": str(number), "session_hash": "painter", **data}
        answer = http.post(
            "component_server",
            data=fields,
            files={"file": ("a.png", content)},
            headers={"Connection": "close"},  # the server closes it after an error, and perhaps during the next request
        )
        return answer.status_code

    assert send(picture(9, 9), 1, "sound") == 200
    assert event(http, served, "painting_file", [drawing(id="sound")])["success"]
    assert send(picture(12_000, 12_000), 1, "bomb") == 200
    assert "25,000,000" in event(http, served, "painting_file", [drawing(id="bomb")])["output"]["error"]
    for content, index in ((b"", 10**9), (b"", -5), (bytes(9 * 2**20), 0)):
        assert send(content, index, "evil") == 500
        assert "evil" not in editor.blob_storage
    for visitor in range(limits.DRAWINGS + 5):
        send(b"small", 0, f"visitor{visitor}")
    assert len(editor.blob_storage) == limits.DRAWINGS
    editor.blob_storage.clear()


def test_a_full_queue_says_so_and_those_who_vanish_free_their_place(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served.app._queue, "max_size", 2)
    photos = [tmp_path / f"{number}.png" for number in range(6)]
    for number, path in enumerate(photos):
        Image.fromarray(draw_photo(50, 60 + number, seed=100 + number)[0]).save(path)
    computed = Event()

    def wait(*_: object) -> None:
        computed.wait(60)

    waiting = served.network.rln.register_forward_pre_hook(wait)
    visitors = [connect(served.url) for _ in photos]

    def ask(number: int) -> Any:
        return visitors[number].submit(handle_file(photos[number]), "tiny", AS_TRAINED, api_name="/detect")

    def until(count: int) -> None:
        deadline = time.monotonic() + 60
        while len(served.app._queue) != count:
            assert time.monotonic() < deadline, f"{len(served.app._queue)} wait instead of {count}"
            time.sleep(0.05)

    try:
        jobs = [ask(number) for number in (0, 1)]  # two are computed at once
        deadline = time.monotonic() + 60
        while sum(map(bool, served.app._queue.active_jobs)) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        jobs.append(ask(2))
        until(1)
        vanishing = ask(3)
        until(2)
        with pytest.raises(Exception, match="Queue is full"):
            ask(4).result(timeout=60)
        vanishing.cancel()
        visitors[3].close()
        until(1)
        jobs.append(ask(5))
    finally:
        computed.set()
        waiting.remove()
    for job, number in zip(jobs, (0, 1, 2, 5), strict=True):
        _, saliency, *_ = job.result(timeout=60)
        assert Image.open(saliency).size == (60 + number, 50)
    for visitor in visitors:
        visitor.close()
