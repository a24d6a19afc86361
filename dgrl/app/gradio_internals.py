"""Internals of Gradio that the app reads and replaces, written against the version below.

| internal | why it is used or replaced |
|---|---|
| `Blocks.launch(_app=…)` | `gradio.Server.launch` uses it too, but cannot limit its queue |
| `Queue.pending_event_ids_session` | the jobs of a session, because Gradio never deletes results that are not fetched |
| `Blocks.upload_file_set`, `Blocks.temp_file_sets` | lists that would grow for ever; `dgrl.app.files` has its own |
| `GradioMCPServer.postprocess_output_data` | several results: it sends no files, and numbers in Python's notation |

`tests/app/test_gradio_internals.py` fails when Gradio changes one of them, and `pyproject.toml` bounds its version.
"""

import json
from typing import Any

import gradio as gr
from gradio import processing_utils
from gradio.mcp import GradioMCPServer

from dgrl.app.payloads import MARK

WRITTEN_AGAINST = "6.31.0"
MOST_UNFETCHED = 1024
"""How many results, of all sessions, may wait to be fetched."""


def pending_jobs(blocks: gr.Blocks, session: str) -> int:
    """Count a session's jobs that run or wait."""
    queue = blocks._queue
    return sum(event in queue.event_ids_to_events for event in queue.pending_event_ids_session.get(session, ()))


def forget_unfetched_results(blocks: gr.Blocks) -> None:
    """Forget unfetched results, those of the oldest sessions first, until at most UNFETCHED are left."""
    queue = blocks._queue
    unfetched = queue.pending_event_ids_session
    for session in [session for session, events in unfetched.items() if not events]:
        del unfetched[session]
    excess = sum(map(len, unfetched.values())) - MOST_UNFETCHED
    for session in list(unfetched):
        if excess <= 0:
            return
        if not any(event in queue.event_ids_to_events for event in unfetched[session]):  # else a job runs or waits
            excess -= len(unfetched.pop(session))
            queue.pending_messages_per_session.pop(session, None)


def forget_uploads(blocks: gr.Blocks) -> None:
    """Empty Gradio's lists of uploaded files."""
    for file_set in (blocks.upload_file_set, *blocks.temp_file_sets):
        file_set.clear()


_postprocess = GradioMCPServer.postprocess_output_data


def tool_results(server: GradioMCPServer, data: Any, root_url: str) -> list[Any]:
    """Return a tool's results, one after the other: files as Gradio gives them, everything else as JSON."""
    if len(data) == 1 and isinstance(data[0], tuple):  # Gradio's queue returns several results as one tuple
        data = list(data[0])
    data = processing_utils.add_root_url(data, root_url, None)

    def as_text(result: Any) -> Any:
        is_file = isinstance(result, dict) and result.get("meta") == MARK
        return result if is_file or isinstance(result, str) else json.dumps(result, ensure_ascii=False)

    return _postprocess(server, [as_text(result) for result in data], root_url)


def launch(blocks: gr.Blocks, server: gr.Server, **settings: Any) -> Any:
    """Launch `blocks`, whose queue has been set up, on `server`; return what `Blocks.launch` returns."""
    GradioMCPServer.postprocess_output_data = tool_results  # type: ignore[assignment, method-assign]
    return blocks.launch(_app=server, **settings)
