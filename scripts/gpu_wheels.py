"""Collect what `make gpu-short` needs beside PyTorch, for a GPU machine without a network.

    python scripts/gpu_wheels.py FOLDER [--python-version 3.12]

Downloads the wheels of the packages that DGRL and its GPU tests need, in the versions installed here. PyTorch,
torchvision and what only they need are left out: the GPU machine has them, in a build for its driver.
"""

import argparse
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

EXTRAS = ("report", "explain")
BESIDE = ("accelerate", "pytest", "ipywidgets", "nbclient", "ipykernel")
"""For training, the tests, the panel and its notebook. TensorBoard and JupyterLab are not needed."""
ON_THE_MACHINE = {"torch", "torchvision"}


def needed(names: list[str]) -> dict[str, str]:
    """Return the versions of packages and of everything that they require here, by name, without PyTorch.

    Args:
        names: requirements, with extras in brackets.
    """
    versions: dict[str, str] = {}
    queue = [Requirement(name) for name in names]
    seen = set()
    while queue:
        requirement = queue.pop()
        name = canonicalize_name(requirement.name)
        if name in ON_THE_MACHINE or (name, *sorted(requirement.extras)) in seen:
            continue
        seen.add((name, *sorted(requirement.extras)))
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue  # for another system or Python
        for line in requires(name) or ():
            required = Requirement(line)
            environments: list[dict[str, str]] = [{"extra": extra} for extra in ("", *requirement.extras)]
            if required.marker is None or any(required.marker.evaluate(extra) for extra in environments):
                queue.append(required)
    return versions


def main() -> None:
    """Download the wheels."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--python-version", help="of the GPU machine, if it differs from this one's")
    options = parser.parse_args()
    packages = needed([f"dgrl[{','.join(EXTRAS)}]", *BESIDE])
    del packages["dgrl"]  # the repository itself is carried along
    version_options = ["--python-version", options.python_version] if options.python_version else []
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", *version_options]
    names = [f"{name}=={number}" for name, number in sorted(packages.items())]
    subprocess.run([*command, "--dest", str(options.folder), *names], check=True)
    size = sum(path.stat().st_size for path in options.folder.glob("*.whl"))
    print(f"{len(names)} wheels, {size / 2**20:.0f} MiB, in {options.folder}")


if __name__ == "__main__":
    main()
