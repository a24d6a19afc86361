"""The documentation names what there is: pages, experiments, links (`make docs`, in CI too, builds it strictly)."""

import re
from pathlib import Path

import pytest

from dgrl.experiments import BY_KEY, EXPERIMENTS

DOCS = Path(__file__).parents[1] / "docs"
CONFIG = (DOCS.parent / "mkdocs.yml").read_text(encoding="utf-8")
LECTURE = (DOCS / "lecture.md").read_text(encoding="utf-8")


def test_every_page_is_in_the_navigation():
    named = set(re.findall(r"([\w/-]+\.md)", CONFIG))
    pages = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    assert named == pages


def test_the_lecture_is_built_from_the_ten_in_their_order():
    linked = re.findall(r"\*\*(\d+)\. \[[^\]]+\]\(experiments/([\w-]+)\.html\)", LECTURE)
    assert [key for _, key in linked] == [experiment.key for experiment in EXPERIMENTS]
    assert [int(number) for number, _ in linked] == list(range(1, 11))
    assert re.findall(r"<!-- happened ([\w-]+) -->", LECTURE) == list(BY_KEY)


def test_titles_in_the_lecture_are_those_of_the_experiments():
    for experiment in EXPERIMENTS:
        assert f"[{experiment.title}](experiments/{experiment.key}.html)" in LECTURE


@pytest.mark.parametrize("name", re.findall(r"^!!! question \"Exercise (\w)\"", LECTURE, re.MULTILINE))
def test_every_exercise_has_an_answer(name):
    assert f'??? success "Answer {name}"' in LECTURE
