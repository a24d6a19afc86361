"""The script's own tests, which need Node.js and nothing from npm."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def test_the_script_s_own_tests_pass() -> None:
    node = shutil.which("node")
    if node is None:
        # As with the browser: `make test` has to pass with nothing but Python, CI has to run them.
        give_up = pytest.fail if os.environ.get("CI") else pytest.skip
        give_up("the script's tests need Node.js 18 or newer")
    tests = sorted(Path(__file__).parent.glob("*.test.js"))
    done = subprocess.run([str(node), "--test", *map(str, tests)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
