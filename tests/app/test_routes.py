"""The page's routes: their results equal the library's, and refusals are sentences."""

import base64
import contextlib
import json
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from dgrl import DGRL, Trace
from dgrl.app import files, jobs
from dgrl.app.files import session_files
from dgrl.app.routes import PARTS
from dgrl.attribution.attribute import attribute
from dgrl.attribution.question import PixelTarget
from dgrl.images import read_image, to_grey
from dgrl.taps import flatten_map, patch
from tests.app.conftest import Served

FLAT = [{"kind": "flatten", "level": "conv4"}]


@pytest.fixture
def page(served: Served) -> Iterator[httpx.Client]:
    """Return a page's connection."""
    headers = {"x-dgrl-session": f"page-{time.monotonic_ns()}"}
    with httpx.Client(base_url=served.url, headers=headers, timeout=60) as client:
        yield client


def send(page: httpx.Client, photo: Path, name: str = "") -> dict[str, Any]:
    answer = page.post("photos", params={"name": name or photo.name}, content=photo.read_bytes())
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def wide(page: httpx.Client, photo_files: dict[str, Path]) -> str:
    """Return the reference of the wide photo."""
    return send(page, photo_files["wide"])["id"]


def request(photo: str, **more: Any) -> dict[str, Any]:
    return {"photo": photo, "checkpoint": "tiny", "steps": None, "edits": [], **more}


def frames(content: bytes) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield each frame's JSON and the header of its bundle, as the page reads them."""
    while content:
        about, size = struct.unpack_from("<II", content)
        response, bundle = json.loads(content[8 : 8 + about]), content[8 + about : 8 + about + size]
        assert bundle[:8] == b"DGRLBND2"
        (length,) = struct.unpack_from("<I", bundle, 8)
        yield response, json.loads(bundle[12 : 12 + length])
        content = content[8 + about + size :]


def refused(answer: httpx.Response, status: int, words: str, kind: str = "refused") -> None:
    assert (answer.status_code, answer.json()["kind"]) == (status, kind), answer.text
    assert words in answer.json()["error"]


def test_an_upload_is_described_and_has_small_pictures(page: httpx.Client, photo_files: dict[str, Path]) -> None:
    response = send(page, photo_files["wide"], "../../a b.png")
    assert (response["name"], response["width"], response["height"]) == ("a b", 200, 120)
    for kind in ("thumbnail", "preview"):
        picture = page.get(response[kind])
        assert picture.headers["content-type"] == "image/jpeg"
        (session_files().folder / "shown").write_bytes(picture.content)
        assert read_image(session_files().folder / "shown").shape[:2] == (120, 200)
    assert send(page, photo_files["wide"], "a b.png")["id"] == response["id"], "the same photo has the same reference"
    assert send(page, photo_files["wide"], "c.png")["id"] != response["id"]


@pytest.mark.parametrize("name", ["thumbnail.jpeg", "small", "x" * 300 + ".png", "фото ü.webp", "..", "\n"])
def test_odd_names_of_uploads(page: httpx.Client, photo_files: dict[str, Path], name: str) -> None:
    response = send(page, photo_files["wide"], name)
    assert page.get(response["thumbnail"]).status_code == 200
    assert len(response["name"]) <= 110
    assert page.post("pass", json={"request": request(response["id"]), "until": "rln"}).status_code == 200


def test_files_that_are_not_pictures_are_refused_and_deleted(page: httpx.Client, photo_files: dict[str, Path]) -> None:
    before = set(session_files().folder.rglob("*.png"))
    answer = page.post("photos", params={"name": "words.png"}, content=b"these are words")
    refused(answer, 422, "words.png: this is not a picture")
    assert str(session_files().folder) not in answer.text
    assert page.post("photos", content=b"").status_code == 422
    assert page.post("photos", content=bytes(45 * 2**20)).status_code == 413
    assert set(session_files().folder.rglob("*.png")) <= before


@pytest.mark.parametrize("until", PARTS)
def test_a_pass_comes_in_parts_and_is_the_library_s(
    page: httpx.Client, wide: str, wide_trace: Trace, until: str
) -> None:
    answer = page.post("pass", json={"request": request(wide), "until": until})
    assert answer.headers["content-type"] == "application/x-dgrl-pass"
    response = list(frames(answer.content))
    assert [about["part"] for about, _ in response] == list(PARTS)[: list(PARTS).index(until) + 1]
    assert response[0][1]["photo"] == {"width": 200, "height": 120}
    assert "rln.t2.saliency" in response[0][1]["arrays"]
    names = {name for _, header in response for name in header["arrays"]}
    assert ("brn.round1" in names, "brn.coefficients" in names) == (until != "rln", until == "kernels")
    share = response[-1][0]["facts"]["share"]
    if until != "rln":
        assert share == pytest.approx(wide_trace.found().mean(), abs=1e-4)


