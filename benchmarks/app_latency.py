"""Measure how long a user of the app waits: `python -m benchmarks.app_latency [WEIGHTS]`. Prints Markdown tables.

The app runs as `app.py` does, in its own process. The first table times whole requests to its API: upload, queue,
network, drawing, PNGs and their download. The second one times what a user sees in a browser (Debian's chromium) after
a warm start, beside the goals for two cores; without a browser it is left out.
"""

import math
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from gradio_client import Client, handle_file
from playwright.sync_api import Browser, Page, Request, sync_playwright

from benchmarks.timing import table
from dgrl.files import EXAMPLES

APP = Path(__file__).resolve().parents[1] / "app.py"
PLACES = 20
PHOTOS = sorted(EXAMPLES.glob("*.jpg"))[:5]
GOALS = {
    "app start": 6.0,
    "page opened to the computed example": 1.2,
    "hover to numbers": 0.05,
    "photo chosen until RLN's map": 0.5,
    "photo chosen until BRN's result": 4.0,
    "change to RLN's map": 1.0,
    "change to BRN's result": 1.0,
    "view switch": 0.5,
}
Times = Mapping[str, Sequence[float]]
# From the pointer's event until the browser has drawn the frame with the numbers.
HOVER = """async ([across, down]) => {
  const frame = () => new Promise(requestAnimationFrame), stage = document.querySelector(".stage .pictures");
  const box = stage.getBoundingClientRect(), heading = document.querySelector(".pixel h3");
  const at = { clientX: box.left + across * box.width, clientY: box.top + down * box.height };
  const before = heading.textContent, start = performance.now();
  stage.dispatchEvent(new PointerEvent("pointermove", { bubbles: true, pointerType: "mouse", ...at }));
  while (heading.textContent === before) {
    await frame();
    if (performance.now() - start > 30000) throw new Error("no numbers came");
  }
  return (performance.now() - start) / 1000;
}"""
VIEW = """async (name) => {
  const frame = () => new Promise(requestAnimationFrame), start = performance.now();
  document.querySelector(`[data-testid=view-${name}]`).click();
  await frame();
  await frame();
  return (performance.now() - start) / 1000;
}"""
VIEWS = ("explore", "change", "compare", "why", "measure")
ARRIVED = """([slot, part]) => {
  const shown = window.dgrl.values().find((one) => one.slot === slot);
  return shown ? window.dgrl.store.state.passes[shown.key]?.parts.includes(part) : false;
}"""


