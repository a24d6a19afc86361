"""A run as a child process, identified by its folder: start it, stop it, and read its progress.

Nothing here holds the process: another kernel finds the same run in the same folder.
"""

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dgrl.training.checkpoints import TrainingError, whole_checkpoints
from dgrl.training.record import LISTS, log_lines, read_run
from dgrl.training.validation import BEST_FOLDER

PROCESS_FILE = "process.json"
OUTPUT_FILE = "output.txt"
PLAN_FILE = "plan.json"


@dataclass(frozen=True)
class State:
    """What a run's folder says.

    Attributes:
        running: whether a process trains in it now.
        resumable: whether it holds a checkpoint, and is not finished.
        finished: whether the network has been written.
        best: whether a validation has left a network in `best/`.
        update: updates that the log holds; `total` of the whole run, 0 if that is not known yet.
        losses: (update, loss).
        validations: the log's lines of validations.
        snapshots: pictures by update.
        pictures_per_second: of the last update.
        seconds_per_update: mean over the last updates, by the speed that they report; 0 if unknown.
        said: the last lines that the process printed.
    """

    running: bool
    resumable: bool
    finished: bool
    best: bool
    update: int
    total: int
    losses: list[tuple[int, float]]
    validations: list[dict[str, Any]]
    snapshots: dict[int, Path]
    pictures_per_second: float
    seconds_per_update: float
    said: list[str]

    @property
    def words(self) -> str:
        """The state in a word or two."""
        if self.running:
            return "running" if self.update else "starting"
        if self.finished:
            return "finished"
        return "stopped" if self.resumable else "not started" if not self.said else "ended with an error"

    @property
    def seconds_left(self) -> float | None:
        """Until the last update; None if that is not known."""
        return self.seconds_per_update * (self.total - self.update) if self.total and self.seconds_per_update else None


def options_of(settings: Mapping[str, Any]) -> list[str]:
    """Return settings as options of `dgrl train`: True as --NAME, False as --no-NAME; None is left out."""
    words: list[str] = []
    for name, value in settings.items():
        option = name.replace("_", "-")
        if value is None or value == "":
            continue
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        else:
            words += [f"--{option}", str(value)]
    return words


def command_of(arguments: Sequence[str], processes: int = 1) -> list[str]:
    """Return the command that runs `dgrl train` with these arguments on this many GPUs, or on the CPU."""
    several = ["--multi_gpu"] if processes > 1 else []
    launch = ["-m", "accelerate.commands.launch", "--num_processes", str(processes), "--num_machines", "1", *several]
    launch += ["--mixed_precision", "no", "--dynamo_backend", "no", "--module"]
    return [sys.executable, *launch, "dgrl", "train", *arguments]


def shown_command(arguments: Sequence[str], processes: int = 1) -> str:
    """Return the same command as a person would type it."""
    start = f"accelerate launch --num_processes {processes} -m" if processes > 1 else "accelerate launch -m"
    return f"{start} dgrl train {shlex.join(arguments)}"


def start_run(out: Path, arguments: Sequence[str], processes: int = 1) -> int:
    """Start `dgrl train` with these arguments as a process of its own, and return the process's id.

    It outlives the kernel that starts it. What it prints goes to `output.txt` in the run's folder.

    Raises:
        TrainingError: a process trains in the folder already.
    """
    out.mkdir(parents=True, exist_ok=True)
    if is_running(out):
        raise TrainingError(f"a process trains in {out} already")
    with (out / OUTPUT_FILE).open("wb") as output:
        child = subprocess.Popen(
            command_of(arguments, processes),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a kernel that is interrupted or restarted does not take it along
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
    _children.append(child)
    fields = _stat(child.pid)
    note = {"pid": child.pid, "started": fields[19] if fields else None}
    (out / PROCESS_FILE).write_text(json.dumps(note), encoding="utf-8")
    return child.pid


_children: list["subprocess.Popen[bytes]"] = []
"""Started by this kernel: one that has ended stays in the table of processes until it is asked."""


def stop_run(out: Path) -> None:
    """Ask the run to end after the current update, with a checkpoint; do nothing if no run is active."""
    pid = _process(out)
    if pid is not None:
        os.killpg(pid, signal.SIGTERM)


def is_running(out: Path) -> bool:
    """Say whether the process that was started in the folder is alive."""
    return _process(out) is not None


def _process(out: Path) -> int | None:
    """Return the process group that was started in the folder, if any of its processes is alive."""
    for child in list(_children):
        if child.poll() is not None:
            _children.remove(child)
    try:
        note = json.loads((out / PROCESS_FILE).read_text(encoding="utf-8"))
        group, started = int(note["pid"]), note["started"]
        os.killpg(group, 0)
    except (OSError, ValueError, KeyError):
        return None
    leader = _stat(group)
    if started is None or (leader is not None and leader[19] != started):
        return group if started is None else None  # another program has got the number since
    for path in Path("/proc").glob("[0-9]*"):
        fields = _stat(int(path.name))
        if fields is not None and int(fields[2]) == group and fields[0] not in "ZX":
            return group
    return None


def _stat(pid: int) -> list[str] | None:
    """Return a process's line in Linux's /proc from its state on (19: its start time); None if there is no process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def read_state(out: Path) -> State:
    """Read the state of a run from its folder."""
    lines = log_lines(out)
    updates = [line for line in lines if "loss" in line]
    output_lines = _last_lines(out / OUTPUT_FILE)
    finished = (out / "model.safetensors").is_file()
    recent = [line["pictures_per_second"] for line in updates[-20:] if line["pictures_per_second"] > 0]
    total, batch = _length(out)
    return State(
        running=is_running(out),
        resumable=bool(whole_checkpoints(out)) and not finished,
        finished=finished,
        best=(out / BEST_FOLDER / "model.safetensors").is_file(),
        update=updates[-1]["update"] if updates else 0,
        total=total,
        losses=[(line["update"], line["loss"]) for line in updates],
        validations=[line for line in lines if "validation" in line],
        snapshots={int(path.stem): path for path in sorted((out / "pictures").glob("*.png"))},
        pictures_per_second=recent[-1] if recent else 0.0,
        seconds_per_update=batch * len(recent) / sum(recent) if recent else 0.0,
        said=output_lines,
    )


def _length(out: Path) -> tuple[int, int]:
    """Return the run's number of updates and of pictures per update; 0, 0 before it has written its recipe."""
    try:
        settings = read_run(out)
        recipe, pictures = settings["recipe"], settings[LISTS]["pictures"]
    except (TrainingError, KeyError):
        return 0, 0
    batch = min(recipe["batch_size"], pictures // recipe["accumulate"] * recipe["accumulate"]) or 1
    return recipe["max_updates"] or recipe["epochs"] * (pictures // batch), batch


def _last_lines(path: Path, count: int = 6) -> list[str]:
    """Return the last lines of a process's output, without overwritten progress bars."""
    try:
        text = path.read_bytes()[-4000:].decode("utf-8", "replace")
    except OSError:
        return []
    lines = [line.rpartition("\r")[2] for line in text.splitlines()]
    return [line for line in lines if line.strip() and "update/s" not in line and "s/update" not in line][-count:]
