"""Measure how long explanations and their checks take: `python -m benchmarks.explain [METHOD …]`.

Prints a Markdown table; METHOD is "grad_cam", "occlusion" or "integrated_gradients", by default all of them. Each
explains the object in one photo, and the explanation is checked as in the app. The run with the least processor time
counts, of two.
"""

import sys
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from benchmarks.timing import table
from dgrl import DGRL
from dgrl.attribution.attribute import Attribution, attribute_in_batches, evidence_of
from dgrl.attribution.batches import result_of
from dgrl.attribution.evidence import Evidence
from dgrl.attribution.faithfulness import faithfulness_in_batches
from dgrl.attribution.question import METHODS, Method, ObjectTarget, Question
from dgrl.checkpoint import default_weights
from dgrl.files import EXAMPLES
from dgrl.images import RGB, read_image
from dgrl.running.memory import keep_freed_memory

PHOTO = EXAMPLES / "astronaut.jpg"
REPEATS = 2
GOALS: dict[Method, str] = {
    "grad_cam": "check at most 2 times the explanation",
    "occlusion": "check at most 2 times the explanation",
    "integrated_gradients": "both in 8 s",
}
Result = TypeVar("Result")
Times = tuple[float, float]
"""Seconds, and seconds of processor time."""


def timed(work: Callable[[], Result]) -> tuple[Result, Times]:
    """Run `work`; return its result and how long it took."""
    start, used = time.perf_counter(), time.process_time()
    result = work()
    return result, (time.perf_counter() - start, time.process_time() - used)


def measure(model: DGRL, photo: RGB, method: Method) -> tuple[Times, Times]:
    """Return how long the explanation takes, and its check."""
    question = Question(ObjectTarget(), method)

    def explain() -> tuple[Evidence, Attribution]:
        evidence = evidence_of(model, photo, question)
        return evidence, result_of(attribute_in_batches(model, photo, question, evidence=evidence))

    (evidence, attribution), explained = timed(explain)
    check = faithfulness_in_batches(model, photo, question, attribution, evidence=evidence)
    return explained, timed(lambda: result_of(check))[1]


def main(methods: Sequence[str] = ()) -> None:
    """Measure the methods and print the table."""
    keep_freed_memory()
    model, photo = DGRL.from_pretrained(default_weights()), read_image(PHOTO)
    rows = []
    for method in [method for method in METHODS[::-1] if method in (methods or METHODS)]:  # the fastest first
        runs = [measure(model, photo, method) for _ in range(REPEATS)]
        explained, check = min(runs, key=lambda run: run[0][1] + run[1][1])
        times = check[1] / explained[1]
        numbers = [f"{value:.2f}" for value in (explained[0], check[0], explained[1], check[1], times)]
        rows.append([method.replace("_", " "), *numbers, GOALS[method]])
    print(f"cpu, {torch.get_num_threads()} threads, torch {torch.__version__}\n")
    columns = ["method", "seconds", "its check", "processor time in seconds", "its check", "times", "goal"]
    print(table(columns, rows))


if __name__ == "__main__":
    main(sys.argv[1:])
