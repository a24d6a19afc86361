"""Attacks on every endpoint that the app lists, so that new endpoints are attacked too."""

import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from dgrl.app.addresses import is_open
from dgrl.app.files import session_files
from dgrl.app.payloads import MOST_LEVELS, REFUSAL, RefusedError, checked
from tests.app.asking import MARK, ask, endpoints, file, upload
from tests.app.conftest import Served

FEW_LETTERS = 20
OPEN = {
    "GET": {
        "/", "/api", "/health", "/favicon.ico", "/file/{folder}/{name}", "/photo/example/{name}",
        "/photo/example/{name}/{kind}", "/photo/upload/{identity}/{kind}", "/config", "/config/",
        "/page/{version}/{path:path}",
        "/gradio_api/app_id", "/gradio_api/app_id/", "/gradio_api/login_check", "/gradio_api/login_check/",
        "/gradio_api/info", "/gradio_api/info/", "/gradio_api/openapi.json", "/gradio_api/file={path_or_url:path}",
        "/gradio_api/heartbeat/{session_hash}", "/gradio_api/queue/data", "/gradio_api/queue/status",
        "/gradio_api/call/{api_name}/{event_id}", "/gradio_api/upload_progress",
        "/gradio_api/call/v2/{api_name}/{event_id}", "/gradio_api/startup-events",
    },
    "POST": {
        "/photos", "/pass", "/pixel", "/explain", "/measure", "/survey", "/report", "/file", "/leave",
        "/gradio_api/call/{api_name}", "/gradio_api/call/{api_name}/", "/gradio_api/call/v2/{api_name}",
        "/gradio_api/call/v2/{api_name}/", "/gradio_api/queue/join", "/gradio_api/cancel", "/gradio_api/reset",
        "/gradio_api/reset/", "/gradio_api/upload",
    },
}  # fmt: skip
"""Gradio's routes that stay open, by method. A new route of Gradio is closed until it is added here."""


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """Write a private picture on the server, outside the app's folder."""
    path = tmp_path / "secret.png"
    Image.new("RGB", (40, 30), "red").save(path)
    return path


@pytest.fixture
def places(tmp_path: Path, secret: Path, http: httpx.Client) -> Iterator[dict[str, str]]:
    """Return what an attacker may name instead of an upload."""
    folder = session_files().folder
    fifo, link, stray = folder / "fifo", folder / "link.png", folder / "stray.png"
    os.mkfifo(fifo)
    link.symlink_to(secret)
    stray.write_bytes(secret.read_bytes())
    (sent,) = upload(http, secret.read_bytes()).json()
    yield {
        "a picture": str(secret),
        "nothing": str(tmp_path / "there is none.png"),
        "a folder": str(tmp_path),
        "the upload folder": str(folder),
        "an upload's folder": str(Path(sent).parent),
        "a device": "/dev/zero",
        "a pipe": str(fifo),
        "a link": str(link),
        "a file of the folder that was not uploaded": str(stray),
        "a way around": str(Path(sent).parent / ".." / ".." / ".." / secret.name),
        "an upload in other words": str(Path(sent).parent / "." / Path(sent).name).replace("/a.png", "//a.png"),
        "a relative path": os.path.relpath(secret),
        "an address": "https://example.com/photo.png",
        "a file's address": f"file://{secret}",
        "a served file": f"/gradio_api/file={secret}",
        "nothing at all": "",
        "no characters": "a\0b",
        "very long": "a/" * 4000,
    }
    for path in (fifo, link, stray):
        path.unlink(missing_ok=True)


FORMS: dict[str, Callable[[str], Any]] = {
    "with the mark": file,
    "without": lambda path: {"path": path},
    "an address beside it": lambda path: {"path": path, "url": f"http://localhost/gradio_api/file={path}"},
    "an address alone": lambda path: {"url": path or "x"},
    "an address and no path": lambda path: {"path": None, "url": path or "x", "meta": MARK},
    "as a stream": lambda path: file(path, is_stream=True),
    "in a list": lambda path: [[{"path": path}]],
    "in an object": lambda path: {"image": {"path": path}, "caption": None},
    "in a drawing": lambda path: {"background": None, "layers": [{"path": path}], "composite": None, "id": None},
    "as a value": lambda path: {"value": {"path": path}, "__type__": "update"},
    "as bytes": lambda path: {"path": [path]},
}


