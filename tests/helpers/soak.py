"""Load: `python -m tests.helpers.soak [REQUESTS [CLIENTS]]`, part of `make soak`; 2,000 requests, 20 clients.

Serves the app with a tiny network in a process of its own. Each client shows it photos of its own and compares every
answer with what the network says of that photo; one more client vanishes in mid-request, again and again. Prints what
was measured and ends with an error if an answer was wrong, memory kept growing, or files stayed.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from gradio_client import Client, handle_file
from PIL import Image

from benchmarks.timing import held_memory
from dgrl import DGRL
from dgrl.images import to_grey
from dgrl.running.device import choose_device, rewrite_for_inference
from dgrl.running.memory import keep_freed_memory
from tests.helpers.networks import TINY, draw_photo, filled

WARM = 0.3
"""Share of the requests after which what is allocated once has been."""
GROWTH = 40.0
"""MB that 1,000 requests may add."""


def serve() -> None:
    """Serve the app with a tiny network, until the process ends."""
    from dgrl.app import build

    network = filled(DGRL(TINY))
    keep_freed_memory()
    rewrite_for_inference(network, choose_device("cpu"))  # as the app's own networks are
    app = build({"tiny": network}, precision="fp32")
    _, url, _ = app.launch(prevent_thread_lock=True, quiet=True)
    print(url, flush=True)
    sys.stdin.read()
    app.get_blocks().close()


@dataclass
class Load:
    """The state that the clients share.

    Attributes:
        url: the app's address.
        pid: its process.
        memory: (requests answered, MB held by the server), noted now and then.
        wrong: what was not as it should be.
    """

    url: str
    pid: int
    done: int = 0
    memory: list[tuple[int, float]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self) -> None:
        """Count one more response."""
        with self.lock:
            self.done += 1
            if self.done % 20 == 0:
                self.memory.append((self.done, held_memory(self.pid)))


def ask(load: Load, network: DGRL, folder: Path, number: int, requests: int) -> None:
    """Run one client: send different photos and compare each response."""
    client = Client(load.url, verbose=False, httpx_kwargs={"timeout": 300})
    for request in range(requests):
        path = folder / f"{number}-{request}.png"
        Image.fromarray(draw_photo(40 + number, 60 + request % 30, seed=1000 * number + request)[0]).save(path)
        try:
            saliency, *_ = client.predict(handle_file(path), "tiny", -1, api_name="/detect")
            expected = np.asarray(to_grey(network.detect(path))).astype(int)
            if np.abs(np.asarray(Image.open(saliency)).astype(int) - expected).max() > 1:
                load.wrong.append(f"client {number}, request {request}: another picture's map")
        except Exception as error:
            load.wrong.append(f"client {number}, request {request}: {error}")
        load.count()
    client.close()


def vanish(load: Load, photo: Path, over: threading.Event) -> None:
    """Send requests from clients that disconnect before the response."""
    while not over.wait(3):
        client = Client(load.url, verbose=False, httpx_kwargs={"timeout": 300})
        client.submit(handle_file(photo), "tiny", -1, api_name="/detect")
        client.close()


def run(requests: int, clients: int) -> int:
    """Run the whole soak test and return the exit code."""
    with tempfile.TemporaryDirectory() as root:
        kept = Path(root) / "gradio"
        environment = os.environ | {"GRADIO_TEMP_DIR": str(kept), "GRADIO_HEARTBEAT_INTERVAL": "1"}
        command = [sys.executable, "-m", "tests.helpers.soak", "serve"]
        server = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        load = Load(server.stdout.readline().strip(), server.pid)
        # Gradio keeps copies of the examples, and means to; they are there before the first request.
        examples = set(kept.rglob("*"))
        network, over = filled(DGRL(TINY)), threading.Event()
        photo = Path(root) / "vanishing.png"
        Image.fromarray(draw_photo(90, 90, seed=7)[0]).save(photo)
        vanishing = threading.Thread(target=vanish, args=(load, photo, over))
        vanishing.start()
        start = time.monotonic()
        with ThreadPoolExecutor(clients) as pool:
            for number in range(clients):
                pool.submit(ask, load, network, Path(root), number, requests // clients)
        seconds = time.monotonic() - start
        over.set()
        vanishing.join()
        files = sum(path.is_file() for path in kept.rglob("*"))
        server.communicate("", timeout=120)
        left = [str(path.relative_to(kept)) for path in kept.rglob("*") if path.is_file() and path not in examples]
    warm = [(done, held) for done, held in load.memory if done >= WARM * requests]
    slope = np.polyfit(*np.transpose(warm), 1)[0] * 1000
    print(f"{load.done} requests of {clients} clients at once in {seconds:.0f} s, {load.done / seconds:.1f}/s")
    print(f"memory {load.memory[0][1]:.0f} MB at first, {warm[0][1]:.0f} warm, {warm[-1][1]:.0f} at the end:", end=" ")
    print(f"{slope:+.1f} MB for 1,000 requests")
    print(f"files kept while serving: {files}; after it: {len(left)}")
    for line in load.wrong[:10] + left[:10]:
        print(line)
    faults = bool(load.wrong) + (load.done != requests) + (slope > GROWTH) + bool(left)
    print(f"wrong answers: {len(load.wrong)}")
    return int(faults > 0)


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    else:
        sizes = [int(word) for word in sys.argv[1:]]
        sys.exit(run(*(sizes + [2000, 20][len(sizes) :])))
