"""Runs commands that are killed, or find the disk full, while they write: `python -m tests.helpers.killed_writing`.

Reads a line of JSON for each command, runs it in a fork of its own, and writes a line of JSON:

    {"arguments": […], "room": BYTES or null, "kill": false, "moves": NUMBER or null}
    {"code": the exit code, or minus the signal that killed it, "errors": what it said}

`room` is the most that a file may have, which is how a full disk looks to the one who writes; with `kill` the process
ends there, in the midst of writing. `moves` is how many files it moves into place before it is killed.
"""

import json
import os
import resource
import signal
import sys
import tempfile
from functools import partial
from pathlib import Path

import torch
import torchvision.transforms.v2  # noqa: F401 (with PyTorch 2.8 its first import writes a file)

import dgrl.network.backbone
from dgrl import cli
from dgrl.commands import detect, import_caffe  # noqa: F401 (for all forks at once)
from dgrl.network.caffe_resnet import caffe_resnet50
from tests.caffe.conftest import NARROW

Request = dict[str, object]


def killed_after(moves: int) -> None:
    """Let `Path.replace` do its work so often, and then be the end."""
    replace, done = Path.replace, []

    def counted(path: Path, target: Path) -> Path:
        if len(done) == moves:
            os.kill(os.getpid(), signal.SIGKILL)
        done.append(target)
        return replace(path, target)

    Path.replace = counted  # type: ignore[method-assign, assignment]


def run(arguments: list[str], room: int | None = None, kill: bool = False, moves: int | None = None) -> int:
    """Return the command's exit code, if it finishes."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if room is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    if kill:  # Python ignores this signal
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    if moves is not None:
        killed_after(moves)
    return cli.main(arguments)


def forked(request: Request) -> Request:
    """Run a command in a process that may die, and return how it ends."""
    with tempfile.TemporaryFile("w+") as errors:
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(errors.fileno(), 2)
            os._exit(run(**request))  # type: ignore[arg-type]
        _, status = os.waitpid(child, 0)
        errors.seek(0)
        return {"code": os.waitstatus_to_exitcode(status), "errors": errors.read()}


def main() -> None:
    torch.set_num_threads(1)
    dgrl.network.backbone.caffe_resnet50 = partial(caffe_resnet50, width=NARROW.width)
    for line in sys.stdin:
        print(json.dumps(forked(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
