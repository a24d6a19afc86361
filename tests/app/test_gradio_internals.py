"""Fail when Gradio changes internals that the app uses; then `gradio_internals.py` has to be reviewed."""

import hashlib
import importlib.metadata
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from gradio import queueing, route_utils, routes
from gradio.events import api
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from dgrl.app import gradio_internals
from dgrl.app.gradio_internals import WRITTEN_AGAINST, forget_unfetched_results, pending_jobs
from dgrl.app.jobs import WAITING
from tests.app.conftest import Served

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = importlib.metadata.version("gradio")
SOURCES: dict[str, tuple[Callable[..., Any] | type, str]] = {
    "Server.launch": (gr.Server.launch, "0dfdfe570e32c3f1"),
    "Queue.push": (queueing.Queue.push, "c7b4091f41b8f075"),
    "Queue.clean_events": (queueing.Queue.clean_events, "ee8f9ecc82409acb"),
    "create_app": (routes.App.create_app, "24a2d31a4bdacb3c"),
    "upload_fn": (route_utils.upload_fn, "986d84f98151c724"),
    "postprocess_output_data": (gradio_internals._postprocess, "210203ddf31395da"),
    "api": (api, "b5dc969579a0493e"),
    "Server.__init__": (gr.Server.__init__, "6a89cdd0b1cb1bdf"),
    "preprocess_data": (gr.Blocks.preprocess_data, "6848b88bd303f76f"),
}
"""The internals that are replaced, read, or relied on, and the hash of the reviewed source."""


@pytest.mark.skipif(INSTALLED != WRITTEN_AGAINST, reason=f"written against {WRITTEN_AGAINST}, not {INSTALLED}")
@pytest.mark.parametrize("name", SOURCES)
def test_gradio_has_not_changed_this_source(name: str) -> None:
    source, known = SOURCES[name]
    result = hashlib.sha256(inspect.getsource(source).encode()).hexdigest()[:16]
    assert result == known, f"review {name} again, then write {result} here"


def test_the_installed_gradio_is_not_newer_than_the_reviewed_one() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (bound,) = map(SpecifierSet, re.findall(r'"gradio(?:\[mcp\])?([<>=.,\d]+)"', project))
    read = Version(WRITTEN_AGAINST)
    assert WRITTEN_AGAINST in bound
    assert f"{read.major}.{read.minor + 1}.0" not in bound
    assert f"{read.major + 1}.0.0" not in bound


def test_the_running_app_has_limits(served: Served) -> None:
    blocks = served.app.get_blocks()
    assert blocks._queue.max_size == WAITING
    assert not blocks.api_open
    assert not blocks.enable_monitoring
    assert not blocks.run_history
    assert not blocks.analytics_enabled
    assert blocks.max_file_size == 40 * 2**20


def test_a_session_s_jobs_are_those_that_run_or_wait() -> None:
    queue = SimpleNamespace(pending_event_ids_session={"ann": {"a", "b", "c"}}, event_ids_to_events={"a": 1, "c": 1})
    blocks: Any = SimpleNamespace(_queue=queue)
    assert (pending_jobs(blocks, "ann"), pending_jobs(blocks, "bob")) == (2, 0)


def test_unfetched_results_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradio_internals, "MOST_UNFETCHED", 10)
    queue = SimpleNamespace(
        pending_event_ids_session={"flood": set(map(str, range(50))), "ann": {"a"}, "bob": set(), "eve": {"e"}},
        pending_messages_per_session={"flood": [], "ann": []},
        event_ids_to_events={"a": 1},
    )
    forget_unfetched_results(SimpleNamespace(_queue=queue))  # type: ignore[arg-type]
    assert queue.pending_event_ids_session == {"ann": {"a"}, "eve": {"e"}}
    assert list(queue.pending_messages_per_session) == ["ann"]


def test_only_one_file_uses_gradio_s_internals() -> None:
    """No other file of the app uses Gradio's private names."""
    private = re.compile(r"\b(app|block|blocks|queue|request|server)\._[a-z]|_queue\b|temp_file|upload_file_set|_app=")
    for path in (ROOT / "dgrl" / "app").glob("*.py"):
        if path.name != "gradio_internals.py":
            result = [line for line in path.read_text(encoding="utf-8").splitlines() if private.search(line)]
            assert result == [], path.name
