"""The pool of threads."""

from __future__ import annotations

import logging
import threading

import pytest

from dagrun.server.serving.pool import Pool


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
