"""How long a visitor of the app waits: `python -m benchmarks.app_latency [WEIGHTS]`. Prints Markdown tables.

First whole round trips of the app's API on this machine: upload, queue, network, drawing, PNGs and their download. Then
what a person sees in a browser (Debian's chromium), from the click to the drawn picture; left out where there is none.
"""

import shutil
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from gradio_client import Client, handle_file
from playwright.sync_api import sync_playwright

from dgrl.app import EXAMPLES, build, checkpoints, launch_settings, load
from dgrl.app.passes import AS_TRAINED

CLICKS = 20
PHOTOS = sorted(EXAMPLES.glob("*.jpg"))
# From the click until the picture that answers it is there and the browser has drawn a frame.
CLICK = """async ([element, across, down]) => {
  const frame = () => new Promise(requestAnimationFrame), image = () => document.querySelector(`${element} img`);
  const before = image().src, box = image().getBoundingClientRect(), start = performance.now();
  const at = { clientX: box.left + across * box.width, clientY: box.top + down * box.height };
  image().dispatchEvent(new MouseEvent('click', { bubbles: true, ...at }));
  do { await frame(); } while (image().src === before || !image().complete);
  await image().decode();
  await frame();
  return (performance.now() - start) / 1000;
}"""
TAB = """async (name) => {
  const frame = () => new Promise(requestAnimationFrame), start = performance.now();
  const tab = [...document.querySelectorAll('[role=tab]')].find(tab => tab.textContent.trim() === name);
  tab.click();
  const panel = document.getElementById(tab.getAttribute('aria-controls'));
  const missing = image => image.getBoundingClientRect().top < innerHeight && !image.complete;
  do { await frame(); } while (!panel.offsetParent || [...panel.querySelectorAll('img')].some(missing));
  await frame();
  return (performance.now() - start) / 1000;
}"""


def seconds(work: Callable[[], object]) -> float:
    """How long `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def of_the_api(url: str, checkpoint: str) -> dict[str, list[float]]:
    """The first result of each example, the other tabs, and clicks."""
    client = Client(url, verbose=False)

    def ask(endpoint: str, photo: int, *more: object) -> object:
        return client.predict(handle_file(PHOTOS[photo]), checkpoint, AS_TRAINED, *more, api_name=endpoint)

    every = range(len(PHOTOS))
    return {
        "first map of RLN after the upload": [
            seconds(lambda i=i: ask("/localise", i, 1, "conv4", 0.65)) for i in every
        ],
        "result after BRN, from then on": [seconds(lambda i=i: ask("/detect", i)) for i in every],
        "cut-out": [seconds(lambda i=i: ask("/cutout", i)) for i in every],
        "Localise tab": [seconds(lambda i=i: ask("/localise", i, 1, "conv4", 0.65)) for i in every],
        "Refine tab": [seconds(lambda i=i: ask("/refine", i)) for i in every],
        "click on a pixel": [seconds(lambda i=i: ask("/pixel", 0, 10 * i, 10 * i)) for i in range(CLICKS)],
        "download everything": [seconds(lambda i=i: ask("/report", i)) for i in every[:2]],
    }


def in_the_browser(url: str, chromium: str) -> dict[str, list[float]]:
    """From the click to the drawn picture: clicks in two tabs, and the way from one tab to another."""
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(120_000)
        page.goto(url)
        page.get_by_role("tab", name="Detect").wait_for()
        page.set_input_files("#photo input[type=file]", PHOTOS[0])
        page.locator("#cutout img").wait_for()
        tabs = [name for name in page.get_by_role("tab").all_inner_texts() if name != "Detect"]
        first = [page.evaluate(TAB, name) for name in tabs]
        page.wait_for_timeout(3000)  # what the tabs draw when they are first seen
        again = [page.evaluate(TAB, name) for _ in range(3) for name in ("Detect", *tabs)]
        places = [0.1 + 0.8 * i / CLICKS for i in range(CLICKS)]
        clicks = {}
        for tab, element in (("Localise", "#shown"), ("Refine", "#picked")):
            page.evaluate(TAB, tab)
            page.locator(f"{element} img").scroll_into_view_if_needed()
            clicks[f"click to redraw, {tab}"] = [page.evaluate(CLICK, [element, at, 1 - at]) for at in places]
        browser.close()
    return {"tab opened first": first, "tab switch": again, **clicks}


def print_table(title: str, times: Mapping[str, Sequence[float]]) -> None:
    """Medians and slowest as Markdown."""
    print(f"\n| {title} | median, s | slowest, s |\n|---|---|---|")
    for what, measured in times.items():
        print(f"| {what} | {statistics.median(measured):.2f} | {max(measured):.2f} |")


def main() -> None:
    """Start the app and measure it."""
    models = load(checkpoints(sys.argv[1] if len(sys.argv) > 1 else None)[:1])
    checkpoint = next(iter(models))
    app = build(models)
    _, url, _ = app.launch(prevent_thread_lock=True, quiet=True, **launch_settings())
    print(f"{checkpoint}, {len(PHOTOS)} photographs")
    print_table("API", of_the_api(url, checkpoint))
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        print("\nNo chromium here, so nothing was measured in a browser.")
    else:
        print_table("browser", in_the_browser(url, chromium))
    app.close()


if __name__ == "__main__":
    main()