def seconds(work: Callable[[], object]) -> float:
    """Return how long `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@contextmanager
def running_app(weights: str | None) -> Iterator[tuple[str, float]]:
    """Start the app for the block; yield its address and the seconds until its first page."""
    with tempfile.TemporaryDirectory() as files:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "GRADIO_TEMP_DIR": files}
        if weights is not None:
            environment["DGRL_CHECKPOINTS"] = weights
        start = time.perf_counter()
        command = [sys.executable, str(APP)]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                address = next(filter(None, (re.search(r"http://[\d.]+:\d+", line) for line in server.stdout)), None)
                if address is None:
                    raise SystemExit("the app did not start")
                urllib.request.urlopen(address.group()).close()
                yield address.group(), time.perf_counter() - start
            finally:
                server.terminate()


def measure_api(url: str) -> Times:
    """Time the first result of each example, the requests that follow from it, and single pixels."""
    client = Client(url, verbose=False)

    def ask(endpoint: str, photo: int, **arguments: object) -> object:
        return client.predict(handle_file(PHOTOS[photo]), api_name=endpoint, **arguments)

    photos = range(len(PHOTOS))
    return {
        "localise, with the upload": [seconds(lambda i=i: ask("/localise", i)) for i in photos],
        "detect, after that": [seconds(lambda i=i: ask("/detect", i, cutout=False)) for i in photos],
        "cut-out": [seconds(lambda i=i: ask("/detect", i)) for i in photos],
        "before and after BRN": [seconds(lambda i=i: ask("/refine", i)) for i in photos],
        "one pixel": [seconds(lambda i=i: ask("/pixel", 0, x=10 * i, y=10 * i)) for i in range(PLACES)],
        "all weight maps flattened": [seconds(lambda i=i: ask("/what_if", i)) for i in photos],
        "download everything": [seconds(lambda i=i: ask("/report", i)) for i in photos[:2]],
    }


def measure_browser(url: str, chromium: str) -> tuple[Times, list[float]]:
    """Time the page, hovers, photos, edits and tabs in a browser; also return the megabytes of each pass."""
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        opening_times = [seconds(lambda: open_page(browser, url).close()) for _ in range(3)]
        page = open_page(browser, url)
        pass_bytes: list[int] = []
        page.on(
            "requestfinished",
            lambda request: pass_bytes.append(size(request)) if request.url.endswith("/pass") else None,
        )
        page.evaluate("dgrl.idle()")
        places = [0.1 + 0.8 * i / PLACES for i in range(PLACES)]
        hovers = [page.evaluate(HOVER, [at, 1 - at]) for at in places]
        localised, refined, megabytes = [], [], []
        for photo in PHOTOS:
            pass_bytes.clear()
            upload = {"name": f"given {photo.name}", "mimeType": "image/jpeg", "buffer": photo.read_bytes() + b"\0"}
            start = time.perf_counter()
            page.set_input_files(
                "[data-testid=upload]", upload
            )  # one byte more than the example, so that nothing is cached
            page.wait_for_function(f"dgrl.scene().slots[0].photo === 'given {photo.stem}'")
            page.wait_for_function(ARRIVED, arg=[0, "rln"])
            localised.append(time.perf_counter() - start)
            page.wait_for_function(ARRIVED, arg=[0, "brn"])
            refined.append(time.perf_counter() - start)
            page.evaluate("dgrl.idle()")
            megabytes.append(sum(pass_bytes) / 1e6)
        page.get_by_test_id("view-change").click()
        first, last = [], []
        for button in ("flatten-conv3", "flatten-conv4", "flatten-conv5", "object-conv4"):
            start = time.perf_counter()
            page.get_by_test_id(button).click()
            page.wait_for_function(ARRIVED, arg=[1, "rln"])
            first.append(time.perf_counter() - start)
            page.wait_for_function(ARRIVED, arg=[1, "brn"])
            last.append(time.perf_counter() - start)
            page.evaluate("dgrl.idle()")
        switches = [page.evaluate(VIEW, name) for _ in range(2) for name in VIEWS]
        browser.close()
    times = {
        "page opened to the computed example": opening_times,
        "hover to numbers": hovers,
        "photo chosen until RLN's map": localised,
        "photo chosen until BRN's result": refined,
        "change to RLN's map": first,
        "change to BRN's result": last,
        "view switch": switches,
    }
    return times, megabytes


def size(request: Request) -> int:
    """Return the number of bytes in a request's response."""
    return request.sizes()["responseBodySize"]


def open_page(browser: Browser, url: str) -> Page:
    """Open the page in a new session and wait until the example's maps are on it."""
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.set_default_timeout(120_000)
    page.goto(url)
    page.wait_for_function("window.dgrl?.scene")
    page.wait_for_function(ARRIVED, arg=[0, "brn"])
    return page


def print_table(title: str, times: Times) -> None:
    """Print medians and 95th percentiles as Markdown, beside the goals."""
    rows = [
        [
            action,
            f"{statistics.median(measured):.3f}",
            f"{sorted(measured)[math.ceil(0.95 * len(measured)) - 1]:.3f}",
            str(GOALS.get(action, "–")),
        ]
        for action, measured in times.items()
    ]
    print(f"\n{table([title, 'median, s', '95 %, s', 'goal, s'], rows)}", flush=True)


def main() -> None:
    """Start the app twice and measure it."""
    weights = sys.argv[1] if len(sys.argv) > 1 else None
    with running_app(weights) as (url, _):
        print(f"{len(PHOTOS)} photographs, {os.cpu_count()} processors")
        print_table("API", measure_api(url))
    with running_app(weights) as (url, start):
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        times, megabytes = ({}, []) if chromium is None else measure_browser(url, chromium)
        print_table("browser", {"app start": [start], **times})
    if chromium is None:
        print("\nNo chromium here, so only the start was measured.")
    else:
        print(f"\nA pass comes in {statistics.median(megabytes):.1f} MB, at most {max(megabytes):.1f}.")


if __name__ == "__main__":
    main()
