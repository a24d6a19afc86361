"""ASGI middleware in front of all of Gradio: closes addresses, limits requests, and checks every file they name."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

from dgrl.app import gradio_internals
from dgrl.app.addresses import API, PAGE_UPLOAD, SESSION, is_open
from dgrl.app.asgi import ASGIApp, Message, Receive, Scope, Send
from dgrl.app.failures import FAILED, note
from dgrl.app.fetching import fetch
from dgrl.app.files import SessionFiles
from dgrl.app.jobs import WAITING_EACH
from dgrl.app.payloads import RefusedError, checked, fetched, paths

UPLOAD_BYTES = 44 * 2**20
"""Limit of an upload: the largest file and the rest of its request."""
TOOL_BYTES = 60 * 2**20
"""Limit of a tool's call, which may contain a picture in Base64."""
JSON_BYTES, JSON_VALUES = 2**18, 20_000
"""Limits of any other request, in bytes and in values: arguments are numbers, names and masks."""
LEAST_FREE = 2**29
"""Free bytes on the disk below which uploads are refused."""
SESSION_HEADER = b"x-dgrl-session"
TOO_MANY_JOBS = f"{WAITING_EACH} jobs of this session are not done yet; please wait for one of them."
WRONG_COUNT = "The list `data` needs the endpoint's arguments in their order; /api lists them."


class RequestError(Exception):
    """A request is refused with an HTTP status and a sentence."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


class Guard:
    """The middleware. It also reports sessions and their uploads to `files`."""

    def __init__(self, app: ASGIApp, files: SessionFiles) -> None:
        self.app, self.files = app, files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or answer it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        started = False

        async def send_noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._pass_on(scope, receive, send_noted)
        except RequestError as error:
            if not started:
                await send_error(send, error.status, error.text)
        except RefusedError as error:
            if not started:
                await send_error(send, 400, str(error))
        except Exception as error:  # the server's own error message would quote the request
            note(error)
            if not started:
                await send_error(send, 400, FAILED)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"].removeprefix(scope.get("root_path", ""))
        blocks = scope["app"].get_blocks()
        if not is_open(method, path, bool(blocks.mcp_server_obj)):
            raise RequestError(404, "Not found.")
        self._note_session(scope, dict(scope["headers"]).get(SESSION_HEADER, b"").decode("latin1"))
        kind, _, tail = path.removeprefix(f"{API}/").rstrip("/").partition("/")
        if path.startswith(f"{API}/file=") and not self.files.knows(path.removeprefix(f"{API}/file=")):
            raise RequestError(404, "Not found.")
        if kind == "heartbeat":
            await self._pass_heartbeat(tail, scope, receive, send)
        elif method != "POST":
            await self.app(scope, receive, send)
        elif path == PAGE_UPLOAD or kind == "upload":
            await self._upload(scope, receive, send)
        elif kind == "mcp":
            await self.app(scope, with_limit(receive, TOOL_BYTES), send)
        elif kind in ("queue", "call"):
            content = await read_json(receive)
            await self.app(scope, replayed(await self._checked_job(blocks, kind, tail, content), receive), send)
        else:
            content = await read_json(receive)
            if isinstance(content, dict) and "session" in content:
                self._note_session(scope, content["session"])
            await self.app(scope, replayed(content, receive), send)

    def _note_session(self, scope: Scope, session: Any) -> None:
        if not isinstance(session, str) or (session and not re.fullmatch(SESSION, session, re.ASCII)):
            raise RequestError(400, "A session's name may have at most 64 letters, digits and dashes.")
        if session:
            scope["session"] = session
            self.files.note_request(session)

    async def _pass_heartbeat(self, session: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a connection that a program holds for as long as its session lasts."""
        self.files.arrive(session)
        try:
            await self.app(scope, receive, send)
        finally:
            self.files.leave(session)

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        if disk_is_full(self.files.folder):
            raise RequestError(507, "The server's disk is full; please try again later.")
        blocks, answer = scope["app"].get_blocks(), b""

        async def send_registered(message: Message) -> None:
            nonlocal answer
            if message["type"] == "http.response.body":
                answer += message.get("body", b"")
                if not message.get("more_body"):  # register files before the session can use them
                    for path in uploaded_paths(answer):
                        self.files.hold(path, scope.get("session", ""))
                    gradio_internals.forget_uploads(blocks)
            await send(message)

        is_gradio = scope["path"].endswith(("/upload", "/upload/"))
        await self.app(scope, with_limit(receive, UPLOAD_BYTES), send_registered if is_gradio else send)

    async def _checked_job(self, blocks: Any, kind: str, name: str, content: Any) -> Any:
        """Return a job for Gradio's queue, with only those file fields that the app knows."""
        if not isinstance(content, dict):
            raise RequestError(400, "A job is a JSON object.")
        session = content.get("session_hash")
        if session is not None and not (isinstance(session, str) and re.fullmatch(SESSION, session, re.ASCII)):
            raise RequestError(400, "The session's name may have at most 64 letters, digits and dashes.")
        by_name = {fn.api_name: fn for fn in blocks.fns.values()}
        number = content.get("fn_index")
        is_number = isinstance(number, int) and not isinstance(number, bool)
        fn = by_name.get(name.removeprefix("v2/")) if kind == "call" else blocks.fns.get(number) if is_number else None
        if fn is None:
            raise RequestError(404, "There is no such endpoint; /api lists them.")
        if not name.startswith("v2/"):
            content = content | {"data": with_defaults(content.get("data"), blocks, fn)}
        if session and gradio_internals.pending_jobs(blocks, session) >= WAITING_EACH:
            raise RequestError(503, TOO_MANY_JOBS)
        gradio_internals.forget_unfetched_results(blocks)
        web = bool(blocks.mcp_server_obj)
        content = checked(content, self.files.knows, web)
        if web:
            content = await fetched(content, lambda url: fetch(url, str(self.files.folder)))
        for path in paths(content):
            self.files.hold(path, session or "")
        return content


