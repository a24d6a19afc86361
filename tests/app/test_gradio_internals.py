"""Fails when Gradio changes what the app replaces or reads of its insides: then `gradio_internals.py` is read again."""

import hashlib
import importlib.metadata
import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from gradio import networking, processing_utils, queueing, route_utils, routes
from gradio.mcp import GradioMCPServer
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from dgrl.app import fetching, gradio_internals
from dgrl.app.gradio_internals import SESSIONS, WRITTEN_AGAINST, FairQueue
from tests.app.conftest import Served

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = importlib.metadata.version("gradio")
SOURCES: dict[str, tuple[Callable[..., Any] | type, str]] = {
    "process_api": (gr.Blocks.process_api, "cb2ef4a0ec0bf45d"),
    "preprocess_data": (gr.Blocks.preprocess_data, "6848b88bd303f76f"),
    "call_process_api": (route_utils.call_process_api, "9898b033fdb75a37"),
    "Queue.push": (queueing.Queue.push, "c7b4091f41b8f075"),
    "Queue.get_events": (queueing.Queue.get_events, "c35ce0aae0346e05"),
    "Queue.send_message": (queueing.Queue.send_message, "79d70f866b099e99"),
    "Queue.start_processing": (queueing.Queue.start_processing, "d65be5a5cbed97d7"),
    "Queue.process_events": (queueing.Queue.process_events, "29a5c87974638f38"),
    "postprocess_output_data": (gradio_internals._told_by_gradio, "210203ddf31395da"),
    "url_ok": (gradio_internals._answers_at_once, "5326ae38523386b9"),
    "Event": (queueing.Event, "3f200ce6a594431f"),
    "EventQueue": (queueing.EventQueue, "ae8e305d17b4d951"),
    "upload_fn": (route_utils.upload_fn, "986d84f98151c724"),
    "create_app": (routes.App.create_app, "24a2d31a4bdacb3c"),
    "HTML.__getattr__": (gr.HTML.__getattr__, "d3736871710bed0f"),
    "get_upload_folder": (gr.utils.get_upload_folder, "ab346c44171533b3"),
    "async_move_resource_to_block_cache": (gr.blocks.Block.async_move_resource_to_block_cache, "11fddfdc876e8661"),
}
"""What is replaced, read, or relied on, and the hash of its source in the version that was read."""


@pytest.mark.skipif(INSTALLED != WRITTEN_AGAINST, reason=f"written against {WRITTEN_AGAINST}, not {INSTALLED}")
@pytest.mark.parametrize("name", SOURCES)
def test_gradio_has_not_changed_it(name: str) -> None:
    source, known = SOURCES[name]
    found = hashlib.sha256(inspect.getsource(source).encode()).hexdigest()[:16]
    assert found == known, f"read {name} again, then put {found} here"


def test_no_newer_version_than_the_one_that_was_read_is_installed() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    bounds = [SpecifierSet(found) for found in re.findall(r'"gradio(?:\[mcp\])?([<>=.,\d]+)"', project)]
    read = Version(WRITTEN_AGAINST)
    assert len(bounds) == 2
    for bound in bounds:
        assert WRITTEN_AGAINST in bound
        assert f"{read.major}.{read.minor + 1}.0" not in bound
        assert f"{read.major + 1}.0.0" not in bound


def test_everything_is_in_place_in_the_running_app(served: Served) -> None:
    app = served.app
    assert isinstance(app._queue, FairQueue)
    assert app._queue.pending_messages_per_session.max_size == SESSIONS
    assert app.state_holder.capacity == SESSIONS
    assert app.process_api.__qualname__.startswith("_guard.")
    assert not app.api_open
    assert not app.enable_monitoring
    assert app.delete_cache is None
    assert not app.run_history
    assert processing_utils.async_ssrf_protected_download is fetching.fetch
    assert GradioMCPServer.postprocess_output_data is gradio_internals.told_to_tools


def test_a_page_holds_nothing_but_its_settings(served: Served) -> None:
    """Gradio copies them for every visitor, and what hangs on them: the networks, once."""
    assert "stage" in json.dumps(served.app.config)


def test_only_one_file_knows_gradio_s_insides() -> None:
    """Its private names, and assignments to what it made, are nowhere else in the app."""
    private = re.compile(
        r"\b(app|block|blocks|queue|request|demo)\._[a-z]|gr\.\w+\.\w+ = |_queue\b|temp_file|upload_file_set"
    )
    for path in (ROOT / "dgrl" / "app").glob("*.py"):
        if path.name != "gradio_internals.py":
            found = [line for line in path.read_text(encoding="utf-8").splitlines() if private.search(line)]
            assert found == [], path.name


def test_a_page_that_comes_late_does_not_end_the_start(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    assert networking.url_ok is gradio_internals.answers
    late = iter([False, False, True])
    monkeypatch.setattr(gradio_internals, "_answers_at_once", lambda _: next(late))
    assert networking.url_ok(served.url)
    monkeypatch.setattr(gradio_internals, "_answers_at_once", lambda _: False)
    assert not networking.url_ok(served.url)
