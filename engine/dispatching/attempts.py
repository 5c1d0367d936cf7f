"""Attempts: a stage on its way to a result, and how long to wait before it is tried again.

The wait doubles with each failure, up to a longest one, and is shortened by a random part of up
to half, so that stages that failed together do not come back together.
"""

from __future__ import annotations

import heapq
import itertools
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from dagrun.engine.elements import Element
from dagrun.engine.plan import Decision

FIRST_DELAY = 0.5
LONGEST_DELAY = 60.0
"""Seconds before the first retry, doubled for each further one up to the longest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A stage, or one element of a mapped one, on its way; `number` counts from 1."""

    name: str
    decision: Decision
    reason: str
    element: Element | None = None
    number: int = 1
    started: float = 0.0


class Retries:
    """Failed attempts that wait until they may be made again."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Attempt]] = []
        self._count = itertools.count()

    def __bool__(self) -> bool:
        return bool(self._heap)

    def add(self, failed: Attempt) -> float:
        """Keep the attempt that follows a failed one; return the seconds it waits."""
        delay: float = min(LONGEST_DELAY, FIRST_DELAY * 2 ** (failed.number - 1))
        delay *= random.uniform(0.5, 1.0)
        again = replace(failed, number=failed.number + 1)
        heapq.heappush(self._heap, (time.monotonic() + delay, next(self._count), again))
        return delay

    def due(self, *, everything: bool) -> Iterator[Attempt]:
        """Take out the attempts whose time has come, or all of them."""
        now = time.monotonic()
        while self._heap and (everything or self._heap[0][0] <= now):
            yield heapq.heappop(self._heap)[2]

    def wait(self) -> float | None:
        """Return the seconds until the next one is due; None when none waits."""
        return max(0.0, self._heap[0][0] - time.monotonic()) if self._heap else None
