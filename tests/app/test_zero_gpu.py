"""The app as a ZeroGPU Space: the real package `spaces`, its emulation of CUDA, and a fake service without GPUs."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import gradio as gr
import httpx
import numpy as np
import pytest
import torch
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from dgrl import DGRL
from dgrl.app import runs, why, zero_gpu
from dgrl.app.failures import FAULT
from dgrl.attribution.question import METHODS, PixelTarget, Question
from tests.app.test_launch import ROOT

pytest.importorskip("spaces", reason="the package is for Linux")
pytestmark = pytest.mark.skipif(torch.version.cuda is None, reason="spaces needs a PyTorch built with CUDA")

FREE_SECONDS = 120
"""GPU seconds per day of a user who has not signed in."""
FACTOR = 1.5
"""Factor by which the package multiplies the requested seconds, on the GPUs that ZeroGPU lends now."""


class Lender(ThreadingHTTPServer):
    """The service that lends GPUs, with the requests that the package makes."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.left: int | None = None  # seconds left for any user; None for enough
        super().__init__(("127.0.0.1", 0), Answer)

    def seconds(self) -> list[int]:
        """Return the requested seconds."""
        return [int(query["durationSeconds"]) for path, query in self.requests if path == "/schedule"]

    def processes(self) -> set[str]:
        """Return the processes that were given a GPU."""
        return {query["pid"] for path, query in self.requests if path == "/allow"}


class Answer(BaseHTTPRequestHandler):
    server: Lender

    def do_POST(self) -> None:
        url = urlparse(self.path)
        self.server.requests.append((url.path, {name: one for name, (one, *_) in parse_qs(url.query).items()}))
        code, body = 200, {}
        if url.path == "/schedule" and self.server.left is None:
            body = {"idle": True, "nvidiaIndex": 0, "nvidiaUUID": "GPU-0", "allowToken": "token"}
        elif url.path == "/schedule":
            code, body = 429, {"left": self.server.left, "wait": "PT1H"}
        content = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def lender() -> Iterator[Lender]:
    with Lender() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def wait_for(pattern: str, log: Path, server: "subprocess.Popen[bytes]") -> str:
    """Return the server's output up to a match, or only the match if it is an address."""
    deadline = time.monotonic() + 240
    while (result := re.search(f"{pattern}.*\n", printed := log.read_text())) is None:
        assert server.poll() is None, f"the app ended: {printed}"
        assert time.monotonic() < deadline, f"too late: {printed}"
        time.sleep(0.1)
    match = re.search(pattern, printed)
    assert match is not None
    return match.group() if pattern.startswith("http") else printed[: result.end()]