def test_the_guard_recognises_files_by_the_shape_of_their_objects(places: dict[str, str], http: httpx.Client) -> None:
    for path in places.values():
        for form in FORMS.values():
            with pytest.raises(RefusedError) as refused:
                checked([0, form(path)], session_files().knows)
            assert str(refused.value) == REFUSAL
    (sent,) = upload(http, b"content").json()
    content = {"image": file(sent, url="http://x/", is_stream=True, orig_name="a.png", size=7)}
    assert checked(content, session_files().knows) == {"image": {"path": sent, "orig_name": "a.png", "meta": MARK}}
    nothing = [None, 1, "path", {"path": None}, {"value": ["url"]}]
    assert checked(nothing, session_files().knows) == nothing
    deep: Any = 0
    for _ in range(MOST_LEVELS + 2):
        deep = [deep]
    with pytest.raises(RefusedError, match="levels"):
        checked(deep, session_files().knows)


@pytest.mark.slow
def test_no_endpoint_reads_a_file_that_was_not_uploaded(
    http: httpx.Client, places: dict[str, str], photo_files: dict[str, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    """Send every kind of place in each argument of every endpoint, private ones too. Each gets an answer."""
    (photo,) = upload(http, photo_files["wide"].read_bytes()).json()
    attacks = [(form, path) for path in places.values() for form in FORMS.values()]
    before, attempts = set(session_files().folder.rglob("*.*")), 0
    for endpoint in endpoints(http):
        for place in range(len(endpoint["inputs"])):
            for _ in range(5):
                form, path = attacks[attempts % len(attacks)]
                attempts += 1
                data = [file(photo) if name == "photo" else None for name in endpoint["names"]]
                data[place] = form(path)
                answer = ask(http, endpoint["id"], data)
                assert not answer["success"], (endpoint["api_name"], data)
                assert answer["output"]["error"] == REFUSAL, (endpoint["api_name"], data)
    assert attempts > 200
    assert set(session_files().folder.rglob("*.*")) <= before  # files of sessions that ended meanwhile may be gone
    assert stat.S_ISFIFO(Path(places["a pipe"]).lstat().st_mode)
    printed = capfd.readouterr()
    for text in (printed.out, printed.err):
        assert "Traceback" not in text
        assert places["a picture"] not in text


@pytest.mark.parametrize("mark", [{}, {"meta": MARK}], ids=["without the mark", "with it"])
def test_a_picture_on_the_server_cannot_be_read(http: httpx.Client, secret: Path, mark: dict[str, Any]) -> None:
    """An attack that once worked: naming any picture on the server."""
    names = http.get("info").json()["named_endpoints"]
    assert len(names) > 5
    for name, about in names.items():
        data = [parameter.get("parameter_default") for parameter in about["parameters"]]
        data[0] = {"path": str(secret), **mark}
        answer = http.post(f"call{name}", json={"data": data})
        assert (answer.status_code, answer.json()["error"]) == (400, REFUSAL), name
        answer = http.post(f"call/v2{name}", json={"photo": data[0]})
        assert (answer.status_code, answer.json()["error"]) == (400, REFUSAL), name


@pytest.mark.slow
def test_every_refusal_is_a_sentence_and_the_log_quotes_no_user(
    http: httpx.Client, photo_files: dict[str, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    """Send a value of the wrong type in every argument of every endpoint."""
    (photo,) = upload(http, photo_files["wide"].read_bytes()).json()
    wrong: list[Any] = [None, [], {}, "canary", 10**30, -(10**9), [["canary"]], True, {"canary": 1}]
    attempts = 0
    for endpoint in endpoints(http):
        sound = [
            file(photo) if name in ("photo", "mask") else value
            for name, value in zip(endpoint["names"], endpoint["values"], strict=True)
        ]
        for place in range(len(sound)):
            for number in range(3):
                bad = wrong[(attempts + number * 3) % len(wrong)]
                answer = ask(http, endpoint["id"], [*sound[:place], bad, *sound[place + 1 :]])
                if not answer["success"]:
                    assert len(answer["output"]["error"] or "") > FEW_LETTERS, (endpoint["api_name"], place, bad)
            attempts += 1
        answer = ask(http, endpoint["id"], [])
        assert answer["success"] or len(answer["output"]["error"]) > FEW_LETTERS, endpoint["api_name"]
    assert attempts > 40
    printed = capfd.readouterr()
    for text in (printed.out, printed.err):
        assert "Traceback" not in text
        assert "canary" not in text


def test_there_is_no_endpoint_by_another_name(http: httpx.Client, capfd: pytest.CaptureFixture[str]) -> None:
    for body in ({"fn_index": 10**6}, {"fn_index": -1}, {"fn_index": None}, {"fn_index": "canary"}):
        for address in ("queue/join", "run/canary", "call/canary"):
            answer = http.post(address, json={"data": ["canary"], "session_hash": "a", **body})
            assert answer.status_code in (400, 404, 422), (address, body)
    assert "canary" not in capfd.readouterr().err


def routes(router: Any) -> Iterator[tuple[str, set[str]]]:
    """Yield every route below a router, with its methods."""
    for route in router.routes:
        inner = getattr(route, "original_router", route)
        if hasattr(inner, "routes") and inner.routes:
            yield from routes(inner)
        elif hasattr(route, "path"):
            yield route.path, set(getattr(route, "methods", None) or ())


def test_only_the_app_s_own_addresses_answer(served: Served, http: httpx.Client) -> None:
    result = list(routes(served.app))
    assert len(result) > 50
    for template, methods in result:
        template = re.sub(r"^/page/[0-9a-f]{12}/", "/page/{version}/", template)
        path = template.replace("{version}", "0" * 12)
        path = path.replace("{path_or_url:path}", "x").replace("{path:path}", "x").replace("{url_path:path}", "x")
        path = path.replace("{folder}", "0" * 64).replace("{identity}", "0" * 32).replace("{kind}", "thumbnail")
        for name in (
            "name",
            "session_hash",
            "api_name",
            "event_id",
            "record_id",
            "asset_id",
            "key",
            "size",
            "id",
            "run",
        ):
            path = path.replace(f"{{{name}}}", "x")
        for method in methods & {"GET", "POST"}:
            expected_open = template in OPEN[method]
            assert is_open(method, path) == expected_open, (method, template)
            if not expected_open:
                answer = http.request(method, f"..{path}")
                assert (answer.status_code, answer.json()["error"]) == (404, "Not found."), (method, template)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "gradio_api/process_recording"),
        ("GET", "gradio_api/deep_link?session_hash=a"),
        ("GET", "monitoring"),
        ("GET", "monitoring/summary"),
        ("GET", "gradio_api/dev/reload"),
        ("GET", "gradio_api/file=https://example.com/"),
        ("GET", "gradio_api/proxy=https://example.com/"),
        ("GET", "gradio_api/mcp/schema"),
        ("GET", "gradio_api/runs"),
        ("POST", "gradio_api/component_server"),
        ("POST", "gradio_api/run/detect"),
        ("GET", "svelte/x.js"),
        ("GET", "static/img/logo.svg"),
        ("GET", "docs"),
        ("GET", "openapi.json"),
        ("PUT", "config"),
        ("DELETE", "gradio_api/upload"),
    ],
)
def test_addresses_that_were_once_open_are_closed(served: Served, method: str, path: str) -> None:
    answer = httpx.request(method, f"{served.url}{path}", timeout=20)
    assert answer.status_code in (404, 405)
    assert "monitoring" not in answer.text


def test_only_known_files_are_served(http: httpx.Client, places: dict[str, str]) -> None:
    """The answer is the same for existing and missing files."""
    (sent,) = upload(http, b"content", name="mine.txt").json()
    assert http.get(f"file={sent}").content == b"content"
    text = {
        (answer.status_code, answer.text)
        for path in places.values()
        if "\0" not in path and path
        for answer in [http.get(f"file={path}")]
        if not path.startswith("a/a/")
    }
    assert text == {(404, '{"error": "Not found.", "detail": "Not found.", "kind": "refused"}')}
