"""Threads that answer requests, fed by one queue.

Guarantee: tasks start in the order they came, gRPC's calls once their message has come, and an
exception in one ends neither its thread nor another's task. Where it ends: nobody can wait for a
single task. `submit` gives back a finished future, because gRPC only counts with it and building a
real one for each request costs as much as parsing it: this pool answers a fifth more requests than
its parent class, which it derives from only because gRPC wants one where a method has a pool of
its own.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue
from time import perf_counter_ns
from typing import Any

from dagrun.server.observe.recorder import Labels
from dagrun.server.serving.receiving import Receiving, Sending, is_call, without_message

_LOGGER = logging.getLogger(__name__)
_ENOUGH = 200_000
"""Nanoseconds of work after which answers are not kept waiting for further ones."""
_Task = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], int]


class Turn(threading.local):
    """What a thread knows of the task that it does.

    Attributes:
        queued: when it was submitted, as `perf_counter_ns` gives it.
        labels: the model that it is for, once known.
        marked: its phases and what was recorded of them, while calls are traced.
    """

    queued = 0
    labels: Labels | None = None
    marked: tuple[Sequence[str], Sequence[int]] | None = None

    def mark(self, phases: Sequence[str], marks: Sequence[int]) -> None:
        """Note what was recorded."""
        self.marked = phases, marks


TURN = Turn()


class Pool(ThreadPoolExecutor):
    """A fixed number of daemon threads.

    A thread that finds further tasks waiting does some `together`, and then sends the answers of
    those that are calls: under load, four short calls are answered a sixth faster than each alone.

    Attributes:
        receiving: gRPC's calls that wait for their message.
    """

    def __init__(
        self,
        threads: int,
        name: str,
        *,
        receiving: int = 1_000,
        reads: bool = True,
        together: int = 1,
    ) -> None:
        """Make and start the threads; unless it `reads`, calls get an empty message at once."""
        super().__init__(threads)
        self._reads, self._together = reads, together
        self.receiving = Receiving(self._put, receiving)
        self._queue: SimpleQueue[_Task | None] = SimpleQueue()
        self._crew = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._crew:
            thread.start()

    @property
    def waiting(self) -> int:
        """Number of tasks that no thread has taken yet."""
        return self._queue.qsize()

    @property
    def threads(self) -> int:
        """Number of threads."""
        return len(self._crew)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Queue `fn(*args, **kwargs)`; its result is dropped, an exception is logged."""
        if not is_call(args):
            self._put(fn, *args, **kwargs)
        elif self._reads:
            self.receiving.take(fn, args)
        else:
            self._put(fn, *without_message(args))
        return _ACCEPTED

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """End the threads once everything queued so far is done."""
        for _ in self._crew:
            self._queue.put(None)
        if wait:
            for thread in self._crew:
                thread.join()

    def _put(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        self._queue.put((fn, args, kwargs, perf_counter_ns()))

    def _work(self) -> None:
        take, together = self._queue.get, self._together
        while (task := take()) is not None:
            began, results = perf_counter_ns(), [_done(task)]
            while len(results) < together and perf_counter_ns() - began < _ENOUGH:
                if (task := self._another()) is None:
                    break
                results.append(_done(task))
            for result in results:
                if isinstance(result, Sending):
                    _sent(result)
            # An idle thread must not keep its last request alive.
            task = result = None
            results.clear()

    def _another(self) -> _Task | None:
        """Return a task that waits, None if there is none."""
        if not self._queue.qsize():
            return None
        try:
            task = self._queue.get_nowait()
        except Empty:  # another thread was faster
            return None
        if task is None:
            self._queue.put(None)  # the end of a thread, for when its tasks are done
        return task


def _done(task: _Task) -> object:
    """Do a task; return its result, None when it failed."""
    fn, args, kwargs, TURN.queued = task
    TURN.labels = None
    try:
        return fn(*args, **kwargs)
    except BaseException:
        _LOGGER.exception("a task failed")
        return None


def _sent(answer: Sending) -> None:
    try:
        answer()
    except BaseException:
        _LOGGER.exception("an answer was not sent")


_ACCEPTED: Future[Any] = Future()
_ACCEPTED.set_result(None)
