"""Visitors take turns: whoever asks for much keeps nobody else waiting, and cannot fill the server's memory."""

import time
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from dgrl.app import gradio_internals
from dgrl.app.gradio_internals import GIVEN_WAY, RUNNING_EACH, WAITING, FairQueue
from tests.app.asking import ask, file, upload
from tests.app.conftest import Served


def queue_of(limit: int | None = None) -> tuple[FairQueue, Any]:
    """A queue that has not been started, and the line of its one function."""
    blocks = SimpleNamespace(fns={}, app=None)
    queue = FairQueue(True, 40, 1.0, 6, blocks, default_concurrency_limit=None)
    fn: Any = SimpleNamespace(concurrency_id="line", concurrency_limit=limit, batch=False)
    queue.create_event_queue_for_fn(fn)
    queue.active_jobs = [None] * 40
    return queue, fn


def job(queue: FairQueue, fn: Any, session: str, address: str = "here") -> Any:
    request = SimpleNamespace(client=SimpleNamespace(host=address))
    event = gradio_internals.Event(session, fn, request, None)  # type: ignore[arg-type]
    queue.event_queue_per_concurrency_id["line"].queue.append(event)
    return event


def served_order(queue: FairQueue) -> list[str]:
    order = []
    while (found := queue.get_events()) is not None:
        order.append(found[0][0].session_hash)
    return order


def test_sessions_take_turns_and_each_keeps_its_order() -> None:
    queue, fn = queue_of()
    jobs = [job(queue, fn, name) for name in ("ann", "ann", "ann", "ann", "bob", "bob", "eve")]
    assert served_order(queue) == ["ann", "bob", "eve", "ann", "bob", "ann", "ann"]
    assert len({event._id for event in jobs}) == 7


def test_many_sessions_of_one_address_are_one_client() -> None:
    queue, fn = queue_of()
    for number in range(6):
        job(queue, fn, f"flood{number}", "there")
    job(queue, fn, "ann", "here")
    job(queue, fn, "ann", "here")
    assert served_order(queue)[:4] == ["flood0", "ann", "flood1", "ann"]


def test_nobody_holds_all_threads() -> None:
    queue, fn = queue_of()
    flood = [job(queue, fn, "flood") for _ in range(20)]
    ann = job(queue, fn, "ann")
    for place in range(40):
        found = queue.get_events()
        if found is None:
            break
        queue.active_jobs[place] = found[0]
    running = [event for jobs in queue.active_jobs if jobs for event in jobs]
    assert ann in running
    assert sum(event in running for event in flood) == RUNNING_EACH


def test_in_a_full_queue_the_largest_gives_way() -> None:
    queue, fn = queue_of()
    flood = [job(queue, fn, "flood") for _ in range(5)]
    bob = job(queue, fn, "bob")
    said: list[Any] = []
    queue.send_message = lambda event, message: said.append((event, message))  # type: ignore[method-assign]
    queue._make_room("ann", "here")
    waiting = queue.event_queue_per_concurrency_id["line"].queue
    assert waiting == [*flood[:4], bob]
    ((event, message),) = said
    assert event is flood[4]
    assert message.output["error"] == GIVEN_WAY
    assert not message.success
    queue._make_room("flood", "here")  # not for the largest itself
    assert waiting == [*flood[:4], bob]
    queue._make_room("flood", "elsewhere")  # another address is another client, whatever it calls itself
    assert waiting == [*flood[:3], bob]


def test_answers_that_nobody_fetches_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradio_internals, "UNFETCHED", 10)
    queue, _ = queue_of()
    queue.pending_event_ids_session = {"flood": set(map(str, range(50))), "ann": {"a"}, "bob": set()}
    queue.pending_messages_per_session["flood"] = SimpleNamespace()  # type: ignore[assignment]
    queue._forget_unfetched()
    assert queue.pending_event_ids_session == {"ann": {"a"}}
    assert "flood" not in queue.pending_messages_per_session


def test_256_jobs_of_one_client_keep_no_other_waiting(
    served: Served, http: httpx.Client, photo_files: dict[str, Path]
) -> None:
    photos = upload(http, photo_files["wide"].read_bytes(), photo_files["high"].read_bytes()).json()
    number = next(number for number, fn in served.app.fns.items() if fn.api_name == "detect")
    queue, free = served.app._queue, Event()
    hook = served.network.rln.register_forward_pre_hook(lambda *_: free.wait(60) and None)

    def join(session: str, steps: int) -> int:
        data = [file(photos[steps % 2]), "tiny", steps % 4, False]
        body = {"fn_index": number, "data": data, "session_hash": session}
        return http.post("queue/join", json=body).status_code

    try:
        statuses = [join("flood", job) for job in range(WAITING + 20)]
        assert statuses.count(200) >= WAITING
        assert 503 in statuses
        assert len(queue) == WAITING
        start = time.monotonic()
        free.set()
        answer = ask(http, number, [file(photos[0]), "tiny", 2, False], session="ann")
        assert answer["success"], answer
        assert len(queue) > WAITING // 2, f"most were served before, in {time.monotonic() - start:.1f} s"
    finally:
        free.set()
        hook.remove()
        with http.stream("GET", "queue/data", params={"session_hash": "flood"}):
            pass  # whoever goes away frees their places
        deadline = time.monotonic() + 60
        while len(queue) and time.monotonic() < deadline:
            time.sleep(0.1)
    assert len(queue) == 0
