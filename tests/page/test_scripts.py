"""Run the page's own tests in Node.js, and check the files that Python writes for the page."""

import subprocess
from pathlib import Path

import pytest

from dgrl.page import vocabulary
from tests.page.node import node

HERE = Path(__file__).parent
RANDOM = HERE / "model.test.js"
"""Marks tests that need fast-check, which `npm ci` installs."""


def run_in_node(tests: list[Path]) -> None:
    assert tests
    completed = subprocess.run([node(), "--test", *map(str, tests)], capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stdout + completed.stderr


def test_the_tests_in_javascript_pass() -> None:
    run_in_node(sorted(path for path in HERE.glob("*.test.js") if path != RANDOM))


@pytest.mark.skipif(not (HERE.parents[1] / "node_modules/fast-check").exists(), reason="fast-check: npm ci")
def test_random_sequences_of_actions_keep_the_invariants() -> None:
    run_in_node([RANDOM])


def test_the_vocabulary_is_up_to_date() -> None:
    written = vocabulary.FILE.read_text(encoding="utf-8")
    assert written == vocabulary.module(), "run `python -m dgrl.page.vocabulary`"
