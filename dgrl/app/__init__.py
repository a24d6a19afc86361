"""The app: one stage, fed with what the networks computed. `build` makes it from networks; `launch` serves it.

| file | what it is |
|---|---|
| `stage`, `script/`, `app.css` | the page: the explorer and what is around it; what it asks for |
| `api` | the endpoints, for programs and for the page; `why`, `measure`, `download` do their work |
| `wishes` | what may be asked of the networks, checked; words where it cannot be had |
| `passes`, `runs`, `zero_gpu` | recent passes, kept; how one is run |
| `doors`, `limits`, `payloads`, `fetching`, `files`, `served` | what a visitor may reach, send, cost and leave behind |
| `gradio_internals`, `failures` | what of Gradio's is replaced; words for what went wrong |
"""

import importlib.util
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("GRADIO_RUN_HISTORY", "False")  # it keeps every visitor's pictures in their browser

import gradio as gr

from dgrl.app import api, gradio_internals, limits, stage
from dgrl.app.files import visitor_files
from dgrl.app.passes import Passes
from dgrl.app.style import THEME
from dgrl.app.why import explainer
from dgrl.app.wishes import Asking
from dgrl.checkpoint import SHIPPED_WEIGHTS, default_weights
from dgrl.experiments import sizes_of
from dgrl.experiments.links import offered
from dgrl.files import EXAMPLES
from dgrl.model import DGRL
from dgrl.running.device import choose_device, rewrite_for_inference
from dgrl.running.memory import keep_freed_memory

MAX_UPLOAD = "40mb"


def build(
    models: DGRL | Mapping[str, DGRL],
    examples: Sequence[str | Path] | None = None,
    precision: str = "auto",
    experiments: Sequence[Mapping[str, Any]] = (),
) -> gr.Blocks:
    """The app around its networks.

    Args:
        models: one network, or several by the names to choose from.
        examples: photographs to offer; by default those of the repository. PHOTO.jpg's mask, where there is one, is
            masks/PHOTO.png beside it.
        precision: see `dgrl.running.precision`.
        experiments: demonstrations to offer, each with `title`, `question`, `choices`, `answer` and `link`, the query
            of a link to the app (`dgrl.experiments.links.offered`).

    Returns:
        The app, not yet launched: `launch_settings` holds what its `launch` should be given.
    """
    networks = {"DGRL": models} if isinstance(models, DGRL) else models
    passes = Passes(networks, precision)
    if examples is None:
        examples = sorted(EXAMPLES.glob("*.jpg"))
    visitor_files()  # before any component asks where files go
    asking = Asking(passes)
    with gr.Blocks(title="DGRL", analytics_enabled=False, fill_width=True) as app:
        stage.add(asking, networks, examples, experiments)
        with gr.Column(visible=False):
            api.add(api.Endpoints(asking, explainer(passes.networks)), passes.names)

        def leave(request: gr.Request) -> None:
            if request.session_hash is not None:
                passes.leave(request.session_hash)

        app.unload(leave)
    app.queue(default_concurrency_limit=8, max_size=gradio_internals.WAITING, api_open=False)
    gradio_internals.harden(app)
    return app


def checkpoints(weights: Sequence[str | Path] = ()) -> list[str]:
    """The checkpoints to offer: `weights`, those of the environment variable DGRL_CHECKPOINTS, those in `weights/`.

    DGRL_CHECKPOINTS holds folders or Hugging Face Hub ids, separated by commas.

    Raises:
        CheckpointError: there is none.
    """
    found = [str(name) for name in weights]
    found += [name.strip() for name in os.environ.get("DGRL_CHECKPOINTS", "").split(",") if name.strip()]
    shipped = [config.parent for config in SHIPPED_WEIGHTS.parent.glob("*/config.json")]
    found += [str(folder) for folder in sorted(shipped, key=lambda folder: (folder != SHIPPED_WEIGHTS, folder))]
    return list(dict.fromkeys(found or [default_weights()]))


def load(names: Sequence[str], device: str = "auto") -> dict[str, DGRL]:
    """Networks by the last part of their checkpoints' names, on `device` (see `dgrl.running.device`).

    Raises:
        CheckpointError: one of them cannot be loaded.
        DeviceError: the device cannot be had.
    """
    chosen = choose_device(device)
    if chosen.type == "cpu":
        keep_freed_memory()
    models: dict[str, DGRL] = {}
    for name in names:
        model = DGRL.from_pretrained(name)
        rewrite_for_inference(model, chosen)
        short = Path(name).name
        # Two checkpoints whose names end alike are shown by their whole names.
        models[name if short in models else short] = model
    return models


def launch(weights: Sequence[str | Path] = (), port: int | None = None, share: bool = False, mcp: bool = False) -> None:
    """Serve the app until it is interrupted, and print its address.

    Args:
        weights: the checkpoints to offer first; others found are offered beside them.
        port: by default the environment variable GRADIO_SERVER_PORT, or else the first free one from 7860.
        share: also give a public link, by way of Gradio's servers.
        mcp: also serve the endpoints as tools of the Model Context Protocol.

    Raises:
        CheckpointError: there is no checkpoint, or one cannot be loaded.
        RuntimeError: the package that speaks the protocol is not installed.
    """
    if mcp and importlib.util.find_spec("mcp") is None:
        raise RuntimeError("--mcp needs one more package, which is not installed: pip install 'gradio[mcp]'")
    names = checkpoints(weights)
    app = build(load(names), experiments=offered(sizes_of(names[0])))
    app.launch(server_port=port, share=share, mcp_server=mcp, **launch_settings())


def launch_settings() -> dict[str, Any]:
    """What `Blocks.launch` needs for this app, whoever calls it."""
    return {
        "theme": THEME,
        "max_file_size": MAX_UPLOAD,
        "ssr_mode": False,
        "enable_monitoring": False,
        "pwa": False,
        "state_session_capacity": gradio_internals.SESSIONS,
        "footer_links": ["api"],  # the page about the API opens for no app without it; app.css hides the footer
        "app_kwargs": {"middleware": [(limits.Limits, (), {})]},
    }
