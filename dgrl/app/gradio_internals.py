"""What the app reads and replaces of Gradio's insides, written against the version below.

| what | why |
|---|---|
| `Blocks.launch(_app=…)` | as `gradio.Server.launch` does, which cannot bound its queue |
| `Queue.pending_event_ids_session` | which jobs are a session's; Gradio never forgets an answer that nobody fetches |
| `Blocks.upload_file_set`, `Blocks.temp_file_sets` | lists of files that would only grow: `dgrl.app.files` knows them |
| `GradioMCPServer.postprocess_output_data` | it gives tools no file of several results, and Python's numbers |

`tests/app/test_gradio_internals.py` fails when Gradio changes one of them, and `pyproject.toml` bounds its version.
"""

import json
from typing import Any

import gradio as gr
from gradio import processing_utils
from gradio.mcp import GradioMCPServer

from dgrl.app.payloads import MARK

WRITTEN_AGAINST = "6.31.0"
UNFETCHED = 1024
"""Answers that may wait to be fetched, of all sessions."""


def unanswered(blocks: gr.Blocks, session: str) -> int:
    """Count a session's jobs that run or wait."""
    queue = blocks._queue
    return sum(event in queue.event_ids_to_events for event in queue.pending_event_ids_session.get(session, ()))


def forget_unfetched(blocks: gr.Blocks) -> None:
    """Forget the oldest sessions' answers that nobody fetched, until few enough are left."""
    queue = blocks._queue
    unfetched = queue.pending_event_ids_session
    for session in [session for session, events in unfetched.items() if not events]:
        del unfetched[session]
    excess = sum(map(len, unfetched.values())) - UNFETCHED
    for session in list(unfetched):
        if excess <= 0:
            return
        if not any(event in queue.event_ids_to_events for event in unfetched[session]):  # else one still runs or waits
            excess -= len(unfetched.pop(session))
            queue.pending_messages_per_session.pop(session, None)


def forget_uploads(blocks: gr.Blocks) -> None:
    """Empty Gradio's lists of uploaded files."""
    for listed in (blocks.upload_file_set, *blocks.temp_file_sets):
        listed.clear()


_postprocess = GradioMCPServer.postprocess_output_data


def tool_results(server: GradioMCPServer, data: Any, root_url: str) -> list[Any]:
    """Return what a tool answers, one result after the other: files as Gradio gives them, all else as JSON."""
    if len(data) == 1 and isinstance(data[0], tuple):  # how several results come from the queue
        data = list(data[0])
    data = processing_utils.add_root_url(data, root_url, None)

    def told(result: Any) -> Any:
        is_file = isinstance(result, dict) and result.get("meta") == MARK
        return result if is_file or isinstance(result, str) else json.dumps(result, ensure_ascii=False)

    return _postprocess(server, [told(result) for result in data], root_url)


def launch(blocks: gr.Blocks, server: gr.Server, **settings: Any) -> Any:
    """Launch `blocks`, whose queue has been set up, on `server`; return what `Blocks.launch` returns."""
    GradioMCPServer.postprocess_output_data = tool_results  # type: ignore[assignment, method-assign]
    return blocks.launch(_app=server, **settings)
