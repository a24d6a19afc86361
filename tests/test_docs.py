"""The documentation names what there is: pages, experiments, links (`make docs`, in CI too, builds it strictly)."""

import re
from pathlib import Path

import pytest

from dgrl.experiments import BY_KEY, EXPERIMENTS
from dgrl.page.vocabulary import GLOSSARY
from tests.helpers.project import PROJECT

DOCS = Path(__file__).parents[1] / "docs"
CONFIG = (DOCS.parent / "mkdocs.yml").read_text(encoding="utf-8")
LECTURE = (DOCS / "lecture.md").read_text(encoding="utf-8")


def test_every_page_is_in_the_navigation():
    named = set(re.findall(r"([\w/-]+\.md)", CONFIG))
    pages = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    assert named == pages


def test_the_lecture_is_built_from_the_experiments_in_their_order():
    linked = re.findall(r"\*\*(\d+)\. \[[^\]]+\]\(experiments/([\w-]+)\.html\)", LECTURE)
    assert [key for _, key in linked] == [experiment.key for experiment in EXPERIMENTS]
    assert [int(number) for number, _ in linked] == list(range(1, 12))
    assert re.findall(r"<!-- happened ([\w-]+) -->", LECTURE) == list(BY_KEY)


def test_titles_in_the_lecture_are_those_of_the_experiments():
    for experiment in EXPERIMENTS:
        assert f"[{experiment.title}](experiments/{experiment.key}.html)" in LECTURE


@pytest.mark.parametrize("name", re.findall(r"^!!! question \"Exercise (\w)\"", LECTURE, re.MULTILINE))
def test_every_exercise_has_an_answer(name):
    assert f'??? success "Answer {name}"' in LECTURE


def test_the_architecture_page_names_the_folders():
    """Picture and table name every part of the package, and nothing that is not there."""
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    picture = (DOCS / "images" / "architecture.svg").read_text(encoding="utf-8")
    package = DOCS.parent / "dgrl"
    ignored = {"__pycache__", "explorer"}  # `explorer` holds names of version 2
    folders = {path.name for path in package.iterdir() if path.is_dir()} - ignored
    drawn = set(re.findall(r">([\w/.]+(?:/|\.py))<", picture)) - {"web/"}
    assert {name[:-1] for name in drawn if name.endswith("/")} == folders
    assert all((package / name).exists() for name in drawn)
    table = {name for line in page.splitlines() if line.startswith("|") for name in re.findall(r"`(\w+)/`", line)}
    assert table - {"dgrl"} == folders


def test_every_row_of_the_glossary_is_one_sentence_with_three_names():
    rows = [line for line in (DOCS / "glossary.md").read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]
    assert len(cells) > 30
    assert {len(row) for row in cells} == {5}
    assert all(row[1].endswith(".") for row in cells[1:])


def test_the_page_links_to_the_glossary_in_the_repository():
    address, _, path = GLOSSARY.partition("/blob/main/")
    assert address == PROJECT["urls"]["Repository"]
    assert (DOCS.parent / path).is_file()


def test_the_readme_is_short():
    lines = (DOCS.parent / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 150, "move details to docs/"
