"""`dgrl app`."""

from typing import Annotated

import typer

from dgrl.extras import require


def app(
    weights: Annotated[
        list[str] | None, typer.Option(help="Checkpoint folder or Hub id to offer first; may be repeated.")
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; by default 127.0.0.1, which is this computer alone.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="By default the first that is free, from 7860 on.")
    ] = None,
    root_path: Annotated[
        str | None, typer.Option(help="Path or URL under which a reverse proxy shows the app, for example /dgrl.")
    ] = None,
    share: Annotated[bool, typer.Option("--share", help="Also give a public link, through Gradio's servers.")] = False,
    mcp: Annotated[bool, typer.Option("--mcp", help="Also serve every action as an MCP tool.")] = False,
) -> None:
    """Serve the app in your browser: choose a photo, and see which object is found, and how.

    Environment variables: DGRL_CHECKPOINTS names more checkpoints, separated by commas; GRADIO_SERVER_NAME,
    GRADIO_SERVER_PORT and GRADIO_ROOT_PATH stand for --host, --port and --root-path; GRADIO_TEMP_DIR is where uploads
    are kept until their session has left.

    Example: dgrl app --weights RUN --port 8000
    """
    require("app")
    from dgrl.app import launch

    launch(weights or (), port, share, mcp, host, root_path)
