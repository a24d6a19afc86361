"""Measures everything anew and writes `benchmarks/README.md`: `python -m benchmarks [SECTION …]`.

With names only those sections are measured again; the others stay as they are. What the network's parts do needs a data
set: `python -m benchmarks parts DATA [--count N …]` measures that section alone, and writes `parts.json` beside the
weights that ship; with `--weights W` it only prints.
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
    "inference": "benchmarks.inference",
    "app": "benchmarks.app_latency",
    "start": "benchmarks.start",
    "folder": "benchmarks.folder",
    "growth": "benchmarks.growth",
    "engines": "benchmarks.engines",
    "web": "benchmarks.web",
    "data": "benchmarks.data",
    "training": "benchmarks.training",
    "flat": "benchmarks.flat",
    "gpu": "benchmarks.gpu",
}
"""What is run for each section of the page, between its marks."""
ASKED_FOR = {"gpu"}
"""Sections that are measured only when they are named: not every machine can."""
WITH_DATA = "parts"


def replaced(page: str, section: str, text: str) -> str:
    """The page with what a command printed in place of what stood between the section's marks."""
    start, end = f"<!-- {section} -->", f"<!-- end of {section} -->"
    pattern = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(page):
        raise SystemExit(f"{PAGE.name} has no place for {section}: {start} … {end}")
    return pattern.sub(lambda _: f"{start}\n{text.strip()}\n{end}", page)


def measure(section: str, *arguments: str) -> None:
    """Run a section's command and put what it prints on the page."""
    print(f"{section} …", flush=True)
    command = [sys.executable, "-m", SECTIONS.get(section, f"benchmarks.{section}"), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    print(done.stdout)
    PAGE.write_text(replaced(PAGE.read_text("utf-8"), section, done.stdout), "utf-8")


def main() -> None:
    """Run the sections' commands one after the other."""
    if sys.argv[1:2] == [WITH_DATA]:
        if any(word.startswith("--weights") for word in sys.argv[2:]):  # the page is about the weights that ship
            subprocess.run([sys.executable, "-m", f"benchmarks.{WITH_DATA}", *sys.argv[2:]], check=True)
        else:
            measure(WITH_DATA, *sys.argv[2:], "--json", str(SHIPPED_WEIGHTS / PARTS_FILE))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", choices=[[], *SECTIONS], metavar="SECTION", help=", ".join(SECTIONS))
    for section in parser.parse_args().sections or [name for name in SECTIONS if name not in ASKED_FOR]:
        measure(section)


if __name__ == "__main__":
    main()
