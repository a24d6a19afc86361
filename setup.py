"""The package's page: README.md without the front matter of Hugging Face Spaces, its links leading to the repository.

Everything else about the package stands in pyproject.toml.
"""

import re
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent
(REPOSITORY,) = re.findall(r'^Repository = "(.+)"', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?://|#|mailto:)([^)]+)\)")


def package_page(readme: str) -> str:
    """Return the Markdown of README.md as the package index shows it."""
    page = re.sub(r"\A---\n.*?\n---\n", "", readme, flags=re.DOTALL).lstrip()
    return LINK.sub(lambda link: f"{link[1]}[{link[2]}]({address(link[3], picture=bool(link[1]))})", page)


def address(path: str, picture: bool) -> str:
    """Return where the repository shows one of its files."""
    return f"{REPOSITORY}/{'raw' if picture else 'blob'}/main/{path}"


if __name__ == "__main__":
    setup(
        long_description=package_page((ROOT / "README.md").read_text("utf-8")),
        long_description_content_type="text/markdown",
    )
