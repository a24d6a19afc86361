"""What a visitor may cost the server: which addresses there are, bytes of a request, connections, room on the disk."""

import asyncio
import json
import re
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from gradio.utils import get_upload_folder

from dgrl.app import files, gradio_internals
from dgrl.app.doors import API, SESSION, is_open
from dgrl.app.failures import FAILED, note

UPLOAD_BYTES = 44 * 2**20  # of a request: the largest upload and what is around it
TOOL_BYTES = 60 * 2**20  # of a tool's call, which may hold a picture in letters
WORD_BYTES, WORD_VALUES = 2**18, 20_000  # of any other: arguments are numbers and names
LEAST_FREE = 2**29  # bytes of the disk
CONNECTIONS, CONNECTIONS_EACH = 900, 300
"""At once, in all (a process may have 1,024 files open) and from one address, which a proxy may give to many."""
CALLS, CALLS_EACH = 24, 8
"""At once, in all and from one address, of what does not stand in the app's queue; more wait their turn."""
DIRECT = {"run": 0, "mcp": TOOL_BYTES}
"""What does not stand in the queue, and the bytes of its requests; 0 for words."""
BUSY = "The server has as much to do as it can; please try again in a moment."
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class RequestError(Exception):
    """A request is refused with an HTTP status and a sentence."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


class Limits:
    """ASGI middleware around Gradio's server: it ends what is too large or too much, and opens no door but the app's.

    It also tells `dgrl.app.files` what was uploaded, and who is there: a page holds its heartbeat's connection.
    """

    def __init__(self, app: Callable[[Message, Receive, Send], Awaitable[None]]) -> None:
        self.app = app
        self._open: Counter[str] = Counter()  # connections by address
        self._calls = asyncio.Semaphore(CALLS)
        self._calls_of: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass one request on, or answer it."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started = False

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        address = (scope.get("client") or ("",))[0]
        self._open[address] += 1
        try:
            if self._open[address] > CONNECTIONS_EACH or self._open.total() > CONNECTIONS:
                raise RequestError(503, BUSY)
            await self._pass_on(scope, address, receive, noted)
        except RequestError as error:
            if not started:
                await _say(send, error.status, error.text)
        except Exception as error:  # of whatever kind: the server's own report would quote what was sent
            note(error)
            if not started:
                await _say(send, 400, FAILED)
        finally:
            _less(self._open, address)

    async def _pass_on(self, scope: Message, address: str, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"].removeprefix(scope.get("root_path", ""))
        app = scope["app"].get_blocks()
        if not is_open(method, path, bool(app.mcp_server_obj)):
            raise RequestError(404, "Not found.")
        kind, _, rest = path.removeprefix(f"{API}/").rstrip("/").partition("/")
        if path.startswith(f"{API}/file="):
            if not files.visitor_files().knows(path.removeprefix(f"{API}/file=")):
                raise RequestError(404, "Not found.")
            await self.app(scope, receive, send)
        elif kind == "heartbeat":
            files.visitor_files().arrive(rest)
            try:
                await self.app(scope, receive, send)
            finally:
                files.visitor_files().leave(rest)
        elif method != "POST":
            await self.app(scope, receive, send)
        elif kind == "upload":
            await self._upload(scope, receive, send)
        elif kind in DIRECT:
            # Before the body is read: those who wait cost no memory.
            async with self._calls_of.setdefault(address, asyncio.Semaphore(CALLS_EACH)), self._calls:
                most = DIRECT[kind]
                await self.app(scope, counted(receive, most) if most else await words(receive), send)
        else:
            await self.app(scope, await words(receive), send)

    async def _upload(self, scope: Message, receive: Receive, send: Send) -> None:
        if _disk_is_full():
            raise RequestError(507, "The server's disk is full; please try again later.")
        app = scope["app"].get_blocks()

        async def registered(message: Message) -> None:
            if message["type"] == "http.response.start":  # before the visitor can use what was uploaded
                files.took(gradio_internals.uploaded(app))
            await send(message)

        await self.app(scope, counted(receive, UPLOAD_BYTES), registered)


def counted(receive: Receive, most: int) -> Receive:
    """`receive`, until there are more bytes than there may be."""
    came = 0

    async def count() -> Message:
        nonlocal came
        message = await receive()
        came += len(message.get("body", b""))
        if came > most:
            raise RequestError(413, f"A request may have {most / 2**20:g} MB and no more.")
        return message

    return count


async def words(receive: Receive) -> Receive:
    """A request in JSON, read whole, bounded, and with a session of an ordinary name; it can then be received again."""
    body, more, limited = b"", True, counted(receive, WORD_BYTES)
    while more:
        message = await limited()
        if message["type"] == "http.disconnect":
            raise RequestError(400, "The request was not whole.")
        body += message.get("body", b"")
        more = message.get("more_body", False)
    if sum(map(body.count, (b",", b"[", b"{"))) > WORD_VALUES:  # a letter of them may take fifty bytes of memory
        raise RequestError(413, f"A request may have {WORD_VALUES:,} values and no more.")
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, "The request is no JSON, or has too many levels.") from error
    session = content.get("session_hash") if isinstance(content, dict) else None
    if session is not None and not (isinstance(session, str) and re.fullmatch(SESSION, session, re.ASCII)):
        raise RequestError(400, "The session's name may have 64 letters, digits and dashes.")
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _less(counts: Counter[str], key: str) -> None:
    counts[key] -= 1
    if counts[key] <= 0:
        del counts[key]


def _disk_is_full() -> bool:
    folder = Path(get_upload_folder()).absolute()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(there).free < LEAST_FREE


async def _say(send: Send, status: int, text: str) -> None:
    # As Gradio's clients expect what went wrong.
    body = json.dumps({"error": text, "detail": text}).encode()
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
