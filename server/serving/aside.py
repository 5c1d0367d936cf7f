"""Work on served rows that no caller waits for: a share of them, on a thread of its own.

Guarantee: a prediction waits for none of it and cannot fail by it; when the rows that wait are too
many, further ones are dropped and counted. Rows come to the work in the order they were taken, at
most `_TOGETHER` at a time and all of one model; larger pieces of work come one by one between them.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from dagrun.server.serving.models import ServedModel

_TOGETHER = 64
"""Most rows of one computation, so that it never holds a CPU for long."""
_PAUSE = 1.0
"""Seconds to wait for more rows: 64 together take hardly longer than one."""

Row: TypeAlias = "tuple[ServedModel, Sequence[object], Sequence[float], float]"
"""A model, a row's values, the features that were served and their margin."""


class Aside:
    """Takes served rows at random and hands them to some work on its own thread.

    Attributes:
        share: of the rows, from 0 to 1.
        dropped: rows that were to be taken when too many waited.
    """

    def __init__(
        self, name: str, share: float, waiting: int, work: Callable[[list[Row]], None]
    ) -> None:
        """Take `share` (0 to 1) of the rows; at most `waiting` of them wait for `work`."""
        self.share, self.dropped = share, 0
        self._waiting, self._work = waiting, work
        self._rows: deque[Row] = deque()
        self._pieces: deque[tuple[int, Callable[[], None]]] = deque()
        self._in_pieces, self._counting = 0, threading.Lock()
        self._wake, self._closed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        if share > 0.0:
            self._thread.start()

    def wants(self) -> bool:
        """Return whether to take the next row: true for the share of calls."""
        return random.random() < self.share

    def take(self, row: Row) -> None:
        """Keep a row for later, or drop it when too many wait."""
        if len(self._rows) >= self._waiting:
            self.dropped += 1
            return
        self._rows.append(row)
        self._wake.set()

    def take_piece(self, rows: int, work: Callable[[], None]) -> None:
        """Have `work`, which is about so many rows, done on the thread, or drop them."""
        with self._counting:
            fits = len(self._rows) + self._in_pieces + rows <= self._waiting
            if fits:
                self._in_pieces += rows
            else:
                self.dropped += rows
        if fits:
            self._pieces.append((rows, work))
            self._wake.set()

    def close(self, seconds: float) -> None:
        """Finish what waits, for at most so long, and end."""
        self._closed.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        while True:
            self._wake.wait()
            last = self._closed.wait(_PAUSE)
            self._wake.clear()
            while self._rows or self._pieces:
                if self._rows:
                    self._work(self._together())
                if self._pieces:
                    self._piece()
            if last:
                return

    def _piece(self) -> None:
        rows, work = self._pieces.popleft()
        try:
            work()
        finally:
            with self._counting:
                self._in_pieces -= rows

    def _together(self) -> list[Row]:
        """Return the next rows, all of one model."""
        found = [self._rows.popleft()]
        while self._rows and len(found) < _TOGETHER and self._rows[0][0] is found[0][0]:
            found.append(self._rows.popleft())
        return found
