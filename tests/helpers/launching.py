"""Run modules as programs of their own, in one process or several."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TORCHRUN = ["-m", "torch.distributed.run", "--standalone"]


def launch(module: str, *arguments: object, processes: int = 1, seconds: float = 600) -> str:
    """Run `python -m MODULE …`, or several connected processes of it, and return what is printed.

    Fail if the program fails or takes longer than `seconds`.
    """
    several = [*TORCHRUN, f"--nproc-per-node={processes}"] if processes > 1 else []
    completed = subprocess.run(
        [sys.executable, *several, "-m", module, *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert completed.returncode == 0, (
        completed.stderr
    )  # all of it: the process that failed first speaks before the launcher
    return completed.stdout
