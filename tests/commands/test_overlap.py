import threading
import time

import pytest

from dgrl.commands.overlap import COUNT, Behind, ahead


def test_results_come_in_order_and_few_are_made_ahead():
    made = []

    def work(item):
        made.append(item)
        return item * 10

    results = ahead(work, range(20))
    for expected in range(20):
        item, future = next(results)
        assert (item, future.result()) == (expected, expected * 10)
        assert len(made) <= expected + COUNT + 1
    assert next(results, None) is None
    assert made == list(range(20))


def test_the_work_goes_on_while_a_result_is_used():
    begun = threading.Event()
    results = ahead(lambda item: begun.set() if item == 1 else None, [0, 1, 2])
    next(results)[1].result()
    assert begun.wait(10), "the second was not begun before it was asked for"


def test_an_error_belongs_to_its_item():
    (_, first), (_, second) = ahead(lambda item: 1 / item, [0, 2])
    with pytest.raises(ZeroDivisionError):
        first.result()
    assert second.result() == 0.5


def test_work_that_is_no_longer_needed_is_skipped():
    made = []
    results = ahead(made.append, range(1000))
    next(results)
    results.close()
    assert len(made) <= COUNT + 1


def test_behind_does_all_of_it_in_order():
    done = []
    with Behind() as behind:
        for item in range(30):
            behind.submit(done.append, item)
    assert done == list(range(30))


def test_behind_waits_when_too_much_is_waiting():
    gate = threading.Event()
    with Behind() as behind:
        for _ in range(COUNT + 1):
            behind.submit(gate.wait)
        threading.Timer(0.3, gate.set).start()
        start = time.monotonic()
        behind.submit(gate.wait)
        assert time.monotonic() - start > 0.2


def fail():
    raise OSError(28, "No space left on device")


def do(*works, error=None):
    with Behind() as behind:
        for work in works:
            behind.submit(work)
            time.sleep(0.001)
        if error:
            raise error


def test_an_error_behind_is_raised_soon_and_ends_the_work():
    done = []
    with pytest.raises(OSError, match="No space"):
        do(fail, *[lambda: done.append(1)] * 100)
    assert len(done) < 50
    with pytest.raises(OSError, match="No space"):
        do(fail)


def test_an_error_before_the_end_is_not_hidden_by_one_behind():
    with pytest.raises(KeyboardInterrupt):
        do(fail, error=KeyboardInterrupt())
