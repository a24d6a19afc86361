"""The settings in pyproject.toml."""

import sys
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import pytest

    tomllib = pytest.importorskip("tomli")

PROJECT: dict[str, Any] = tomllib.loads(Path(__file__).parents[2].joinpath("pyproject.toml").read_text("utf-8"))[
    "project"
]
REQUIREMENTS: list[str] = PROJECT["dependencies"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]


def with_extras(*extras: str) -> dict[str, Requirement]:
    """Return what an installation with these extras installs, by name: the core and the extras that they include."""
    result: dict[str, Requirement] = {}
    waiting = [*REQUIREMENTS, *(line for extra in extras for line in EXTRAS[extra])]
    while waiting:
        requirement = Requirement(waiting.pop())
        if requirement.name == "dgrl":
            waiting += [line for extra in requirement.extras for line in EXTRAS[extra]]
        else:
            result[requirement.name] = requirement
    return result
