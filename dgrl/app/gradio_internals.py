"""Everything of Gradio's insides that the app replaces or reads, in one place, written against the version below.

| what | why |
|---|---|
| `Blocks.process_api` of the app | the one way to every handler: checks what is sent, says who asks, has words |
| `Queue.push`, `Queue.get_events` | Gradio's queue is first come, first served, whoever asks for how much |
| `Queue`'s `pending_messages_per_session`, `pending_event_ids_session` | it keeps answers that nobody fetches |
| `Blocks`' `upload_file_set`, `temp_file_sets`, `keep_in_cache` | `dgrl.app.files` knows and deletes the files |
| `processing_utils.async_ssrf_protected_download` | it fetches pictures of any size into memory |
| `gr.HTML`'s `every` | it takes the word in our script for an event, and copied all networks for every visitor's page |
| `GradioMCPServer.postprocess_output_data` | it tells numbers as Python writes them, and of several answers no file |
| `networking.url_ok` | it ends the start if the first page, the slowest, takes three seconds: a busy machine's does |

`tests/app/test_gradio_internals.py` fails when Gradio changes one of them, and `pyproject.toml` bounds its version.
"""

import json
import random
from collections import Counter
from typing import Any

import gradio as gr
from gradio import networking, processing_utils
from gradio.mcp import GradioMCPServer
from gradio.queueing import Event, EventQueue, Queue
from gradio.server_messages import ProcessCompletedMessage

from dgrl.app import fetching
from dgrl.app.failures import FAULT, OF_ARGUMENTS, WRONG_KIND, note
from dgrl.app.files import VISITOR, visitor_files
from dgrl.app.payloads import MARK, RefusedError, checked, paths

WRITTEN_AGAINST = "6.31.0"
WAITING = 256
"""Jobs in the queue, of all visitors."""
RUNNING_EACH, RUNNING_FROM_ADDRESS = 8, 24
"""Jobs at once of one visitor, and from one address; Gradio has threads for 40."""
SESSIONS = 256
"""Visitors whose page Gradio remembers, and whose answers may wait."""
UNFETCHED = 1024
"""Answers that may wait, of all visitors."""
PATIENCE = 20
"""How often the first page may take longer than Gradio waits."""
GIVEN_WAY = "The queue is full, and others have waited for their first answer: please ask again."


def harden(app: gr.Blocks) -> None:
    """Put `app`, whose queue has been made, behind all of it."""
    _guard(app)
    queue = app._queue
    queue.__class__ = FairQueue
    queue.pending_messages_per_session.max_size = SESSIONS
    for block in app.blocks.values():
        if isinstance(block, gr.HTML):
            block.every = None  # type: ignore[attr-defined]
        for path in getattr(block, "keep_in_cache", ()):
            visitor_files().hold(path, None)
    processing_utils.async_ssrf_protected_download = fetching.fetch
    networking.url_ok = answers  # type: ignore[assignment]
    GradioMCPServer.postprocess_output_data = told_to_tools  # type: ignore[assignment, method-assign]


_answers_at_once = networking.url_ok


def answers(address: str) -> bool:
    """Whether the server gives its page, be it late."""
    return any(_answers_at_once(address) for _ in range(PATIENCE))


_told_by_gradio = GradioMCPServer.postprocess_output_data


def told_to_tools(server: GradioMCPServer, data: Any, root_url: str) -> list[Any]:
    """What a tool answers, one after the other: files as Gradio tells them, all else as JSON."""
    if len(data) == 1 and isinstance(data[0], tuple):  # so Gradio has several answers from its queue
        data = list(data[0])
    data = processing_utils.add_root_url(data, root_url, None)

    def told(piece: Any) -> Any:
        is_file = isinstance(piece, dict) and piece.get("meta") == MARK
        return piece if is_file or isinstance(piece, str) else json.dumps(piece, ensure_ascii=False)

    return _told_by_gradio(server, [told(piece) for piece in data], root_url)


def uploaded(app: gr.Blocks) -> list[str]:
    """The files that came since the last call. Gradio's own lists are emptied: they would only grow."""
    paths = list(app.upload_file_set)
    for listed in app.temp_file_sets:
        listed.clear()
    return paths