def test_rln_comes_before_brn_has_run(page: httpx.Client, served: Served, wide: str) -> None:
    """The first frame arrives while BRN still computes."""
    go = threading.Event()
    hook = served.network.brn.register_forward_pre_hook(lambda *_: go.wait(30) and None)
    try:
        body = {"request": request(wide, edits=[{"kind": "flatten", "level": "conv3"}])}
        with page.stream("POST", "pass", json=body) as answer:
            pieces = answer.iter_bytes()
            first = next(pieces)
            assert not go.is_set()
            assert b'"part": "rln"' in first
            go.set()
            assert b'"part": "kernels"' in first + b"".join(pieces)
    finally:
        go.set()
        hook.remove()


def test_examples_work_and_unknown_photos_are_refused(
    page: httpx.Client, served: Served, photo_files: dict[str, Path]
) -> None:
    assert page.post("pass", json={"request": request("example/cat"), "until": "rln"}).status_code == 200
    gone = request(f"upload/{'0' * 32}")
    refused(page.post("pass", json={"request": gone}), 410, "does not have this photo", "photo-gone")
    for other in ("example/nothing", "/etc/passwd", "upload", 7, None, ["upload"], {"path": "/etc/passwd"}):
        answer = page.post("pass", json={"request": request(other)})  # type: ignore[arg-type]
        assert answer.status_code in (404, 410), other
        assert len(answer.json()["error"]) > 20


def test_an_upload_whose_file_is_gone_is_photo_gone(page: httpx.Client, new_photo: Path) -> None:
    response = send(page, new_photo)
    for path in session_files().folder.rglob("new.png"):
        path.unlink()
    refused(page.post("pass", json={"request": request(response["id"])}), 410, "send it again", "photo-gone")
    again = send(page, new_photo)
    assert again["id"] == response["id"]
    assert page.post("pass", json={"request": request(response["id"]), "until": "rln"}).status_code == 200


def test_one_pixel_has_all_its_digits(page: httpx.Client, network: DGRL, wide: str, photo_files: Any) -> None:
    response = page.post("pixel", json={"request": request(wide, edits=FLAT), "x": 70, "y": 40}).json()
    expected = network.trace(photo_files["wide"], edits=[flatten_map("conv4")]).pixel(70, 40)
    np.testing.assert_allclose(response["coefficients"], expected.coefficients, rtol=1e-6, atol=1e-8)
    assert response["refined"] == pytest.approx(expected.refined, abs=1e-7)
    refused(page.post("pixel", json={"request": request(wide), "x": 200, "y": 1}), 422, "columns 0 to 199")


def test_a_patch_takes_its_value_from_another_photo(
    page: httpx.Client, network: DGRL, wide: str, photo_files: dict[str, Path]
) -> None:
    high = send(page, photo_files["high"])["id"]
    tap = "rln.t1.conv4.weight_map"
    patched = [{"kind": "patch", "tap": tap, "photo": high}]
    response = page.post("pixel", json={"request": request(wide, edits=patched), "x": 70, "y": 40}).json()
    other = network.trace(photo_files["high"])
    expected = network.trace(photo_files["wide"], edits=[patch(other, tap)]).pixel(70, 40)
    assert response["refined"] == pytest.approx(expected.refined, abs=1e-6)
    gone = [{"kind": "patch", "tap": tap, "photo": f"upload/{'0' * 32}"}]
    refused(page.post("pass", json={"request": request(wide, edits=gone)}), 410, "photo", "photo-gone")


def test_an_explanation_is_the_library_s_and_tells_its_progress(
    page: httpx.Client, network: DGRL, wide: str, photo_files: dict[str, Path]
) -> None:
    question = {"target": "pixel", "method": "grad_cam", "x": 70, "y": 40}
    lines = page.post("explain", json={"request": request(wide), "question": question}).text.splitlines()
    *progress, last = map(json.loads, lines)
    expected = attribute(network, photo_files["wide"], PixelTarget(70, 40), "grad_cam", block="conv5")
    response = last["result"]
    assert response["value"] == pytest.approx(expected.value, abs=1e-4)
    values = np.frombuffer(base64.b64decode(response["values"]), "<f4").reshape(response["height"], response["width"])
    assert np.abs(values).max() == pytest.approx(1, abs=1e-3)
    assert all(0 <= line["progress"] <= 1 for line in progress)
    question = {"target": "pixel", "method": "occlusion", "x": 70, "y": 40}
    lines = page.post("explain", json={"request": request(wide), "question": question}).text.splitlines()
    assert len(lines) > 2, "progress is reported"
    wrong = page.post("explain", json={"request": request(wide), "question": {"target": "pixel", "step": 9}})
    refused(wrong, 422, "There is no time step 9")
    refused(page.post("explain", json={"request": request(wide), "question": {"a": 1}}), 422, "A question has")