def with_defaults(data: Any, blocks: Any, fn: Any) -> list[Any]:
    """Return an endpoint's arguments; those that are missing at the end get their defaults.

    So a program that sends lists goes on working when an endpoint gets another optional argument.

    Raises:
        RequestError: there are too many arguments, or one without a default is missing.
    """
    if not isinstance(data, list) or len(data) > len(fn.inputs):
        raise RequestError(400, WRONG_COUNT)
    if len(data) < len(fn.inputs):
        parameters = blocks.get_api_info()["named_endpoints"][f"/{fn.api_name}"]["parameters"][len(data) :]
        if not all(parameter["parameter_has_default"] for parameter in parameters):
            raise RequestError(400, WRONG_COUNT)
        data = data + [parameter["parameter_default"] for parameter in parameters]
    return data


def with_limit(receive: Receive, limit: int) -> Receive:
    """Return `receive` with a limit: it raises after more than `most` bytes."""
    byte_count = 0

    async def receive_counted() -> Message:
        nonlocal byte_count
        message = await receive()
        byte_count += len(message.get("body", b""))
        if byte_count > limit:
            raise RequestError(413, f"A request may have at most {limit / 2**20:g} MB.")
        return message

    return receive_counted


async def read_json(receive: Receive) -> Any:
    """Read a request's JSON, at most WORD_BYTES long."""
    body, more, limited = b"", True, with_limit(receive, JSON_BYTES)
    while more:
        message = await limited()
        if message["type"] == "http.disconnect":
            raise RequestError(400, "The request was incomplete.")
        body += message.get("body", b"")
        more = message.get("more_body", False)
    if sum(map(body.count, (b",", b"[", b"{"))) > JSON_VALUES:  # each may take fifty bytes of memory
        raise RequestError(413, f"A request may have at most {JSON_VALUES:,} values.")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, "The request is not JSON, or has too many levels.") from error


def replayed(content: Any, receive: Receive) -> Receive:
    """Return a `receive` that gives `content` as JSON, then the messages that follow it."""
    body: bytes | None = json.dumps(content).encode()

    async def receive_replayed() -> Message:
        nonlocal body
        if body is None:
            return await receive()
        first, body = body, None
        return {"type": "http.request", "body": first, "more_body": False}

    return receive_replayed


def uploaded_paths(answer: bytes) -> list[str]:
    """Return the paths in Gradio's response to an upload."""
    try:
        paths_sent = json.loads(answer)
    except ValueError:
        return []
    return [path for path in paths_sent if isinstance(path, str)] if isinstance(paths_sent, list) else []


def disk_is_full(folder: Path) -> bool:
    """Say whether the disk of `folder` has too little room for uploads."""
    return shutil.disk_usage(folder).free < LEAST_FREE


async def send_error(send: Send, status: int, text: str) -> None:
    """Answer with a sentence, in the fields that Gradio's clients and the page read."""
    body = json.dumps({"error": text, "detail": text, "kind": "refused"}).encode()
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
