"""Run the benchmarks and print their tables: `python -m benchmarks [SECTION …] [--write]`.

Without names, every section is measured. `--write` also puts the tables of the measured sections on the page
`benchmarks/README.md`. Sections that need a data set run alone: `python -m benchmarks parts DATA [--count N …]`,
and in the same way `prompts`, `video` and `survey`. With `--write`, `parts` also replaces `parts.json` beside the
shipped weights.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

from dgrl.checkpoint import SHIPPED_WEIGHTS
from dgrl.experiments.sizes import PARTS_FILE

PAGE = Path(__file__).parent / "README.md"
SECTIONS = {
    "speed": "benchmarks.speed",
    "explain": "benchmarks.explain",
    "detect": "benchmarks.detect",
    "inference": "benchmarks.inference",
    "app": "benchmarks.app_latency",
    "web": "benchmarks.web",
    "data": "benchmarks.data",
    "training": "benchmarks.training",
    "flat": "benchmarks.flat",
    "matting": "benchmarks.matting",
    "gpu": "benchmarks.gpu",
    "quantus": "benchmarks.quantus_agreement",
}
"""Module that measures each section of the page."""
ASKED_FOR = {"gpu", "quantus"}
"""Sections that run only when they are named, because they need special hardware or another package."""
PARTS = "parts"
WITH_DATA = (PARTS, "prompts", "video", "survey")
WRITE = "--write"


def replaced(page: str, section: str, text: str) -> str:
    """Return the page with `text` between the section's marks."""
    start, end = f"<!-- {section} -->", f"<!-- end of {section} -->"
    pattern = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(page):
        raise SystemExit(f"{PAGE.name} has no place for {section}: {start} … {end}")
    return pattern.sub(lambda _: f"{start}\n{text.strip()}\n{end}", page)


def measure(section: str, write: bool, *arguments: str) -> None:
    """Run a section's module and print its output; with `write`, also put the output on the page."""
    print(f"{section} …", flush=True)
    command = [sys.executable, "-m", SECTIONS.get(section, f"benchmarks.{section}"), *arguments]
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    print(process.stdout)
    if write:
        PAGE.write_text(replaced(PAGE.read_text("utf-8"), section, process.stdout), "utf-8")


def main() -> None:
    """Run the requested sections one after the other."""
    words = [word for word in sys.argv[1:] if word != WRITE]
    write = len(words) < len(sys.argv) - 1
    if words and words[0] in WITH_DATA:
        if write and any(word.startswith("--weights") for word in words):
            raise SystemExit("the page is about the weights that ship: --write does not go with --weights")
        numbers = ["--json", str(SHIPPED_WEIGHTS / PARTS_FILE)] if write and words[0] == PARTS else []
        measure(words[0], write, *words[1:], *numbers)
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", choices=[[], *SECTIONS], metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument(WRITE, action="store_true", help="put the numbers on the page, a tracked file")
    for section in parser.parse_args(words).sections or [name for name in SECTIONS if name not in ASKED_FOR]:
        measure(section, write)


if __name__ == "__main__":
    main()
