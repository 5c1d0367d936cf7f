"""A thread that sees to things about once a second: callers too slow, files that changed.

Guarantee: what fails is logged and tried again the next time; the rounds go on until `close`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

_LOGGER = logging.getLogger(__name__)


class Patrol:
    """Calls some functions again and again, on a daemon thread."""

    def __init__(self, duties: Sequence[Callable[[], object]], seconds: float = 1.0) -> None:
        self._duties, self._seconds = duties, seconds
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="patrol", daemon=True)

    def start(self) -> None:
        """Begin; the first round is made after the first pause."""
        self._thread.start()

    def close(self) -> None:
        """Make no further round."""
        self._closed.set()

    def _work(self) -> None:
        while not self._closed.wait(self._seconds):
            for duty in self._duties:
                try:
                    duty()
                except Exception:
                    _LOGGER.exception("a round failed")
