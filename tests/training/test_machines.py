"""One training on several machines: two of them are two processes on this one."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from dgrl import DGRL
from dgrl.training.checkpoints import Progress, TrainingError, load_checkpoint, save_checkpoint
from tests.helpers.launching import ROOT, launch
from tests.helpers.networks import TRAINED, write_pairs

SCRIPT = ROOT / "scripts" / "train-on-machines.sh"
SRUN = """#!/usr/bin/env bash
# Like Slurm: runs the command once for each machine, with the machine's number in the environment.
echo "$@" > "$NOTES"
shift 5
pids=()
for ((node = 0; node < NODES; node++)); do SLURM_NODEID=$node "$@" & pids+=($!); done
for pid in "${pids[@]}"; do wait "$pid" || exit 1; done
"""
SCONTROL = """#!/usr/bin/env bash
printf '%s\\n' 127.0.0.1 second-machine
"""

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


@pytest.fixture
def slurm(tmp_path):
    """Return the environment of a Slurm job on two machines."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    return kept | {
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "SLURM_JOB_ID": "7",
        "SLURM_NNODES": "2",
        "SLURM_JOB_NODELIST": "machine[1-2]",
        "PORT": str(port),
        "PROCESSES": "1",
        "PYTHON": sys.executable,
        "NOTES": str(tmp_path / "srun.txt"),
        "OMP_NUM_THREADS": "1",
    }


@pytest.mark.slow
def test_two_machines_train_as_one_does(tmp_path, slurm):
    write_pairs(tmp_path / "drawn", 6)
    DGRL(TRAINED).save_pretrained(tmp_path / "network")
    recipe = ["--images", tmp_path / "drawn" / "image", "--masks", tmp_path / "drawn" / "mask"]
    recipe += ["--init", tmp_path / "network", "--size", 64, "--batch-size", 2, "--max-updates", 2, "--workers", 0]
    # With SGD: AdamW divides by the gradient's size, and so enlarges rounding where a gradient is almost 0.
    recipe += ["--optimiser", "sgd", "--learning-rate", 1, "--backbone-learning-rate", 1, "--pictures-every", 0]
    launch("dgrl", "train", *recipe, "--out", tmp_path / "one")
    command = list(map(str, [SCRIPT, *recipe, "--out", tmp_path / "two"]))
    completed = subprocess.run(command, cwd=ROOT, env=slurm, capture_output=True, text=True, timeout=300, check=False)
    assert completed.returncode == 0, completed.stderr[-3000:]
    assert completed.stdout.count("Training rln on cpu, 2 processes with 6 pictures") == 2  # each machine says so
    assert Path(slurm["NOTES"]).read_text().startswith("--ntasks 2 --ntasks-per-node 1 --kill-on-bad-exit=1 bash -c")
    single, double = (DGRL.from_pretrained(tmp_path / name).state_dict() for name in ("one", "two"))
    for name, value in single.items():
        torch.testing.assert_close(double[name], value, atol=1e-5, rtol=0)
    before = DGRL.from_pretrained(tmp_path / "network").state_dict()
    assert max(float((value - before[name]).abs().max()) for name, value in single.items()) > 1e-4


def test_without_a_launcher_each_machine_needs_its_number(tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    environment |= {"NODES": "3", "NODE": "2", "HEAD": "first:29500", "PYTHON": "echo"}
    command = [str(SCRIPT), "--out", "a run"]
    message = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert (
        "--nnodes 3 --node-rank 2 --nproc-per-node gpu --master-addr first --master-port 29500 -m dgrl train" in message
    )
    del environment["NODE"]
    completed = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert completed.returncode != 0
    assert "which of them this is, from 0" in completed.stderr


def test_no_process_goes_on_before_a_checkpoint_is_whole(tmp_path):
    """One that did, and resumed at once, found none: so two processes failed under load."""
    final, found = tmp_path / "checkpoints" / "00000003", []

    class Main:
        is_main_process = True

        def save_state(self, folder):
            Path(folder).mkdir(parents=True)

        def wait_for_everyone(self):
            found.append(final.is_dir())

    save_checkpoint(Main(), tmp_path, Progress(total=3, update=3), keep=2)
    assert found == [False, False, True]


def test_machines_that_see_different_checkpoints_are_refused(tmp_path):
    class Two:
        """A stand-in for Accelerate: the other process sees no checkpoint."""

        device = torch.device("cpu")

        def gather(self, value):
            return torch.cat([value, torch.zeros_like(value)])

    (tmp_path / "checkpoints" / "00000004").mkdir(parents=True)
    with pytest.raises(TrainingError, match="a folder that all machines share"):
        load_checkpoint(Two(), tmp_path, Progress(total=8))