def test_measuring_and_files(
    page: httpx.Client, network: DGRL, wide: str, photo_files: dict[str, Path], mask_files: dict[str, Path]
) -> None:
    mask = send(page, mask_files["wide"])["id"]
    response = page.post("measure", json={"request": request(wide), "mask": mask, "stretch": False}).json()
    assert list(response["scores"]) == ["t0", "t1", "t2", "refined"]
    assert [file["name"] for file in response["files"]] == ["wide_scores.csv", "wide_curves.csv", "wide_curves.svg"]
    for file in response["files"]:
        answer = page.get(file["url"])
        assert answer.status_code == 200
        assert "attachment" in answer.headers["content-disposition"]
    high = send(page, mask_files["high"])["id"]
    refused(page.post("measure", json={"request": request(wide), "mask": high}), 422, "they must be alike")
    zipped = page.post("report", json={"request": request(wide)}).json()
    assert page.get(zipped["url"]).content[:2] == b"PK"
    for kind, mode in (("map", "L"), ("cutout", "RGBA")):
        answer = page.post("file", json={"request": request(wide), "kind": kind})
        (session_files().folder / "shown").write_bytes(answer.content)
        with Image.open(session_files().folder / "shown") as picture:
            assert (picture.mode, picture.size) == (mode, (200, 120))
            if kind == "map":
                expected = to_grey(network.detect(photo_files["wide"]))
                np.testing.assert_array_equal(np.asarray(picture), np.asarray(expected))


BAD: list[tuple[str, Any]] = [
    ("pass", {"until": "rln"}),
    ("pass", {"request": [], "until": "rln"}),
    ("pass", {"request": "PHOTO", "until": "all"}),
    ("pass", {"request": "PHOTO", "until": ["rln"]}),
    ("pass", []),
    ("pass", "canary"),
    ("pixel", {"request": "PHOTO", "x": "canary", "y": [1]}),
    ("pixel", {"request": "PHOTO"}),
    ("explain", {"request": "PHOTO", "question": {"target": ["canary"], "x": {}, "y": None}}),
    ("explain", {"request": "PHOTO", "question": "canary"}),
    ("measure", {"request": "PHOTO", "mask": "/etc/passwd"}),
    ("measure", {"request": "PHOTO"}),
    ("file", {"request": "PHOTO", "kind": "../../canary"}),
    ("report", {}),
    ("pass", {"request": {"photo": "PHOTO", "checkpoint": "canary"}}),
    ("pass", {"request": {"photo": "PHOTO", "steps": 50}}),
    ("pass", {"request": {"photo": "PHOTO", "steps": "canary"}}),
    ("pass", {"request": {"photo": "PHOTO", "steps": True}}),
    ("pass", {"request": {"photo": "PHOTO", "edits": {"canary": 1}}}),
    ("pass", {"request": {"photo": "PHOTO", "edits": [{"kind": "patch", "tap": "brn.refined", "photo": "/etc"}]}}),
]


@pytest.mark.parametrize("number", range(len(BAD)))
def test_every_refusal_is_a_sentence_that_quotes_no_user(
    page: httpx.Client, wide: str, capfd: pytest.CaptureFixture[str], number: int
) -> None:
    path, body = BAD[number]
    if isinstance(body, dict) and body.get("request") == "PHOTO":
        body = {**body, "request": request(wide)}
    elif isinstance(body, dict) and isinstance(body.get("request"), dict):
        body = {**body, "request": {**body["request"], "photo": wide}}
    answer = page.post(path, json=body)
    assert 400 <= answer.status_code < 500, answer.text
    assert len(answer.json()["error"]) > 12
    output = "".join(capfd.readouterr())
    assert "Traceback" not in output
    assert "canary" not in output


