"""Attempts in flight: those that compute hold their slots, those being stored do not.

Storing a result durably is mostly waiting for the disk, and a disk serves many at once: one commit
of its journal does for all. So an attempt gives its slot back when its outputs are made, and the
next one starts while its entry is written. Guarantee: each attempt is told once when it is done
computing and once when it is over, and an interrupt loses neither. The limit: an attempt in another
process, or an effect, computes until it is over.
"""

from __future__ import annotations

import contextlib
from collections import deque
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any

from dagrun.engine.dispatching.attempts import Attempt
from dagrun.engine.dispatching.interrupts import look
from dagrun.engine.executors.named import PUBLISHING


class InFlight:
    """The attempts of one run: started and taken out by one thread, computed by any."""

    def __init__(self, slots: int) -> None:
        self._most = slots + PUBLISHING
        self._attempts: dict[Future[Any], Attempt] = {}
        self._computing: dict[str, Attempt] = {}
        self._computed: deque[str] = deque()
        self._over: deque[Future[Any]] = deque()
        self._news: SimpleQueue[None] = SimpleQueue()
        """An event that is interrupted while it waits can stay locked; this cannot."""

    def __len__(self) -> int:
        return len(self._attempts)

    @property
    def is_full(self) -> bool:
        """Whether too many wait for the disk to start another one."""
        return len(self._attempts) >= self._most

    @property
    def names(self) -> tuple[str, ...]:
        """The stages that have attempts in flight."""
        return tuple(dict.fromkeys(attempt.name for attempt in self._attempts.values()))

    def add(self, attempt: Attempt, future: Future[Any]) -> None:
        """Watch over an attempt that has been submitted."""
        self._computing[_key(attempt)] = attempt
        self._attempts[future] = attempt
        future.add_done_callback(self._end)

    def computed(self, key: str) -> None:
        """Tell that the attempt at `key` has only to be stored; called in any thread."""
        self._computed.append(key)
        self._news.put(None)

    def _end(self, future: Future[Any]) -> None:
        self._over.append(future)
        self._news.put(None)

    def wait(self, seconds: float | None) -> None:
        """Wait for news, at most so long; may be interrupted, and may return without any."""
        with contextlib.suppress(Empty):
            self._news.get(timeout=look(seconds))

    def collect(self) -> tuple[list[Attempt], list[tuple[Attempt, Future[Any]]]]:
        """Return the attempts that have stopped computing, and those that are over."""
        for _ in range(self._news.qsize()):
            self._news.get_nowait()
        # In this order: whatever is over was told to be computed before.
        over = [self._over.popleft() for _ in range(len(self._over))]
        keys = [self._computed.popleft() for _ in range(len(self._computed))]
        keys += [_key(self._attempts[future]) for future in over]
        computed = [self._computing.pop(key) for key in keys if key in self._computing]
        return computed, [(self._attempts.pop(future), future) for future in over]


def _key(attempt: Attempt) -> str:
    return attempt.decision.key or attempt.name
