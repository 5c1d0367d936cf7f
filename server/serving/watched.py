"""Files whose content is taken anew when they change, without a restart.

Guarantee: a value is replaced as a whole, and only by one that `read` accepted; what it refuses is
logged once for each state of the files, and the last good value stays in use. Where it ends: a file
is known by its name, size, inode and time of change; written in place within one tick of the clock
to the same size it passes for the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from dagrun.engine.errors import DagrunError

_LOGGER = logging.getLogger(__name__)
_State = tuple[tuple[int, int, int] | None, ...]
Value = TypeVar("Value")


class Watched(Generic[Value]):
    """A value read from files.

    Attributes:
        value: what they said when they were last in order.
    """

    def __init__(self, what: str, paths: Sequence[Path], read: Callable[[], Value]) -> None:
        """Read the files now; raises whatever `read` raises."""
        self._what, self._paths, self._read = what, paths, read
        self._state = self._look()
        self.value = read()

    def look_again(self) -> None:
        """Take the files anew if they have changed; a refused change is logged."""
        state = self._look()
        if state == self._state:
            return
        self._state = state
        try:
            self.value = self._read()
        except (DagrunError, OSError) as error:
            _LOGGER.error("%s: the new one is not used, the old one stays: %s", self._what, error)
            return
        _LOGGER.warning("%s: taken anew (%s)", self._what, self.value)

    def _look(self) -> _State:
        return tuple(_state(path) for path in self._paths)


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
