"""The server: `gradio.Server` with the endpoints, the page's routes and the guard."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import Request
from fastapi.responses import JSONResponse, Response

from dgrl.app import gradio_internals, page
from dgrl.app.endpoints import Endpoints
from dgrl.app.failures import ARGUMENT_ERRORS, FAULT, WRONG_KIND, note
from dgrl.app.files import session_files
from dgrl.app.guard import Guard
from dgrl.app.jobs import WAITING, DisconnectedError, Jobs
from dgrl.app.offering import offer
from dgrl.app.passes import Passes
from dgrl.app.photos import Photos
from dgrl.app.refusals import Refused
from dgrl.app.requests import Requests
from dgrl.app.routes import Routes
from dgrl.app.survey import surveyor
from dgrl.app.why import explainer
from dgrl.files import EXAMPLES
from dgrl.model import DGRL
from dgrl.page import FOLDER

MAX_UPLOAD = "40mb"
SETTINGS = {
    "max_file_size": MAX_UPLOAD,
    "ssr_mode": False,
    "enable_monitoring": False,
    "pwa": False,
    "run_history": False,
    "state_session_capacity": 256,
}
"""How the server is launched."""


def launch_settings() -> dict[str, Any]:
    """Return how the server is launched. Since 3.0 these are the defaults of `AppServer.launch`."""
    return dict(SETTINGS)


class AppServer(gr.Server):
    """`gradio.Server` whose queue is bounded. `launch` takes the arguments of `gradio.Blocks.launch`."""

    def __init__(self, endpoints: Endpoints) -> None:
        super().__init__(title="DGRL", docs_url=None, redoc_url=None, openapi_url=None)
        self._endpoints = endpoints

    def launch(self, **settings: Any) -> Any:  # type: ignore[override]
        """Serve the app; return what `gradio.Server.launch` returns."""
        with gr.Blocks(title="DGRL", mode="server", analytics_enabled=False) as blocks:
            offer(self._endpoints, blocks)
            blocks.unload(still_there)
        blocks.queue(default_concurrency_limit=2, max_size=WAITING, api_open=False)
        return gradio_internals.launch(blocks, self, **{**SETTINGS, **settings})


def still_there() -> None:
    """Do nothing. With this function, clients hold a connection, whose end shows that the session has ended."""


def build(
    models: DGRL | Mapping[str, DGRL],
    examples: Sequence[str | Path] | None = None,
    precision: str = "auto",
    experiments: Sequence[Mapping[str, Any]] = (),
    folder: Path = FOLDER,
) -> AppServer:
    """Build the app around its networks.

    Args:
        models: one network, or several by the names to choose from.
        examples: photos to offer; by default those of the repository. If PHOTO.jpg has a mask, it is
            masks/PHOTO.png beside it.
        precision: see `dgrl.running.precision`.
        experiments: the tour's experiments, as `dgrl.experiments.tour.tour` describes them.
        folder: the folder of the page.

    Returns:
        The app, not yet launched.
    """
    networks = {"DGRL": models} if isinstance(models, DGRL) else models
    passes = Passes(networks, precision)
    files = session_files()  # sets Gradio's folder, so it comes first
    files.on_departure.append(passes.leave)
    endpoints = Endpoints(Requests(passes), explainer(passes.networks), surveyor(passes.networks))
    server = AppServer(endpoints)
    photos = Photos(sorted(EXAMPLES.glob("*.jpg")) if examples is None else examples, files)
    Routes(endpoints, photos, Jobs()).add_to(server)
    page.add(server, networks, photos, experiments, folder)
    add_error_handlers(server)
    server.add_middleware(Guard, files=files)
    return server


def add_error_handlers(server: gr.Server) -> None:
    """Answer errors of the page's routes as `{"error": sentence, "kind": …}`."""

    def answer(status: int, sentence: str, kind: str = "refused") -> Response:
        return JSONResponse({"error": sentence, "kind": kind}, status)

    def refused(_: Request, error: Refused) -> Response:
        return answer(error.status, error.sentence, error.kind)

    def gradio_error(_: Request, error: gr.Error) -> Response:
        return answer(503, str(error.message))

    def disconnected(_: Request, __: DisconnectedError) -> Response:
        return Response(status_code=499)  # the connection is closed

    def argument_error(status: int, sentence: str, _: Request, error: Exception) -> Response:
        note(error)
        return answer(status, sentence)

    server.add_exception_handler(Refused, refused)  # type: ignore[arg-type]
    server.add_exception_handler(gr.Error, gradio_error)  # type: ignore[arg-type]
    server.add_exception_handler(DisconnectedError, disconnected)  # type: ignore[arg-type]
    for kind in ARGUMENT_ERRORS:
        server.add_exception_handler(kind, functools.partial(argument_error, 400, WRONG_KIND))
    server.add_exception_handler(OSError, functools.partial(argument_error, 500, FAULT))
