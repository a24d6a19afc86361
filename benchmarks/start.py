"""Measure how long DGRL takes to start: `python -m benchmarks.start`. Prints a Markdown table.

Each command runs once before it is measured, so that its files are in memory.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.timing import table
from dgrl.files import EXAMPLES

ROOT = Path(__file__).parent.parent
REPEATS = 3
HEAVY = ("gradio", "captum", "matplotlib", "torchvision", "timm", "torch._dynamo")


def command(*words: str) -> float:
    """Return the seconds until a Python command has ended."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def imported() -> list[str]:
    """Return the heavy packages that `from dgrl import DGRL` imports."""
    code = f"import sys; from dgrl import DGRL; print(*(name for name in {HEAVY} if name in sys.modules))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


def main() -> None:
    """Measure and print."""
    example = str(next(EXAMPLES.glob("*.jpg")))
    out = tempfile.mkdtemp()
    works: dict[str, Callable[[], float]] = {
        "import torch": lambda: command("-c", "import torch"),
        "import torch, timm (and torchvision)": lambda: command("-c", "import torch, timm"),
        "of which PyTorch's compiler": lambda: command("-c", "import torch._dynamo") - command("-c", "import torch"),
        "import torch, timm, gradio": lambda: command("-c", "import torch, timm, gradio"),
        "import dgrl": lambda: command("-c", "import dgrl"),
        "from dgrl import DGRL": lambda: command("-c", "from dgrl import DGRL"),
        "dgrl --help": lambda: command("-m", "dgrl", "--help"),
        "dgrl detect, one photo": lambda: command("-m", "dgrl", "detect", example, "-o", out),
    }
    rows = []
    for name, work in works.items():
        work()
        rows.append([name, f"{statistics.median(work() for _ in range(REPEATS)):.1f}"])
    print(table(["from nothing running", "seconds"], rows))
    print(f"\n`from dgrl import DGRL` imports of {', '.join(HEAVY)}: {', '.join(imported()) or 'none'}.")


if __name__ == "__main__":
    main()
