import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

RUNS = {"caffe": 1000, "image": 500, "trace": 1000}  # not seconds: the same files are tried every time


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="needs atheris")
@pytest.mark.parametrize("reader", RUNS)
@pytest.mark.slow
def test_fuzzing_finds_nothing(reader, tmp_path):
    command = [sys.executable, "-W", "ignore", "-m", "tests.helpers.fuzz", reader, "60", f"-runs={RUNS[reader]}"]
    environment = {"PYTHONPATH": str(Path(__file__).parents[1]), "PATH": "/usr/bin:/bin"}
    completed = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert completed.returncode == 0, completed.stdout[-3000:] + completed.stderr[-3000:]
    assert not list(tmp_path.glob("crash-*"))
    attempts = re.search(r"number_of_executed_units: (\d+)", completed.stderr)
    assert attempts, completed.stderr[-2000:]
    assert int(attempts.group(1)) >= RUNS[reader]
