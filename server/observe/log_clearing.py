"""Old days of the prediction log, removed.

Guarantee: only whole days go, each once its last answer is older than what is kept; days that a
server may still write to, files being written and whatever else lies in the folder are left alone.
Several servers may clear one log. Where it ends: whoever has a file open reads it to its end, but
who has only listed it finds it gone.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dagrun.stages.bundle.logged import is_log

if TYPE_CHECKING:
    from dagrun.server.serving.settings import ServerSettings

_LOGGER = logging.getLogger(__name__)
_EVERY = 3600.0
_SPILL = dt.timedelta(hours=1)
"""A file belongs to the day of its first row; its last ones may be of the next."""


@dataclass(slots=True)
class Cleared:
    """What was removed."""

    days: int = 0
    files: int = 0
    bytes: int = 0

    def __str__(self) -> str:
        return f"{self.files} files of {self.days} days ({self.bytes / 1e6:.1f} MB)"


def clear_log(folder: Path, keep: dt.timedelta, now: dt.datetime) -> Cleared:
    """Remove the days of a log whose last answer is more than `keep` before `now`.

    Raises `UnknownVersion` for a log of another version of dagrun, and `OSError`.
    """
    cleared = Cleared()
    if not is_log(folder):
        return cleared
    for day, path in _days(folder):
        midnight = dt.datetime.combine(day, dt.time(), dt.UTC)
        if midnight + dt.timedelta(days=1) + _SPILL > now - keep:
            continue
        for file in path.glob("*.parquet"):
            with contextlib.suppress(FileNotFoundError):
                size = file.stat().st_size
                file.unlink()
                cleared.files, cleared.bytes = cleared.files + 1, cleared.bytes + size
        with contextlib.suppress(OSError):  # something else lies there, or another one was faster
            path.rmdir()
            cleared.days += 1
    return cleared


class LogClearing:
    """Clears a log at once and then every hour, on a thread of its own."""

    def __init__(self, folder: Path, keep: dt.timedelta) -> None:
        """Begin; what was removed is told in the server's log."""
        self._folder, self._keep = folder, keep
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-clearing", daemon=True)
        self._thread.start()

    @classmethod
    def of(cls, settings: ServerSettings) -> LogClearing | None:
        """Clear the log as a server's settings ask for; None if they do not."""
        if not settings.prediction_log or not settings.log_keep:
            return None
        return cls(Path(settings.prediction_log), dt.timedelta(seconds=settings.log_keep))

    def close(self) -> None:
        """End after the file that is being removed."""
        self._ended.set()

    def _run(self) -> None:
        while True:
            try:
                cleared = clear_log(self._folder, self._keep, dt.datetime.now(dt.UTC))
                if cleared.files:
                    _LOGGER.info("prediction log: %s removed, older than %s", cleared, self._keep)
            except Exception:
                _LOGGER.exception("old days of the prediction log cannot be removed")
            if self._ended.wait(_EVERY):
                return


def _days(folder: Path) -> Iterator[tuple[dt.date, Path]]:
    for path in sorted(folder.glob("model=*/bundle=*/day=*")):
        with contextlib.suppress(ValueError):
            yield dt.date.fromisoformat(path.name.removeprefix("day=")), path
