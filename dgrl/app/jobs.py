"""Run the page's jobs in threads: a few at once, a limited number waiting, none for closed connections."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextvars import Context, copy_context
from typing import Any, TypeVar

import gradio as gr
from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from gradio.context import LocalContext

from dgrl.app.asgi import Receive, Scope, Send
from dgrl.app.files import CURRENT_SESSION
from dgrl.app.refusals import BUSY, Refused

LANES = {"pass": 2, "explain": 1, "survey": 1, "file": 2}
"""How many jobs of each kind run at once."""
WAITING_EACH, WAITING = 8, 256
"""Jobs of one session, and of all sessions, that run or wait."""
CHECK_SECONDS = 0.2
"""How often a waiting job checks whether its connection is still open."""
Result = TypeVar("Result")


class DisconnectedError(Exception):
    """The requesting connection has closed, so there is no one to answer."""


class Jobs:
    """Runs jobs in the order of their arrival."""

    def __init__(self) -> None:
        self._turns = {lane: asyncio.Semaphore(count) for lane, count in LANES.items()}
        self._jobs_by_session: Counter[str] = Counter()

    async def turn(self, request: Request, lane: str) -> "Turn":
        """Wait for a job's turn. The caller has to end it.

        Raises:
            Refused: the session, or all sessions together, have too many jobs.
            DisconnectedError: the connection closed while the job waited.
        """
        session = session_of(request)
        if self._jobs_by_session[session] >= WAITING_EACH:
            sentence = f"{WAITING_EACH} of your requests are not answered yet; please wait for one of them."
            raise Refused(sentence, "Too many requests", BUSY, 429)
        if self._jobs_by_session.total() >= WAITING:
            raise Refused("The server is busy; please try again in a moment.", "Busy", BUSY, 503)
        self._jobs_by_session[session] += 1
        acquiring = asyncio.ensure_future(self._turns[lane].acquire())
        try:
            while not acquiring.done():
                await asyncio.wait({acquiring}, timeout=CHECK_SECONDS)
                if await request.is_disconnected():
                    raise DisconnectedError
        except BaseException:
            if not acquiring.cancel() and not acquiring.cancelled():
                self._turns[lane].release()
            self._count_down(session)
            raise
        return Turn(self, request, lane, session)

    async def run(self, request: Request, lane: str, work: Callable[[], Result]) -> Result:
        """Run `work` in a thread when its turn comes; raise as `turn` does."""
        turn = await self.turn(request, lane)
        try:
            return await turn.run(work)
        finally:
            turn.end()

    async def stream(self, request: Request, lane: str, pieces: Iterator[bytes], media_type: str) -> StreamingResponse:
        """Answer with the items of `pieces` as they come; errors before the first item are raised here."""
        turn = await self.turn(request, lane)
        try:
            first = await turn.run(lambda: next(pieces, None))
        except BaseException:
            turn.end()
            raise
        return JobResponse(turn, first, pieces, media_type)

    def _count_down(self, session: str) -> None:
        self._jobs_by_session[session] -= 1
        if not self._jobs_by_session[session]:
            del self._jobs_by_session[session]


class Turn:
    """One job's permission to run."""

    def __init__(self, jobs: Jobs, request: Request, lane: str, session: str) -> None:
        self._jobs, self._request, self._lane, self._session = jobs, request, lane, session
        self._ended = False
        self._context = self._serving()

    async def run(self, work: Callable[[], Result]) -> Result:
        """Run `work` in a thread, for the requesting session.

        Raises:
            DisconnectedError: the connection has closed.
        """
        if await self._request.is_disconnected():
            raise DisconnectedError
        return await run_in_threadpool(self._context.run, work)

    def end(self) -> None:
        """Let the next job run."""
        if not self._ended:
            self._ended = True
            self._jobs._turns[self._lane].release()
            self._jobs._count_down(self._session)

    def _serving(self) -> Context:
        """Return the job's context: the session whose files it writes and whose GPU seconds ZeroGPU counts."""
        context = copy_context()
        context.run(CURRENT_SESSION.set, self._session)
        context.run(LocalContext.request.set, gr.Request(self._request))
        return context


class JobResponse(StreamingResponse):
    """A response that is sent while it is computed. The job also ends if the client stops reading early."""

    def __init__(self, turn: Turn, first: bytes | None, pieces: Iterator[bytes], media_type: str) -> None:
        self._turn, self._pieces = turn, pieces

        async def body() -> Any:
            piece = first
            try:
                while piece is not None:
                    yield piece
                    piece = await turn.run(lambda: next(pieces, None))
            except DisconnectedError:
                return

        super().__init__(body(), media_type=media_type, headers={"Cache-Control": "no-store"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._turn.end()
            if hasattr(self._pieces, "close"):
                await run_in_threadpool(self._pieces.close)


def session_of(request: Request) -> str:
    """Return the session of a request, as the guard noted it; "" if it has no name."""
    return str(request.scope.get("session", ""))
