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
PHOTOS = sorted(EXAMPLES.glob("*.jpg"))
WANTED = {
    "app start": 8.0,
    "photo given to RLN's map": 1.0,
    "photo given to BRN's result": 4.0,
    "tab switch": 0.5,
    "click to redraw, Localise": 0.15,
    "click to redraw, Refine": 0.15,
}
Times = Mapping[str, Sequence[float]]
# A result is there when its picture is drawn and the sentence below says which half of the pass it is of.
SAID = """(words) => {
  const image = document.querySelector('#saliency img'), said = document.querySelector('#summary')?.textContent ?? '';
  return image?.complete && image.naturalWidth > 0 && words.some(word => said.includes(word));
}"""
LATE = """window.late = (start, what) => {
  if (performance.now() - start > 30000) throw new Error(`${what} took too long`);
};"""
# From the click until the picture that answers it is there and the browser has drawn a frame; and for how much of
# it the browser waited for the server's answer.
CLICK = """async ([element, across, down]) => {
  const frame = () => new Promise(requestAnimationFrame), image = () => document.querySelector(`${element} img`);
  const before = image().src, box = image().getBoundingClientRect();
  performance.clearResourceTimings();
  const start = performance.now();
  const at = { clientX: box.left + across * box.width, clientY: box.top + down * box.height };
  image().dispatchEvent(new MouseEvent('click', { bubbles: true, ...at }));
  do { await frame(); late(start, element); } while (image().src === before || !image().complete);
  await image().decode();
  await frame();
  const whole = performance.now() - start;
  const answer = performance.getEntriesByType('resource').find(entry => entry.name.endsWith('/run/predict'));
  return [whole / 1000, answer ? answer.duration / 1000 : NaN];
}"""
TAB = """async (name) => {
  const frame = () => new Promise(requestAnimationFrame), start = performance.now();
  const tab = [...document.querySelectorAll('[role=tab]')].find(tab => tab.textContent.trim() === name);
  const shown = element => element.checkVisibility({visibilityProperty: true});
  const panel = () => [...document.querySelectorAll('[role=tabpanel]')].find(shown);
  const before = panel();
  tab.click();
  // Pictures out of sight may be loaded later, or never.
  const seen = image => shown(image) && image.getBoundingClientRect().top < innerHeight;
  const missing = image => seen(image) && !image.complete;
  const waiting = () => [before, undefined].includes(panel()) || [...panel().querySelectorAll('img')].some(missing);
  do { await frame(); late(start, name); } while (waiting());
  await frame();
  return (performance.now() - start) / 1000;
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
    """The first result of each example, the other tabs, and clicks."""
    client = Client(url, verbose=False)

    def ask(endpoint: str, photo: int, *more: object) -> object:
        settings = {"steps": AS_TRAINED, "api_name": endpoint}
        return client.predict(handle_file(PHOTOS[photo]), *more, **settings)

    every = range(len(PHOTOS))
    return {
        "first map of RLN after the upload": [seconds(lambda i=i: ask("/localise", i)) for i in every],
        "result after BRN, from then on": [seconds(lambda i=i: ask("/detect", i)) for i in every],
        "cut-out": [seconds(lambda i=i: ask("/cutout", i)) for i in every],
        "Localise tab": [seconds(lambda i=i: ask("/localise", i)) for i in every],
        "Refine tab": [seconds(lambda i=i: ask("/refine", i)) for i in every],
        "click on a pixel": [
            seconds(lambda i=i: client.predict(handle_file(PHOTOS[0]), x=10 * i, y=10 * i, api_name="/pixel"))
            for i in range(CLICKS)
        ],
        "download everything": [seconds(lambda i=i: ask("/report", i)) for i in every[:2]],
    }


def in_the_browser(url: str, chromium: str) -> Times:
    """What a visitor sees: the page, the first results of each example, tabs, and clicks in two of them."""
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        visits = [visit(browser, url, photo) for photo in range(len(PHOTOS))]
        page = open_page(browser, url)
        page.set_input_files("#photo input[type=file]", PHOTOS[0])
        page.locator("#cutout img").wait_for()
        tabs = [name for name in page.get_by_role("tab").all_inner_texts() if name != "Detect"]
        first = []
        for name in tabs:
            first.append(page.evaluate(TAB, name))
            page.wait_for_timeout(2000)  # the visitor looks, and the tab draws what it draws but once
        again = [page.evaluate(TAB, name) for _ in range(3) for name in ("Detect", *tabs)]
        places = [0.3 + 0.4 * i / CLICKS for i in range(CLICKS)]  # a picture may be narrower than its box
        clicks: dict[str, Sequence[float]] = {}
        for tab, element in (("Localise", "#shown"), ("Refine", "#picked")):
            page.evaluate(TAB, tab)
            page.locator(f"{element} img").scroll_into_view_if_needed()
            measured = []
            for at in places:
                page.wait_for_timeout(500)  # nobody clicks while the answer before is still being drawn
                measured.append(page.evaluate(CLICK, [element, at, 1 - at]))
            clicks[f"click to redraw, {tab}"], clicks[f"of it the server, {tab}"] = zip(*measured, strict=True)
        browser.close()
    waits = ("page opened", "photo given to RLN's map", "photo given to BRN's result")
    results = dict(zip(waits, zip(*visits, strict=True), strict=True))
    return {**results, "tab opened first": first, "tab switch": again, **clicks}


def open_page(browser: Browser, url: str) -> Page:
    """A new visitor's page."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(120_000)
    page.add_init_script(LATE)
    page.goto(url)
    page.get_by_role("tab", name="Detect").wait_for()
    return page


def visit(browser: Browser, url: str, photo: int) -> tuple[float, float, float]:
    """Seconds until the page is there; from a photo that nobody has given yet to RLN's map, and to BRN's result."""
    start = time.perf_counter()
    page = open_page(browser, url)
    opened = time.perf_counter() - start
    start = time.perf_counter()
    page.set_input_files("#photo input[type=file]", PHOTOS[photo])
    page.wait_for_function(SAID, arg=["BRN is refining", "One pass"], polling="raf")
    localised = time.perf_counter() - start
    page.wait_for_function(SAID, arg=["One pass"], polling="raf")
    refined = time.perf_counter() - start
    page.close()
    return opened, localised, refined


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