def _guard(app: gr.Blocks) -> None:
    process, files = app.process_api, visitor_files()

    # Of the app, not of its components: Gradio builds those anew when an event alters them.
    async def guarded(block_fn: Any, inputs: list[Any], state: Any = None, *more: Any, **settings: Any) -> Any:
        visitor = settings.get("session_hash") or ""
        asking = VISITOR.set(visitor)
        try:
            inputs = checked(inputs, files.knows, web=bool(app.mcp_server_obj))
            for path in paths(inputs):
                files.hold(path, visitor)
            output = await process(block_fn, inputs, state, *more, **settings)
        except gr.Error as error:
            error.print_exception = False  # it may quote the visitor
            raise
        except RefusedError as error:
            raise gr.Error(str(error), title="This file cannot be used", print_exception=False) from error
        except OF_ARGUMENTS as error:
            note(error)
            raise gr.Error(WRONG_KIND, title="This cannot be asked", print_exception=False) from error
        except Exception as error:  # of whatever kind: Gradio would print it, and answer with no word
            note(error)
            raise gr.Error(FAULT, title="No result", print_exception=False) from error
        finally:
            VISITOR.reset(asking)
        for path in paths(output["data"]):
            files.hold(path, visitor)
        return output

    app.process_api = guarded  # type: ignore[method-assign]


class FairQueue(Queue):
    """Gradio's queue, in which visitors take turns: first by the address they come from, then by their sessions.

    Whoever has been served longest ago is next, whatever number of jobs others wait with. In a full queue the newest
    job of whoever has most gives way to somebody with fewer.
    """

    def served(self) -> "dict[str, int]":
        """When, by the count of jobs, each address and session was last served."""
        self.__dict__.setdefault("_served", {})
        found: dict[str, int] = self.__dict__["_served"]
        return found

    async def push(self, body: Any, request: Any, username: str | None) -> Any:
        """Take a job in, or say why not."""
        self._forget_unfetched()
        if self.max_size is not None and len(self) >= self.max_size:
            self._make_room(body.session_hash or "", _address(request))
        return await super().push(body, request, username)

    def get_events(self) -> tuple[list[Event], bool, str] | None:
        """The next job that may run, or None. The app has no jobs in batches."""
        running = [event for job in self.active_jobs if job is not None for event in job]
        of_session = Counter(event.session_hash for event in running)
        of_address = Counter(_address(event.request) for event in running)
        last = self.served()

        def turn(event: Event) -> tuple[int, int]:
            return last.get(_address(event.request), 0), last.get(event.session_hash, 0)

        queues = list(self.event_queue_per_concurrency_id.values())
        random.shuffle(queues)
        for queue in queues:
            if queue.concurrency_limit is not None and queue.current_concurrency >= queue.concurrency_limit:
                continue
            ready = [
                event
                for event in queue.queue
                if of_session[event.session_hash] < RUNNING_EACH
                and of_address[_address(event.request)] < RUNNING_FROM_ADDRESS
            ]
            if ready:
                event = min(ready, key=turn)  # the first of those whose turn it is
                queue.queue.remove(event)
                self._count(event)
                return [event], False, queue.concurrency_id
        return None

    def _count(self, event: Event) -> None:
        last = self.served()
        now = max(last.values(), default=0) + 1
        for name in (_address(event.request), event.session_hash):
            last.pop(name, None)
            last[name] = now
        while len(last) > 4 * SESSIONS:
            del last[next(iter(last))]

    def _make_room(self, session: str, address: str) -> None:
        """Take the newest job out of whoever has most, if whoever comes has fewer."""
        waiting: list[tuple[EventQueue, Event]] = [
            (queue, event) for queue in self.event_queue_per_concurrency_id.values() for event in queue.queue
        ]
        of_address = Counter(_address(event.request) for _, event in waiting)
        of_session = Counter((_address(event.request), event.session_hash) for _, event in waiting)
        most, count = of_address.most_common(1)[0]
        if most == address or count <= of_address[address] + 1:
            most = address  # among themselves
        own = {name: number for name, number in of_session.items() if name[0] == most}
        if not own:
            return
        largest = max(own, key=lambda name: own[name])
        if most == address and own[largest] <= of_session[address, session] + 1:
            return
        theirs = [pair for pair in waiting if (_address(pair[1].request), pair[1].session_hash) == largest]
        queue, event = max(theirs, key=lambda pair: pair[1].enqueue_time)
        queue.queue.remove(event)
        self.event_ids_to_events.pop(event._id, None)
        output = {"error": GIVEN_WAY, "title": "Queue is full", "visible": True, "duration": 10}
        self.send_message(event, ProcessCompletedMessage(output=output, title="Queue is full", success=False))

    def _forget_unfetched(self) -> None:
        """Drop the answers of whoever has most that nobody fetches, until there are few enough."""
        unfetched = self.pending_event_ids_session
        for session in [session for session, events in unfetched.items() if not events]:
            del unfetched[session]
        while sum(map(len, unfetched.values())) > UNFETCHED + len(self):
            largest = max(unfetched, key=lambda session: len(unfetched[session]))
            del unfetched[largest]
            self.pending_messages_per_session.pop(largest, None)


def _address(request: Any) -> str:
    """Where a request comes from."""
    client = getattr(request, "client", None)
    return client.host if client is not None else ""