def test_the_app_starts_and_answers_with_a_borrowed_gpu(
    network: DGRL, photo_files: dict[str, Path], tmp_path: Path, lender: Lender
) -> None:
    checkpoint = tmp_path / "tiny"
    network.save_pretrained(checkpoint)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DGRL_", "GRADIO_"))}
    environment |= {
        "SPACES_ZERO_GPU": "true",
        "SPACES_ZERO_DEVICE_API_URL": f"http://127.0.0.1:{lender.server_port}",
        "HOME": str(tmp_path),
        "ZEROGPU_OFFLOAD_DIR": str(tmp_path / "offloaded"),
        "DGRL_CHECKPOINTS": str(checkpoint),
        "GRADIO_TEMP_DIR": str(tmp_path / "files"),
        "OMP_NUM_THREADS": "1",  # a process with threads could not be forked without a GPU
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-m", "tests.helpers.zero_gpu"]
    log = tmp_path / "log.txt"  # a file, because forked processes would hold a pipe open
    with (
        log.open("w") as written,
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=written, start_new_session=True) as server,
    ):
        try:
            printed = wait_for("networks on: ", log, server)
            assert re.search(r"^computed:\s*$", printed, re.MULTILINE), "something ran before there was a GPU"
            assert "networks on: cuda:0" in printed
            address = wait_for(r"http://[\d.]+:\d+", log, server)
            assert [path for path, _ in lender.requests] == ["/startup-report"]
            one_client = Client(
                address, verbose=False, headers={"x-ip-token": "a.e30.c"}, httpx_kwargs={"timeout": 120}
            )

            # Both halves run in one process: the second half finds the GPU of the first.
            shown = one_client.predict(handle_file(photo_files["wide"]), "tiny", -1, api_name="/detect")
            files = [value for value in shown if isinstance(value, str) and value.endswith(".png")]
            expected = network.detect(photo_files["wide"])
            nearest = min(
                np.abs(np.asarray(Image.open(file).convert("L"), np.float32) / 255 - expected).max()
                for file in files
                if Image.open(file).size == expected.shape[::-1]
            )
            assert nearest < 0.02 + 1 / 255
            assert len(lender.seconds()) == 2
            assert len(lender.processes()) == 1
            assert max(lender.seconds()) * 8 < FREE_SECONDS

            # The page's routes borrow for the session too, whose token is in the request.
            with httpx.Client(base_url=address, headers={"x-ip-token": "a.e30.c"}, timeout=120) as page:
                sent = page.post("/photos", content=photo_files["high"].read_bytes()).json()
                body = {"request": {"photo": sent["id"], "checkpoint": "tiny", "steps": 1, "edits": []}}
                answer = page.post("/pass", json={**body, "until": "brn"})
                assert answer.status_code == 200, answer.text
                assert b'"part": "brn"' in answer.content
                question = {"target": "object", "method": "occlusion"}
                lines = page.post("/explain", json={**body, "question": question}).text.splitlines()
                assert "result" in json.loads(lines[-1])
            assert {query["token"] for path, query in lender.requests if path == "/schedule"} == {"a.e30.c"}

            # The network's error message arrives from the other process.
            wrong = {"target": "cell", "level": "conv3", "method": "grad_cam", "block": "conv5", "x": 1, "y": 1}
            with pytest.raises(AppError, match="has no influence on conv3"):
                one_client.predict(handle_file(photo_files["wide"]), checkpoint="tiny", **wrong, api_name="/attribute")

            lender.left = 5
            with pytest.raises(AppError) as refused:
                one_client.predict(handle_file(photo_files["high"]), "tiny", -1, api_name="/detect")
            assert re.search(r"exceeded your .*quota \(\d+s requested vs\. 5s left\)", str(refused.value))
            assert zero_gpu.OUT_OF_QUOTA in str(refused.value)
            again = one_client.predict(handle_file(photo_files["wide"]), "tiny", -1, api_name="/detect")
            assert len(again) == len(shown)

            lender.shutdown()
            lender.server_close()
            with pytest.raises(AppError, match=re.escape(zero_gpu.NONE_TO_BORROW)):
                one_client.predict(handle_file(photo_files["high"]), "tiny", -1, api_name="/detect")
            one_client.close()
        finally:
            os.killpg(server.pid, signal.SIGKILL)  # its forked processes too


@pytest.mark.parametrize("method", METHODS)
def test_users_without_an_account_can_run_every_explanation(method: str) -> None:
    body = Question(PixelTarget(0, 0), method, steps=4)  # type: ignore[arg-type]
    photo = np.zeros((1, 1, 3), np.uint8)
    assert zero_gpu.CALL_SECONDS < why.gpu_seconds("tiny", photo, body) * FACTOR < FREE_SECONDS / 2


def test_more_steps_ask_for_more_seconds() -> None:
    photo = np.zeros((1, 1, 3), np.uint8)
    few, many = (runs.gpu_seconds(True, "tiny", photo, steps, ()) for steps in (runs.AS_TRAINED, 4))
    assert zero_gpu.CALL_SECONDS < few < many


@pytest.mark.parametrize(
    ("message", "title", "sentence"),
    [
        ("GPU task aborted", "ZeroGPU worker error", zero_gpu.ABORTED),
        ("OutOfMemoryError", "ZeroGPU worker error", FAULT),
        ("No GPU was available", "ZeroGPU client error", f"No GPU was available. {zero_gpu.OUT_OF_QUOTA}"),
    ],
)
def test_errors_of_the_package_become_sentences(message: str, title: str, sentence: str) -> None:
    with pytest.raises(gr.Error) as raised, zero_gpu._readable_errors():
        raise gr.Error(message, title=title)
    assert raised.value.message == sentence