def test_the_ninth_job_of_a_session_gets_a_sentence(page: httpx.Client, served: Served, wide: str) -> None:
    go = threading.Event()
    hook = served.network.rln.register_forward_pre_hook(lambda *_: go.wait(60) and None)
    answers: list[httpx.Response] = []

    def ask(number: int) -> None:
        edits = [{"kind": "feedback", "block": "conv5", "factor": number / 7}]
        body = {"request": request(wide, edits=edits), "until": "rln"}
        while (answer := page.post("pass", json=body)).status_code == 429:  # the one below had the eighth place
            time.sleep(0.1)
        answers.append(answer)

    try:
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(jobs.WAITING_EACH)]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 30
        ninth: httpx.Response | None = None
        while ninth is None and time.monotonic() < deadline:
            with contextlib.suppress(httpx.ReadTimeout):  # it was one of the eight; its client is closed
                ninth = page.post("pass", json={"request": request(wide)}, timeout=1)
        assert ninth is not None
        refused(ninth, 429, "8 of your requests are not answered yet", "busy")
        other = page.post("photos", content=b"words", headers={"x-dgrl-session": "another"})
        assert other.status_code == 422, "another session has its own limit"
    finally:
        go.set()
        hook.remove()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {200}


def test_a_closed_connection_cancels_its_waiting_job(page: httpx.Client, served: Served, wide: str) -> None:
    go = threading.Event()
    hook = served.network.rln.register_forward_pre_hook(lambda *_: go.wait(60) and None)

    def ask(factor: float, patience: float) -> None:
        edits = [{"kind": "feedback", "block": "conv4", "factor": factor}]
        with pytest.raises(httpx.ReadTimeout):
            page.post("pass", json={"request": request(wide, edits=edits), "until": "rln"}, timeout=patience)

    before = len(served.passes)
    try:
        threads = [threading.Thread(target=ask, args=(0.1 + number / 9, 1.5)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        time.sleep(1)
    finally:
        go.set()
        hook.remove()
    assert page.post("pass", json={"request": request(wide), "until": "rln"}).status_code == 200
    assert len(served.passes) - before <= 3, "passes without a waiting client were computed"


def test_the_end_of_a_session_deletes_its_uploads(
    page: httpx.Client, new_photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "GRACE", 0.5)
    response = send(page, new_photo)
    page.post("report", json={"request": request(response["id"])})
    held = [path for path, file in session_files()._files.items() if page.headers["x-dgrl-session"] in file.holders]
    assert len(held) >= 4
    session = page.headers.pop("x-dgrl-session")
    assert page.post("leave", content=json.dumps({"session": session})).status_code == 204
    page.headers["x-dgrl-session"] = session
    assert page.get(response["thumbnail"]).status_code == 200, "a reload comes back at once"
    page.headers.pop("x-dgrl-session")
    page.post("leave", content=json.dumps({"session": session}))
    deadline = time.monotonic() + 20
    while any(Path(path).exists() for path in held) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(Path(path).exists() for path in held)
    assert page.get(response["thumbnail"]).json()["kind"] == "photo-gone"


@pytest.mark.parametrize("session", ["a b", "x" * 65, "a/b", "ü"])
def test_sessions_have_ordinary_names(served: Served, session: str) -> None:
    answer = httpx.get(f"{served.url}health", headers={"x-dgrl-session": session.encode()})
    assert (answer.status_code, "session" in answer.json()["error"].lower()) == (400, True)


def test_the_page_contains_its_settings_and_browsers_cache_its_modules(served: Served) -> None:
    answer = httpx.get(served.url)
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    settings = json.loads(answer.text.split('id="settings">')[1].split("</script>")[0])
    assert [checkpoint["name"] for checkpoint in settings["checkpoints"]] == ["tiny", "other"]
    cat = next(photo for photo in settings["photos"] if photo["mask"])
    for kind in ("url", "thumbnail", "mask"):
        assert httpx.get(served.url + cat[kind]).headers["content-type"].startswith("image/")
    address = answer.text.split('src="')[1].split('"')[0]
    module = httpx.get(served.url + address)
    assert (module.text, "javascript" in module.headers["content-type"]) == ("export const one = 1;\n", True)
    assert "immutable" in module.headers["cache-control"]
    again = httpx.get(served.url + address, headers={"if-none-match": module.headers["etag"]})
    assert again.status_code == 304
    for other in ("page/000000000000/main.js", f"{address}/../../../server.py", "page/main.js"):
        assert httpx.get(served.url + other).status_code == 404


def test_health(served: Served) -> None:
    response = httpx.get(f"{served.url}health").json()
    assert (response["status"], response["checkpoints"]) == ("ok", ["tiny", "other"])
