"""Slots: which of the attempts that wait may start now, so that no limit is ever exceeded.

Guarantee: what runs never takes more of anything than there is; among those that fit, the first
in order starts first; and one that does not fit yet is never overtaken by a later one that takes
what it is short of, so none starves. The limit: what a stage asks for is what it declares.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping

from dagrun.engine.dispatching.attempts import Attempt

Demand = Mapping[str, float]
"""What an attempt takes while it runs: `{"jobs": 1, "memory": 4e9}`."""


class Slots:
    """Attempts waiting for their turn, and what those that run have taken."""

    def __init__(self, capacity: Demand) -> None:
        self._capacity = capacity
        self._taken: Counter[str] = Counter()
        # One heap for each kind of demand: those behind its first one cannot fit where it does not.
        self._waiting: dict[tuple[tuple[str, float], ...], list[_Place]] = {}
        self._count = itertools.count()

    def __bool__(self) -> bool:
        return any(self._waiting.values())

    def add(self, attempt: Attempt, demand: Demand, order: tuple[int, ...]) -> None:
        """Let an attempt wait; the lowest `order` goes first."""
        kind = tuple(sorted(demand.items()))
        heap = self._waiting.setdefault(kind, [])
        heapq.heappush(heap, (order, next(self._count), attempt))

    def take(self) -> Attempt | None:
        """Return the next attempt that may start and take what it needs; None if none may."""
        kinds = [kind for kind, heap in self._waiting.items() if heap]
        short: set[str] = set()
        for kind in sorted(kinds, key=lambda kind: self._waiting[kind][0][:2]):
            lacking = {name for name, amount in kind if not self._fits(name, amount)}
            if not lacking and short.isdisjoint(name for name, _ in kind):
                self._taken.update(dict(kind))
                return heapq.heappop(self._waiting[kind])[2]
            short |= lacking
        return None

    def _fits(self, name: str, amount: float) -> bool:
        return self._taken[name] + amount <= self._capacity[name]

    def give_back(self, demand: Demand) -> None:
        """Free what an attempt took that has ended."""
        self._taken.subtract(demand)

    def drain(self) -> Iterator[Attempt]:
        """Take out all that wait, in order, without starting them."""
        places = sorted(place for heap in self._waiting.values() for place in heap)
        self._waiting.clear()
        return (attempt for *_, attempt in places)


_Place = tuple[tuple[int, ...], int, Attempt]
