"""How fast the static page is: `python -m benchmarks.web [DIST]`. Prints a Markdown table.

The page that `make web` built, in Debian's chromium without a GPU: WebAssembly, threads where the processors are.
What WebGPU gives is not measured: it needs a GPU.
"""

import functools
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from benchmarks.timing import table

DIST = Path(__file__).parents[1] / "web" / "dist"
PATIENCE = 600_000
FRAMES = 4
CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
PHOTO = """async () => {
  const { engine, readPhoto, scene } = window.dgrl;
  const taken = await readPhoto(await (await fetch(scene().first.photo.path)).blob(), "measured");
  engine.photo(taken.key, taken.image);
  return taken.key;
}"""
"""Gives the worker the page's first photo; what it is called from then on."""
PASS = """async ([photo, until, edits]) => {
  const { engine, inputsOf, grids, manifest } = window.dgrl;
  const { steps } = manifest.config;
  const wish = { slot: "measured", photo, steps, until };
  const run = (given) => engine.run({ ...wish, inputs: inputsOf(given, steps, grids) });
  if (edits.length) await run([]);  // what an altered pass shares with the untouched one is there
  const start = performance.now();
  await run(edits);
  return (performance.now() - start) / 1000;
}"""
WHY = """async (photo) => {
  const { engine, manifest } = window.dgrl;
  const target = { kind: "object", step: manifest.config.steps, level: "conv5", row: 0, column: 0 };
  const start = performance.now();
  await engine.explain(photo, target, { signal: new AbortController().signal, progress: () => undefined });
  return (performance.now() - start) / 1000;
}"""
"""Occlusion of the object that the first photo's last step found."""
LATE = [{"kind": "flatten", "level": "conv4", "at": 2}]
"""An edit of the last step: what comes before it is kept."""
EVERY = [{"kind": "flatten", "level": "conv4"}]


class Counting(SimpleHTTPRequestHandler):
    """Counts the bytes that it gives."""

    given = 0

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def copyfile(self, source: object, outputfile: object) -> None:
        """Give a file."""
        data = source.read()  # type: ignore[attr-defined]
        Counting.given += len(data)
        outputfile.write(data)  # type: ignore[attr-defined]


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The folder's address."""
    server = ThreadingHTTPServer(("localhost", 0), functools.partial(Counting, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}/"
    server.shutdown()
    server.server_close()


def measure(page: Page, url: str) -> list[list[str]]:
    """The rows of the table."""
    start = time.perf_counter()
    page.goto(url)
    page.wait_for_selector("html[data-ready=yes]", timeout=PATIENCE)
    first = time.perf_counter() - start
    loaded = Counting.given
    start = time.perf_counter()
    page.reload()
    page.wait_for_selector("html[data-ready=yes]", timeout=PATIENCE)
    again = time.perf_counter() - start
    photo = page.evaluate(PHOTO)
    rows = [
        ["engine", page.locator("#engine").inner_text()],
        ["bytes of a first visit", f"{loaded / 1e6:.1f} MB"],
        ["bytes of a second visit", f"{(Counting.given - loaded) / 1e6:.1f} MB"],
        ["first visit to the first result", f"{first:.1f} s"],
        ["second visit to the first result", f"{again:.1f} s"],
        ["RLN's map of a new photo", f"{page.evaluate(PASS, [photo, 'rln', []]):.2f} s"],
        ["result of a new photo", f"{page.evaluate(PASS, [photo, 'brn', []]):.2f} s"],
        ["altered at every step, RLN's map", f"{page.evaluate(PASS, [photo, 'rln', EVERY]):.2f} s"],
        ["altered at the last step, RLN's map", f"{page.evaluate(PASS, [photo, 'rln', LATE]):.2f} s"],
        ["altered at every step, result", f"{page.evaluate(PASS, [photo, 'brn', EVERY]):.2f} s"],
        ["Why, by Occlusion", f"{page.evaluate(WHY, photo):.1f} s"],
    ]
    page.get_by_role("button", name="Camera", exact=True).click()
    for _ in range(FRAMES):
        expect(page.locator("#rate")).not_to_have_text(page.locator("#rate").inner_text(), timeout=PATIENCE)
    rows.append(["camera", page.locator("#rate").inner_text()])
    page.get_by_role("button", name="Close").click()
    memory = page.evaluate(
        "performance.measureUserAgentSpecificMemory().then((found) => found.bytes / 1e6, () => Number.NaN)"
    )
    return [*rows, ["memory of page and worker", f"{memory:.0f} MB"]]


def main() -> None:
    """Measure and print."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DIST
    if not (folder / "index.html").is_file():
        raise SystemExit("no page is built here: make web")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with served(folder) as url, sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", *CAMERA]
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        page = browser.new_context(viewport={"width": 1280, "height": 720}, permissions=["camera"]).new_page()
        page.set_default_timeout(PATIENCE)
        rows = measure(page, url)
        browser.close()
    print(table(["the static page", ""], rows))


if __name__ == "__main__":
    main()
