"""The page's own tests, which Node.js runs, and the files that Python writes for it."""

import subprocess
from pathlib import Path

from dgrl.page import vocabulary
from tests.page.node import node


def test_the_tests_in_javascript_pass() -> None:
    tests = sorted(Path(__file__).parent.glob("*.test.js"))
    assert tests
    done = subprocess.run([node(), "--test", *map(str, tests)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_vocabulary_is_up_to_date() -> None:
    written = vocabulary.FILE.read_text(encoding="utf-8")
    assert written == vocabulary.module(), "run `python -m dgrl.page.vocabulary`"
