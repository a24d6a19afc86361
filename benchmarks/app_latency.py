"""How long a visitor of the app waits: `python -m benchmarks.app_latency [WEIGHTS]`. Prints Markdown tables.

The app runs as `app.py` does, in a process of its own. First whole round trips of its API: upload, queue, network,
drawing, PNGs and their download. Then, after a warm start, what a person sees in a browser (Debian's chromium), from
the click to the drawn picture, beside what is wanted on two cores; left out where there is no browser.
"""

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
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.timing import table
from dgrl.app import EXAMPLES
from dgrl.app.runs import AS_TRAINED

APP = Path(__file__).resolve().parents[1] / "app.py"
CLICKS = 20
VISITS = 5
VISITED = (
    "photo given to RLN's map",
    "photo given to BRN's result",
    "photo given to the last kernel",
    "altered to RLN's map",
    "altered to BRN's result",
    "numbers under the hand, each",
)
PHOTOS = sorted(EXAMPLES.glob("*.jpg"))
WANTED = {
    "app start": 6.0,
    "first map of RLN after the upload": 0.5,
    "photo given to RLN's map": 0.5,
}
Times = Mapping[str, Sequence[float]]
SLOT = "dgrl.explorer()?.parts.app.slots[{slot}]?.pass"
LOCALISED = SLOT + ".header.title === '{title}' && !!" + SLOT + ".arrays['rln.t0.saliency']"
REFINED = LOCALISED + " && !!" + SLOT + ".arrays['brn.round1']"
WHOLE = REFINED + " && !!" + SLOT + ".arrays['brn.coefficients']"
HOVER = """async () => {
  const room = document.querySelector('.room'), box = room.getBoundingClientRect();
  const frame = () => new Promise(requestAnimationFrame), start = performance.now();
  for (let i = 1; i <= 30; i++) {
    const at = { clientX: box.left + i * box.width / 31, clientY: box.top + i * box.height / 31 };
    const under = document.elementFromPoint(at.clientX, at.clientY);
    under.dispatchEvent(new PointerEvent('pointermove', { bubbles: true, ...at }));
    await frame();
  }
  return (performance.now() - start) / 30000;
}"""
"""A pixel's numbers, thirty times over, each until the next frame."""


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
    """The first result of each example, what is asked for after it, and everything as a file."""
    client = Client(url, verbose=False)

    def ask(endpoint: str, photo: int, *more: object) -> object:
        settings = {"steps": AS_TRAINED, "api_name": endpoint}
        return client.predict(handle_file(PHOTOS[photo]), *more, **settings)

    every = range(min(len(PHOTOS), VISITS))
    return {
        "first map of RLN after the upload": [seconds(lambda i=i: ask("/localise", i)) for i in every],
        "result after BRN, from then on": [seconds(lambda i=i: ask("/detect", i)) for i in every],
        "what BRN does": [seconds(lambda i=i: ask("/refine", i)) for i in every],
        "numbers of a pixel": [
            seconds(lambda i=i: client.predict(handle_file(PHOTOS[0]), x=10 * i, y=10 * i, api_name="/pixel"))
            for i in range(CLICKS)
        ],
        "download everything": [seconds(lambda i=i: ask("/report", i)) for i in every[:2]],
    }


def in_the_browser(url: str, chromium: str) -> Times:
    """What a visitor sees: the page, each example given as a photo, an altered pass, and the numbers under the hand."""
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        visits = [visit(browser, url, photo) for photo in PHOTOS[:VISITS]]
        browser.close()
    waits = ("page opened", *VISITED)
    return dict(zip(waits, zip(*visits, strict=True), strict=True))


def until(page: Page, condition: str, slot: int, title: str, start: float) -> float:
    """Seconds from `start` until it holds."""
    page.wait_for_function(condition.format(slot=slot, title=title), polling="raf")
    return time.perf_counter() - start


def visit(browser: Browser, url: str, photo: Path) -> tuple[float, ...]:
    """Seconds until the page shows its example, and of what stands in `VISITED`."""
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.set_default_timeout(120_000)
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder) / f"given-{photo.name}"
        given.write_bytes(photo.read_bytes() + b"\0")  # not the example: nobody has given these bytes yet
        start = time.perf_counter()
        page.goto(url)
        page.wait_for_selector(".dgrl-app[data-first=whole]", state="attached")
        opened = time.perf_counter() - start
        start = time.perf_counter()
        page.set_input_files("#photo-file", given)
        found = [until(page, condition, 0, given.stem, start) for condition in (LOCALISED, REFINED, WHOLE)]
        page.get_by_role("tab", name="Alter").click()
        start = time.perf_counter()
        page.get_by_role("button", name="All flat").click()
        found += [until(page, condition, 1, given.stem, start) for condition in (LOCALISED, REFINED)]
        found.append(page.evaluate(HOVER))
    page.close()
    return (opened, *found)


def print_table(title: str, times: Times) -> None:
    """Medians and slowest as Markdown, and what is wanted where something is."""
    rows = [
        [what, f"{statistics.median(measured):.2f}", f"{max(measured):.2f}", str(WANTED.get(what, "–"))]
        for what, measured in times.items()
    ]
    print(f"\n{table([title, 'median, s', 'slowest, s', 'wanted, s'], rows)}", flush=True)


def main() -> None:
    """Start the app twice and measure it."""
    weights = sys.argv[1] if len(sys.argv) > 1 else None
    with started(weights) as (url, _):
        print(f"{len(PHOTOS)} photographs, {os.cpu_count()} processors")
        print_table("API", of_the_api(url))
    with started(weights) as (url, start):
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        times = {} if chromium is None else in_the_browser(url, chromium)
        print_table("browser", {"app start": [start], **times})
    if chromium is None:
        print("\nNo chromium here, so only the start was measured.")


if __name__ == "__main__":
    main()
