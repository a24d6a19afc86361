"""ASGI middleware in front of all of Gradio: closes addresses, bounds requests, and checks every file that is named."""

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
from dgrl.app.files import VisitorFiles
from dgrl.app.jobs import WAITING_EACH
from dgrl.app.payloads import RefusedError, checked, fetched, paths

UPLOAD_BYTES = 44 * 2**20
"""Of a request that uploads: the largest file and what is around it."""
TOOL_BYTES = 60 * 2**20
"""Of a tool's call, which may hold a picture in Base64."""
WORD_BYTES, WORD_VALUES = 2**18, 20_000
"""Of any other request: arguments are numbers, names and masks."""
LEAST_FREE = 2**29
"""Bytes of the disk below which nothing is uploaded."""
SESSION_HEADER = b"x-dgrl-session"
MANY = f"{WAITING_EACH} jobs of this session are not done yet; please wait for one of them."
WRONG_COUNT = "The list `data` has one value for each of the endpoint's arguments; /api lists them."


class RequestError(Exception):
    """A request is refused with an HTTP status and a sentence."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


class Guard:
    """The middleware. It also tells `files` which sessions are there and what they uploaded."""

    def __init__(self, app: ASGIApp, files: VisitorFiles) -> None:
        self.app, self.files = app, files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or answer it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        started = False

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._pass_on(scope, receive, noted)
        except RequestError as error:
            if not started:
                await say(send, error.status, error.text)
        except RefusedError as error:
            if not started:
                await say(send, 400, str(error))
        except Exception as error:  # the server's own report would quote what was sent
            note(error)
            if not started:
                await say(send, 400, FAILED)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"].removeprefix(scope.get("root_path", ""))
        blocks = scope["app"].get_blocks()
        if not is_open(method, path, bool(blocks.mcp_server_obj)):
            raise RequestError(404, "Not found.")
        self._see(scope, dict(scope["headers"]).get(SESSION_HEADER, b"").decode("latin1"))
        kind, _, rest = path.removeprefix(f"{API}/").rstrip("/").partition("/")
        if path.startswith(f"{API}/file=") and not self.files.knows(path.removeprefix(f"{API}/file=")):
            raise RequestError(404, "Not found.")
        if kind == "heartbeat":
            await self._hear(rest, scope, receive, send)
        elif method != "POST":
            await self.app(scope, receive, send)
        elif path == PAGE_UPLOAD or kind == "upload":
            await self._upload(scope, receive, send)
        elif kind == "mcp":
            await self.app(scope, counted(receive, TOOL_BYTES), send)
        elif kind in ("queue", "call"):
            content = await words(receive)
            await self.app(scope, again(await self._checked_job(blocks, kind, rest, content), receive), send)
        else:
            content = await words(receive)
            if isinstance(content, dict) and "session" in content:
                self._see(scope, content["session"])
            await self.app(scope, again(content, receive), send)

    def _see(self, scope: Scope, session: Any) -> None:
        if not isinstance(session, str) or (session and not re.fullmatch(SESSION, session, re.ASCII)):
            raise RequestError(400, "A session's name may have 64 letters, digits and dashes.")
        if session:
            scope["session"] = session
            self.files.seen(session)

    async def _hear(self, session: str, scope: Scope, receive: Receive, send: Send) -> None:
        """A program holds this connection as long as it is there."""
        self.files.arrive(session)
        try:
            await self.app(scope, receive, send)
        finally:
            self.files.leave(session)

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        if disk_is_full(self.files.folder):
            raise RequestError(507, "The server's disk is full; please try again later.")
        blocks, answer = scope["app"].get_blocks(), b""

        async def registered(message: Message) -> None:
            nonlocal answer
            if message["type"] == "http.response.body":
                answer += message.get("body", b"")
                if not message.get("more_body"):  # before the session can use what it uploaded
                    for path in uploaded_paths(answer):
                        self.files.hold(path, scope.get("session", ""))
                    gradio_internals.forget_uploads(blocks)
            await send(message)

        is_gradio = scope["path"].endswith(("/upload", "/upload/"))
        await self.app(scope, counted(receive, UPLOAD_BYTES), registered if is_gradio else send)

    async def _checked_job(self, blocks: Any, kind: str, name: str, content: Any) -> Any:
        """Return a job for Gradio's queue with nothing of its files but what the app knows."""
        if not isinstance(content, dict):
            raise RequestError(400, "A job is a JSON object.")
        session = content.get("session_hash")
        if session is not None and not (isinstance(session, str) and re.fullmatch(SESSION, session, re.ASCII)):
            raise RequestError(400, "The session's name may have 64 letters, digits and dashes.")
        by_name = {fn.api_name: fn for fn in blocks.fns.values()}
        number = content.get("fn_index")
        is_number = isinstance(number, int) and not isinstance(number, bool)
        fn = by_name.get(name.removeprefix("v2/")) if kind == "call" else blocks.fns.get(number) if is_number else None
        if fn is None:
            raise RequestError(404, "There is no such endpoint; /api lists them.")
        data = content.get("data")
        if not name.startswith("v2/") and not (isinstance(data, list) and len(data) == len(fn.inputs)):
            raise RequestError(400, WRONG_COUNT)
        if session and gradio_internals.unanswered(blocks, session) >= WAITING_EACH:
            raise RequestError(503, MANY)
        gradio_internals.forget_unfetched(blocks)
        web = bool(blocks.mcp_server_obj)
        content = checked(content, self.files.knows, web)
        if web:
            content = await fetched(content, lambda url: fetch(url, str(self.files.folder)))
        for path in paths(content):
            self.files.hold(path, session or "")
        return content


def counted(receive: Receive, most: int) -> Receive:
    """Return `receive`, which raises when there are more bytes than `most`."""
    came = 0

    async def count() -> Message:
        nonlocal came
        message = await receive()
        came += len(message.get("body", b""))
        if came > most:
            raise RequestError(413, f"A request may have {most / 2**20:g} MB and no more.")
        return message

    return count


async def words(receive: Receive) -> Any:
    """Read a bounded request in JSON."""
    body, more, limited = b"", True, counted(receive, WORD_BYTES)
    while more:
        message = await limited()
        if message["type"] == "http.disconnect":
            raise RequestError(400, "The request was not whole.")
        body += message.get("body", b"")
        more = message.get("more_body", False)
    if sum(map(body.count, (b",", b"[", b"{"))) > WORD_VALUES:  # each may take fifty bytes of memory
        raise RequestError(413, f"A request may have {WORD_VALUES:,} values and no more.")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, "The request is no JSON, or has too many levels.") from error


def again(content: Any, receive: Receive) -> Receive:
    """Return a `receive` that gives `content` as JSON, then what follows it."""
    body: bytes | None = json.dumps(content).encode()

    async def give() -> Message:
        nonlocal body
        if body is None:
            return await receive()
        given, body = body, None
        return {"type": "http.request", "body": given, "more_body": False}

    return give


def uploaded_paths(answer: bytes) -> list[str]:
    """Return the paths in the answer to an upload."""
    try:
        found = json.loads(answer)
    except ValueError:
        return []
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def disk_is_full(folder: Path) -> bool:
    """Whether the disk of `folder` has too little room for uploads."""
    return shutil.disk_usage(folder).free < LEAST_FREE


async def say(send: Send, status: int, text: str) -> None:
    """Answer with a sentence, under the names that Gradio's clients and the page expect."""
    body = json.dumps({"error": text, "detail": text, "kind": "refused"}).encode()
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
