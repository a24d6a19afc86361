"""How long a visitor of the app waits: `python -m benchmarks.app_latency [WEIGHTS]`. Prints a Markdown table.

Whole round trips of the app's API on this machine: upload, queue, network, drawing, PNGs and their download.
"""

import statistics
import sys
import time
from collections.abc import Callable

from gradio_client import Client, handle_file

from dgrl.app import EXAMPLES, build, checkpoints, launch_settings, load
from dgrl.app.passes import AS_TRAINED

CLICKS = 20


def seconds(work: Callable[[], object]) -> float:
    """How long `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """Measure the first result of each example, the other tabs, and clicks."""
    models = load(checkpoints(sys.argv[1] if len(sys.argv) > 1 else None)[:1])
    checkpoint = next(iter(models))
    app = build(models)
    _, url, _ = app.launch(prevent_thread_lock=True, quiet=True, **launch_settings())
    client = Client(url, verbose=False)
    photos = sorted(EXAMPLES.glob("*.jpg"))

    def ask(endpoint: str, photo: int, *more: object) -> object:
        return client.predict(handle_file(photos[photo]), checkpoint, AS_TRAINED, *more, api_name=endpoint)

    every = range(len(photos))
    times = {
        "first result after the upload": [seconds(lambda i=i: ask("/detect", i)) for i in every],
        "cut-out": [seconds(lambda i=i: ask("/cutout", i)) for i in every],
        "Localise tab": [seconds(lambda i=i: ask("/localise", i, 1, "conv4", 0.65)) for i in every],
        "Refine tab": [seconds(lambda i=i: ask("/refine", i)) for i in every],
        "click on a pixel": [seconds(lambda i=i: ask("/pixel", 0, 10 * i, 10 * i)) for i in range(CLICKS)],
    }
    print(f"{checkpoint}, {len(photos)} photographs\n")
    print("| what | median, s | slowest, s |\n|---|---|---|")
    for what, measured in times.items():
        print(f"| {what} | {statistics.median(measured):.2f} | {max(measured):.2f} |")
    app.close()


if __name__ == "__main__":
    main()
