"""Measure how fast the static page is: `python -m benchmarks.web [DIST]`. Prints a Markdown table.

Opens the page that `make web` built in Debian's chromium without a GPU: WebAssembly, with threads if there are several
processors. WebGPU needs a GPU and is not measured.
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
from typing import Any

from playwright.sync_api import Page, sync_playwright

from benchmarks.timing import table

DIST = Path(__file__).parents[1] / "web" / "dist"
PATIENCE = 600_000
SHOWN = "() => window.dgrl?.values().every(({ ready }) => ready)"
COMPUTED = "() => window.dgrl?.values().every(({ numbers }) => numbers)"
"""Kernels are not stored with examples, so they are there only after the network has run."""
KEPT = """() => new Promise((done) => {
  navigator.serviceWorker.addEventListener("message", ({ data }) => data.kind === "kept" && done());
  navigator.serviceWorker.controller.postMessage("keep");
})"""
"""Resolves when the service worker has cached every file."""
PASS = """async ([photo, until, edits]) => {
  const { engine } = window.dgrl.loader;
  const request = (given) => ({ ...window.dgrl.scene().slots[0], photo, edits: given });
  if (edits.length) await engine.pass(request([]), { until: "rln" });  // compute what both passes share
  const start = performance.now();
  await engine.pass(request(edits), { until });
  return (performance.now() - start) / 1000;
}"""
WHY = """async (photo) => {
  const { engine } = window.dgrl.loader;
  const request = { ...window.dgrl.scene().slots[0], photo };
  const question = { target: "object", method: "occlusion", level: "conv5", step: 2, x: 0, y: 0, refined: false };
  const start = performance.now();
  await engine.explain(request, question, { signal: new AbortController().signal, onProgress: () => undefined });
  return (performance.now() - start) / 1000;
}"""
"""Occlusion of the object in a photo's last prediction."""
LATE: list[dict[str, Any]] = [{"kind": "flatten", "level": "conv4", "at": 2}]
"""An edit of the last step, so that cached results of earlier steps are used."""
EVERY: list[dict[str, Any]] = [{"kind": "flatten", "level": "conv4"}]


class CountingHandler(SimpleHTTPRequestHandler):
    """Counts the bytes that it sends."""

    sent_bytes = 0

    def log_message(self, *_: object) -> None:
        """Write no log."""

    def copyfile(self, source: object, outputfile: object) -> None:
        """Send a file."""
        data = source.read()  # type: ignore[attr-defined]
        CountingHandler.sent_bytes += len(data)
        outputfile.write(data)  # type: ignore[attr-defined]


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder and yield its address."""
    server = ThreadingHTTPServer(("localhost", 0), functools.partial(CountingHandler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}/"
    server.shutdown()
    server.server_close()


def measure(page: Page, url: str) -> list[list[str]]:
    """Return the rows of the table."""
    start = time.perf_counter()
    page.goto(url)
    page.wait_for_function(SHOWN)
    seconds_to_stored = time.perf_counter() - start
    page.wait_for_function(COMPUTED)
    first, loaded = time.perf_counter() - start, CountingHandler.sent_bytes
    page.evaluate(KEPT)
    first_visit_bytes = CountingHandler.sent_bytes
    start = time.perf_counter()
    page.reload()
    page.wait_for_function(COMPUTED)
    reload_seconds = time.perf_counter() - start

    def seconds(photo: str, until: str, edits: list[dict[str, Any]]) -> str:
        return f"{page.evaluate(PASS, [photo, until, edits]):.2f} s"

    threads = page.evaluate("crossOriginIsolated ? navigator.hardwareConcurrency : 1")
    version = page.evaluate("window.dgrl.loader.store.state.version")
    rows = [
        ["engine", f"DGRL {version}, wasm, {threads} threads"],
        ["bytes until everything works", f"{loaded / 1e6:.1f} MB"],
        ["bytes until the page works without a network", f"{first_visit_bytes / 1e6:.1f} MB"],
        ["bytes of a second visit", f"{(CountingHandler.sent_bytes - first_visit_bytes) / 1e6:.1f} MB"],
        ["first visit to the stored result", f"{seconds_to_stored:.1f} s"],
        ["first visit to the first computed result", f"{first:.1f} s"],
        ["second visit to the first computed result", f"{reload_seconds:.1f} s"],
        ["RLN's map of a new photo", seconds("coffee", "rln", [])],
        ["result of a new photo", seconds("cat", "brn", [])],
        ["RLN's map, with edits at every step", seconds("coffee", "rln", EVERY)],
        ["RLN's map, with edits at the last step", seconds("coffee", "rln", LATE)],
        ["result, with edits at every step", seconds("cat", "brn", EVERY)],
        ["Why, by Occlusion", f"{page.evaluate(WHY, 'coffee'):.1f} s"],
    ]
    memory = page.evaluate(
        "performance.measureUserAgentSpecificMemory().then((found) => found.bytes / 1e6, () => Number.NaN)"
    )
    return [*rows, ["memory of page and worker", f"{memory:.0f} MB"]]


def main() -> None:
    """Measure and print."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DIST
    if not (folder / "index.html").is_file():
        raise SystemExit("the page is not built: make web")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with served(folder) as url, sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
        page.set_default_timeout(PATIENCE)
        rows = measure(page, url)
        browser.close()
    print(table(["the static page", ""], rows))


if __name__ == "__main__":
    main()
