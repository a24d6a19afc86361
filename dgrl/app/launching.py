"""Start the app: find checkpoints, load them, serve until the process is stopped."""

import importlib.util
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from dgrl.app.files import session_files
from dgrl.app.server import AppServer, build
from dgrl.checkpoint import SHIPPED_WEIGHTS, default_weights
from dgrl.experiments import sizes_of
from dgrl.experiments.tour import tour
from dgrl.model import DGRL
from dgrl.running.device import choose_device, rewrite_for_inference
from dgrl.running.memory import keep_freed_memory

STOP_SECONDS = 4.0
"""How long the server may take to finish its work after SIGTERM."""


def checkpoints(weights: Sequence[str | Path] = ()) -> list[str]:
    """Return the checkpoints to offer: `weights`, those of the environment variable DGRL_CHECKPOINTS, the shipped ones.

    DGRL_CHECKPOINTS holds folders or Hugging Face Hub ids, separated by commas.

    Raises:
        CheckpointError: there are none.
    """
    names = [str(name) for name in weights]
    names += [name.strip() for name in os.environ.get("DGRL_CHECKPOINTS", "").split(",") if name.strip()]
    shipped = [config.parent for config in SHIPPED_WEIGHTS.parent.glob("*/config.json")]
    names += [str(folder) for folder in sorted(shipped, key=lambda folder: (folder != SHIPPED_WEIGHTS, folder))]
    return list(dict.fromkeys(names or [default_weights()]))


def load(names: Sequence[str], device: str = "auto") -> dict[str, DGRL]:
    """Load networks on `device` (see `dgrl.running.device`), by the last part of their checkpoints' names.

    Raises:
        CheckpointError: one of them cannot be loaded.
        DeviceError: the device is not available.
    """
    chosen = choose_device(device)
    if chosen.type == "cpu":
        keep_freed_memory()
    models: dict[str, DGRL] = {}
    for name in names:
        model = DGRL.from_pretrained(name)
        rewrite_for_inference(model, chosen)
        short = Path(name).name
        # Two checkpoints with the same last part are shown by their full names.
        models[name if short in models else short] = model
    return models


def app_of(names: Sequence[str]) -> AppServer:
    """Build the app that offers these checkpoints."""
    return build(load(names), experiments=tour(sizes_of(names[0])))


def launch(
    weights: Sequence[str | Path] = (),
    port: int | None = None,
    share: bool = False,
    mcp: bool = False,
    host: str | None = None,
    root_path: str | None = None,
) -> None:
    """Serve the app until it is interrupted or gets SIGTERM, and print its address.

    Args:
        weights: the checkpoints to offer first, before the others that are found.
        port: by default the environment variable GRADIO_SERVER_PORT, or else the first free one from 7860.
        share: also give a public link, through Gradio's servers.
        mcp: also serve the endpoints as tools of the Model Context Protocol.
        host: address to listen on; by default the environment variable GRADIO_SERVER_NAME, else this computer only.
        root_path: path or URL under which a reverse proxy shows the app; by default GRADIO_ROOT_PATH.

    Raises:
        CheckpointError: there is no checkpoint, or one cannot be loaded.
        RuntimeError: the package that speaks the protocol is not installed.
    """
    if mcp and importlib.util.find_spec("mcp") is None:
        raise RuntimeError("--mcp needs one more package, which is not installed: pip install 'gradio[mcp]'")
    signal.signal(signal.SIGTERM, stop)
    for output in (sys.stdout, sys.stderr):
        if hasattr(output, "reconfigure"):
            output.reconfigure(line_buffering=True)  # so that the address appears in a log file at once
    app = app_of(checkpoints(weights))
    app.launch(server_name=host, server_port=port, share=share, mcp_server=mcp, root_path=root_path)


def stop(_signal: int, _frame: FrameType | None) -> None:
    """End the server as Ctrl-C does; after STOP_SECONDS, end the process even if something is still running."""

    def end() -> None:
        time.sleep(STOP_SECONDS)
        session_files().close()
        os._exit(0)

    threading.Thread(target=end, name="stop", daemon=True).start()
    raise KeyboardInterrupt
