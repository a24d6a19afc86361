"""`dgrl app`."""

import signal
from typing import Annotated

import typer

from dgrl.extras import require


def app(
    weights: Annotated[
        list[str] | None, typer.Option(help="Checkpoint folder or Hub id to offer first; may be repeated.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="By default the first that is free, from 7860 on.")
    ] = None,
    share: Annotated[bool, typer.Option("--share", help="Also give a public link, through Gradio's servers.")] = False,
    mcp: Annotated[bool, typer.Option("--mcp", help="Also serve every action as an MCP tool.")] = False,
) -> None:
    """Serve the app in your browser: drop a photo, see the object found, and how."""
    require("app")
    from dgrl.app import launch

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # service managers ask so; it ends as by Ctrl-C
    launch(weights=weights or (), port=port, share=share, mcp=mcp)
