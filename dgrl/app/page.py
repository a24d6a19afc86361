"""Serve the page: its HTML with the app's settings, its modules, and a page about the API."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from gradio.routes import generate_code_snippets  # type: ignore[attr-defined]
from markupsafe import Markup

from dgrl import __version__
from dgrl.app.photos import Photos
from dgrl.app.routes import offered_examples
from dgrl.attribution.question import METHODS
from dgrl.model import DGRL
from dgrl.templates import render

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-eval'; img-src 'self' blob: data:; style-src 'self' "
    "'unsafe-inline'; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'none'"
)
"""The page's content security policy: scripts come only from this server. Browser tests evaluate expressions in it.
Any site may show the page in a frame, as Hugging Face does with a Space."""
HEADERS = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"}
IMMUTABLE = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}


def add(
    server: FastAPI, models: Mapping[str, DGRL], photos: Photos, experiments: Sequence[Mapping[str, Any]], folder: Path
) -> None:
    """Add the page in `folder`, `/api` and `/health` to a server."""
    settings = {
        "engine": "server",
        "checkpoints": [{"name": name, "steps": model.config.steps} for name, model in models.items()],
        "photos": offered_examples(photos),
        "experiments": [dict(experiment) for experiment in experiments],
        "methods": list(METHODS),
        "version": __version__,
    }
    version = version_of(folder)
    files = StaticFiles(directory=folder)

    async def module(request: Request) -> Response:
        response = await files.get_response(request.path_params["path"], request.scope)
        response.headers.update(IMMUTABLE)
        return response

    async def page(request: Request) -> Response:
        if request.query_params.get("view") == "api":  # Gradio's address for it, used by 2.0
            return RedirectResponse("api")
        root = server.get_blocks().root_path.rstrip("/")  # type: ignore[attr-defined]
        text = (folder / "index.html").read_text(encoding="utf-8")
        text = page_html(text, version, settings, f"{root}/" if root else "")
        return HTMLResponse(text, headers={**HEADERS, "Cache-Control": "no-cache"})

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok", "version": __version__, "checkpoints": list(models)})

    async def about_the_api(request: Request) -> Response:
        info = server.get_blocks().get_api_info()["named_endpoints"]  # type: ignore[attr-defined]
        root = str(request.base_url)
        programs = {name: generate_code_snippets(name, endpoint, root)["python"] for name, endpoint in info.items()}
        docs = {f"/{fn.api_name}": fn.fn.__doc__ for fn in server.get_blocks().fns.values()}  # type: ignore[attr-defined]
        text = render("api", endpoints=info, programs=programs, docs=docs, root=root, version=__version__)
        return HTMLResponse(text, headers=HEADERS)

    # A mount of Starlette's would not find the files if a reverse proxy removes its prefix (`--root-path`).
    modules = f"/page/{version}/{{path:path}}"
    for path, answer in (("/", page), (modules, module), ("/health", health), ("/api", about_the_api)):
        server.add_route(path, answer, methods=["GET"])


def version_of(folder: Path) -> str:
    """Return twelve hexadecimal digits that change when a file of the page does."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def page_html(text: str, version: str, settings: Mapping[str, Any], root: str = "") -> str:
    """Return the page's HTML with its files' addresses below `root` and their version, and the settings as JSON."""
    text = re.sub(r'\b(src|href)="\./', rf'\1="{root}page/{version}/', text)
    content = json.dumps({**settings, "root": root}).replace("<", "\\u003c")  # so that no string ends the element
    block = Markup('<script type="application/json" id="settings">{}</script>').format(Markup(content))
    return text.replace("</head>", f"{block}\n</head>", 1)
