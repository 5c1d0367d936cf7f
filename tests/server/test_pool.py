"""The pool of threads."""

from __future__ import annotations

import logging
import threading

import pytest

from dagrun.server.serving import pool as pool_module
from dagrun.server.serving.pool import Pool
from dagrun.server.serving.receiving import Sending


def test_tasks_run_with_their_arguments_on_named_threads() -> None:
    pool, seen = Pool(2, "work"), []
    done = threading.Barrier(3)

    def task(number: int, *, word: str) -> None:
        seen.append((number, word, threading.current_thread().name[:5]))
        done.wait(10)

    for number in range(2):
        pool.submit(task, number, word="a")
    done.wait(10)
    pool.shutdown()
    assert sorted(seen) == [(0, "a", "work-"), (1, "a", "work-")]


def test_waiting_counts_what_no_thread_has_taken() -> None:
    pool = Pool(1, "work")
    started, release = threading.Event(), threading.Event()

    def block() -> None:
        started.set()
        release.wait(10)

    pool.submit(block)
    assert started.wait(10)
    for _ in range(3):
        pool.submit(block)
    assert pool.waiting == 3
    release.set()
    pool.shutdown()
    assert pool.waiting == 0


def test_a_failing_task_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    pool, after = Pool(1, "work"), threading.Event()

    def fail() -> None:
        raise SystemExit("no")

    with caplog.at_level(logging.ERROR):
        pool.submit(fail)
        pool.submit(after.set)
        assert after.wait(10)
    pool.shutdown()
    assert "a task failed" in caplog.text


def test_what_was_queued_is_done_before_the_end() -> None:
    pool, seen = Pool(1, "work"), []
    for number in range(100):
        pool.submit(seen.append, number)
    pool.shutdown(wait=True)
    assert seen == list(range(100))


def test_the_future_counts_but_does_not_wait() -> None:
    pool, called = Pool(1, "work"), []
    pool.submit(threading.Event().is_set).add_done_callback(called.append)
    assert len(called) == 1
    pool.shutdown()


def test_what_waits_is_done_together_and_then_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "_ENOUGH", 10**12)
    pool, seen = Pool(1, "work", together=3), []
    release = threading.Event()
    pool.submit(release.wait, 10)

    def call(number: int) -> Sending:
        seen.append(f"done {number}")
        return Sending(seen.append, f"sent {number}")

    for number in range(4):
        pool.submit(call, number)
    pool.submit(seen.append, "no call")
    release.set()
    pool.shutdown()
    assert seen == [
        *("done 0", "done 1", "sent 0", "sent 1"),
        *("done 2", "done 3", "no call", "sent 2", "sent 3"),
    ]


def test_long_calls_are_answered_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "_ENOUGH", 0)
    pool, seen = Pool(1, "work", together=3), []
    for number in range(3):
        pool.submit(Sending, seen.append, number)
        pool.submit(seen.append, "next")
    pool.shutdown()
    assert seen == [0, "next", 1, "next", 2, "next"]


def test_an_answer_that_cannot_be_sent_holds_up_no_other(caplog: pytest.LogCaptureFixture) -> None:
    pool, seen, release = Pool(1, "work", together=3), [], threading.Event()
    pool.submit(release.wait, 10)
    with caplog.at_level(logging.ERROR):
        pool.submit(Sending, [].pop)
        pool.submit(Sending, seen.append, 1)
        release.set()
        pool.shutdown()
    assert seen == [1]
    assert "an answer was not sent" in caplog.text


@pytest.mark.parametrize("together", [1, 2, 7])
def test_every_answer_is_sent_once(together: int) -> None:
    pool, sent = Pool(4, "work", together=together), []

    def submit(first: int) -> None:
        for number in range(first, first + 500):
            pool.submit(Sending, sent.append, number)

    callers = [threading.Thread(target=submit, args=(500 * place,)) for place in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    pool.shutdown()
    assert sorted(sent) == list(range(2000))
