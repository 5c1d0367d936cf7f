"""The connections of a client, and which one a call takes.

Guarantee: a call takes the connection with the fewest calls under way, those that just failed to
connect last. Servers take turns; of a server's idle connections the first is taken, so that who
makes one call at a time needs one. Safe for threads without a lock, since each count is the length
of a deque, whose changes are atomic.
Where it ends: two threads that choose in the same moment may choose the same connection.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

_ASIDE, _ASIDE_MOST = 0.1, 1.0
"""Seconds for which a connection that could not be made is passed over: doubled each time."""


class Lane:
    """One connection: what calls each method over it, and the calls under way.

    Attributes:
        target: where it leads to.
        channel: made by the first call, None before.
        under_way: an element for each call under way.
        aside_until: `time.monotonic()` up to which other connections are preferred; 0 is never.
    """

    def __init__(self, target: str, connect: Callable[[], Any]) -> None:
        self.target, self._connect = target, connect
        self.channel: Any = None
        self.under_way: deque[None] = deque()
        self.aside_until = 0.0
        self._misses = 0
        self._methods: dict[str, Any] = {}
        self._making = threading.Lock()

    def method(self, path: str) -> Any:
        """Return what calls a method with bytes; made once, as making takes longer than calling."""
        try:
            return self._methods[path]
        except KeyError:
            pass
        with self._making:
            if self.channel is None:
                self.channel = self._connect()
            made = self.channel.unary_unary(path, _registered_method=True)
            return self._methods.setdefault(path, made)

    def missed(self) -> None:
        """Note that no connection could be made."""
        self._misses += 1
        pause = min(_ASIDE_MOST, _ASIDE * 2 ** min(self._misses - 1, 10))
        self.aside_until = time.monotonic() + pause

    def reached(self) -> None:
        """Note that the server was there."""
        if self._misses:
            self._misses, self.aside_until = 0, 0.0


class Lanes:
    """All connections of a client.

    Attributes:
        reached: whether a server ever answered.
    """

    def __init__(self, lanes: Iterable[Lane]) -> None:
        by_target: dict[str, list[Lane]] = {}
        for lane in lanes:
            by_target.setdefault(lane.target, []).append(lane)
        self._servers = tuple(by_target.values())
        self._turn = itertools.count()
        self.reached = False

    def __iter__(self) -> Iterator[Lane]:
        return itertools.chain.from_iterable(self._servers)

    def pick(self, avoid: Collection[Lane] = ()) -> Lane:
        """Return the connection for one call, one of `avoid` only if there is no other."""
        servers = self._servers
        turn = next(self._turn) % len(servers)
        first = servers[turn][0]
        if not first.under_way and not first.aside_until and first not in avoid:
            return first
        now = time.monotonic()
        return min(
            itertools.chain(*servers[turn:], *servers[:turn]),
            key=lambda lane: (lane in avoid, lane.aside_until > now, len(lane.under_way)),
        )

    def usable(self) -> bool:
        """Whether some connection is not set aside."""
        now = time.monotonic()
        return any(lane.aside_until <= now for lane in self)
