"""How long a visitor of the app waits: `python -m benchmarks.app_latency [WEIGHTS]`. Prints Markdown tables.

The app runs as `app.py` does, in a process of its own. First whole round trips of its API: upload, queue, network,
drawing, PNGs and their download. Then, after a warm start, what a person sees in a browser (Debian's chromium), beside
what is wanted on two cores; left out where there is no browser.
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
WANTED = {
    "app start": 6.0,
    "page opened to the computed example": 1.2,
    "hover to numbers": 0.05,
    "photo given to RLN's map": 0.5,
    "photo given to BRN's result": 4.0,
    "change to RLN's map": 1.0,
    "change to BRN's result": 1.0,
    "view switch": 0.5,
}
Times = Mapping[str, Sequence[float]]
# From the event of the pointer until the browser has drawn the frame in which the numbers stand.
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
    """How long `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@contextmanager
def started(weights: str | None) -> Iterator[tuple[str, float]]:
    """The app's address, and the seconds from its start to its first page; it ends with the block."""
    with tempfile.TemporaryDirectory() as files:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "GRADIO_TEMP_DIR": files}
        if weights is not None:
            environment["DGRL_CHECKPOINTS"] = weights
        start = time.perf_counter()
        command = [sys.executable, str(APP)]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                found = next(filter(None, (re.search(r"http://[\d.]+:\d+", line) for line in server.stdout)), None)
                if found is None:
                    raise SystemExit("the app did not start")
                urllib.request.urlopen(found.group()).close()
                yield found.group(), time.perf_counter() - start
            finally:
                server.terminate()


def of_the_api(url: str) -> Times:
    """The first result of each example, what follows from it, and single pixels."""
    client = Client(url, verbose=False)

    def ask(endpoint: str, photo: int, **more: object) -> object:
        return client.predict(handle_file(PHOTOS[photo]), api_name=endpoint, **more)

    every = range(len(PHOTOS))
    return {
        "where RLN looks, after the upload": [seconds(lambda i=i: ask("/localise", i)) for i in every],
        "map after BRN, from then on": [seconds(lambda i=i: ask("/detect", i, cutout=False)) for i in every],
        "cut-out": [seconds(lambda i=i: ask("/detect", i)) for i in every],
        "before and after BRN": [seconds(lambda i=i: ask("/refine", i)) for i in every],
        "one pixel": [seconds(lambda i=i: ask("/pixel", 0, x=10 * i, y=10 * i)) for i in range(PLACES)],
        "all weight maps flattened": [seconds(lambda i=i: ask("/what_if", i)) for i in every],
        "download everything": [seconds(lambda i=i: ask("/report", i)) for i in every[:2]],
    }


def in_the_browser(url: str, chromium: str) -> tuple[Times, list[float]]:
    """What a visitor sees: the page, hovers, photos, alterations, tabs; and the megabytes of each pass that came."""
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        opened = [seconds(lambda: open_page(browser, url).close()) for _ in range(3)]
        page = open_page(browser, url)
        came: list[int] = []
        page.on("requestfinished", lambda asked: came.append(size(asked)) if asked.url.endswith("/pass") else None)
        page.evaluate("dgrl.idle()")
        places = [0.1 + 0.8 * i / PLACES for i in range(PLACES)]
        hovers = [page.evaluate(HOVER, [at, 1 - at]) for at in places]
        localised, refined, megabytes = [], [], []
        for photo in PHOTOS:
            came.clear()
            given = {"name": f"given {photo.name}", "mimeType": "image/jpeg", "buffer": photo.read_bytes() + b"\0"}
            start = time.perf_counter()
            page.set_input_files("[data-testid=upload]", given)  # not the example: nobody has given these bytes yet
            page.wait_for_function(f"dgrl.scene().slots[0].photo === 'given {photo.stem}'")
            page.wait_for_function(ARRIVED, arg=[0, "rln"])
            localised.append(time.perf_counter() - start)
            page.wait_for_function(ARRIVED, arg=[0, "brn"])
            refined.append(time.perf_counter() - start)
            page.evaluate("dgrl.idle()")
            megabytes.append(sum(came) / 1e6)
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
        "page opened to the computed example": opened,
        "hover to numbers": hovers,
        "photo given to RLN's map": localised,
        "photo given to BRN's result": refined,
        "change to RLN's map": first,
        "change to BRN's result": last,
        "view switch": switches,
    }
    return times, megabytes


def size(asked: Request) -> int:
    """Return the bytes of the answer to a request."""
    return asked.sizes()["responseBodySize"]


def open_page(browser: Browser, url: str) -> Page:
    """A new visitor's page, with the example's maps on it."""
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.set_default_timeout(120_000)
    page.goto(url)
    page.wait_for_function("window.dgrl?.scene")
    page.wait_for_function(ARRIVED, arg=[0, "brn"])
    return page


def print_table(title: str, times: Times) -> None:
    """Medians and what 95 % stay below as Markdown, and what is wanted where something is."""
    rows = [
        [
            what,
            f"{statistics.median(measured):.3f}",
            f"{sorted(measured)[math.ceil(0.95 * len(measured)) - 1]:.3f}",
            str(WANTED.get(what, "–")),
        ]
        for what, measured in times.items()
    ]
    print(f"\n{table([title, 'median, s', '95 %, s', 'wanted, s'], rows)}", flush=True)


def main() -> None:
    """Start the app twice and measure it."""
    weights = sys.argv[1] if len(sys.argv) > 1 else None
    with started(weights) as (url, _):
        print(f"{len(PHOTOS)} photographs, {os.cpu_count()} processors")
        print_table("API", of_the_api(url))
    with started(weights) as (url, start):
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        times, megabytes = ({}, []) if chromium is None else in_the_browser(url, chromium)
        print_table("browser", {"app start": [start], **times})
    if chromium is None:
        print("\nNo chromium here, so only the start was measured.")
    else:
        print(f"\nA pass comes in {statistics.median(megabytes):.1f} MB, at most {max(megabytes):.1f}.")


if __name__ == "__main__":
    main()
