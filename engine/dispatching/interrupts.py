"""Interrupts that arrive only where they can do no harm.

Guarantee: while an `Interrupts` is entered, SIGINT (and SIGTERM, where the program handles it)
raises `KeyboardInterrupt` inside a `window` and nowhere else, so no state is left half changed; a
second one that finds the first still waiting is raised wherever it strikes. What waits in a window
does so in pieces (`look`), and none that an interrupt could leave locked. Where it ends: only the
main thread receives signals; entered in another one, this does nothing.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any

_LOOK = 0.5
"""Seconds. A signal that comes just before a wait does not end it: it is seen after the wait."""


def look(seconds: float | None) -> float:
    """Return how long to wait at once where a wait of `seconds` (None: any) may be interrupted."""
    return _LOOK if seconds is None else min(max(0.0, seconds), _LOOK)


class Interrupts:
    """Holds interrupts back until a window; a context manager."""

    def __init__(self) -> None:
        self._open = self._pending = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                # What is ignored stays so, and so does a SIGTERM that simply ends the process.
                if callable(signal.getsignal(number)):
                    self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        while self._before:
            signal.signal(*self._before.popitem())

    def _receive(self, _number: int, _frame: FrameType | None) -> None:
        if self._open or self._pending:
            self._pending = False
            raise KeyboardInterrupt
        self._pending = True

    @contextlib.contextmanager
    def window(self) -> Iterator[None]:
        """Let interrupts through inside the block, one that has been waiting first."""
        try:
            self._open = True
            if self._pending:
                self._pending = False
                raise KeyboardInterrupt
            yield
        finally:
            self._open = False
