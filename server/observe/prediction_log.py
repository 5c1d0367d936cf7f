"""The prediction log: what was asked and what was answered, as Parquet, off the hot path.

Guarantee: a prediction waits for none of it and cannot fail by it: keeping an answer is one append
to a bounded buffer, and where that is full the answer is dropped and counted. A thread converts
and writes; a file appears whole and durable or not at all, so that a crash loses what was buffered
and nothing else. What cannot be written (a full disk) is counted and logged, and the next file is
tried again. `close` writes everything that was kept.
Where it ends: an answer is in the log up to `seconds` after it was given.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from dagrun.engine.store.durable import remove_abandoned, replace_durably, temporary_path
from dagrun.server.observe.logged_rows import Answered, AnsweredTable, from_rows, from_table
from dagrun.stages.bundle.logged import folder_of, open_log

if TYPE_CHECKING:
    from dagrun.server.serving.models import ServedModel

_LOGGER = logging.getLogger(__name__)
_TOGETHER = 256
"""Rows converted at once: 0.1 ms, during which no request is answered."""
_PAUSE = 0.05
"""Seconds between two looks at the buffer, so that no look finds much."""


@dataclass(slots=True)
class Logged:
    """Numbers of rows since the start.

    Attributes:
        written: in files.
        dropped: not kept, as too many waited.
        lost: kept, and then not written: the disk refused them.
    """

    written: int = 0
    dropped: int = 0
    lost: int = 0


@dataclass(slots=True)
class _Part:
    """The rows of the next file of one bundle and day."""

    since: float
    first: int
    tables: list[pa.Table] = field(default_factory=list)
    rows: int = 0


class PredictionLog:
    """Keeps answers and writes them on its own thread."""

    def __init__(self, folder: Path, *, rows: int, seconds: float, waiting: int) -> None:
        """Open the log, making its folder where it is missing.

        Args:
            folder: the log; processes may share it.
            rows: rows of one bundle after which a file is written.
            seconds: age of the oldest row after which a file is written.
            waiting: rows that may wait to be converted; further ones are dropped and counted.

        Raises `UnknownVersion`, `StoreUnusable` or `OSError`.
        """
        self.folder, self.counts = folder, Logged()
        self._rows, self._seconds, self._most = rows, seconds, waiting
        self._temporary = open_log(folder)
        remove_abandoned(self._temporary)
        self._kept: deque[Answered | AnsweredTable] = deque()
        self._further = 0
        """Rows that wait beyond the first of each request."""
        self._changing = threading.Lock()
        self._parts: dict[tuple[str, str, dt.date], _Part] = {}
        self._refused = False
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="prediction-log", daemon=True)
        self._thread.start()

    def take(self, answered: Answered | AnsweredTable) -> None:
        """Keep an answered request, or drop it when too many rows wait already."""
        rows = len(answered.rows)
        if len(self._kept) + self._further + rows > self._most:
            with self._changing:
                self.counts.dropped += rows
            return
        further = rows - 1
        if further:  # no lock for a single row
            with self._changing:
                self._further += further
        self._kept.append(answered)

    @property
    def waiting(self) -> int:
        """Rows that are not in a file yet, not counting those dropped or lost."""
        return len(self._kept) + self._further + sum(p.rows for p in list(self._parts.values()))

    def close(self, seconds: float) -> None:
        """Write what was kept, for at most so long, and end. May be called twice."""
        self._closed.set()
        self._thread.join(seconds)

    def _work(self) -> None:
        while not self._closed.wait(_PAUSE):
            self._convert()
            self._write_due()
        self._convert()
        self._write_due(everything=True)

    def _convert(self) -> None:
        """Move what waits into the parts."""
        while self._kept:
            together = list(self._together())
            rows = sum(len(one.rows) for one in together)
            try:
                self._add(together, rows)
            except Exception:  # noqa: BLE001 - logged; serving goes on
                self._lose(rows, "could not be converted")
            if further := rows - len(together):
                with self._changing:
                    self._further -= further
            # Gives way to requests: else this thread would be the next again.
            time.sleep(0 if self._closed.is_set() else 0.0005)

    def _together(self) -> Iterator[Answered | AnsweredTable]:
        """Take the next requests: of single rows so many as make a piece, all of one model."""
        first = self._kept.popleft()
        yield first
        rows = len(first.rows)
        while isinstance(first, Answered) and rows < _TOGETHER and self._kept:
            following = self._kept[0]
            if not isinstance(following, Answered) or following.model is not first.model:
                return
            rows += len(following.rows)
            yield self._kept.popleft()

    def _add(self, together: list[Answered | AnsweredTable], rows: int) -> None:
        first = together[0]
        if isinstance(first, AnsweredTable):
            table = from_table(first)
        else:
            table = from_rows([one for one in together if isinstance(one, Answered)])
        part = self._part(first.model, first.at)
        part.tables.append(table)
        part.rows += rows

    def _part(self, model: ServedModel, at: int) -> _Part:
        day = dt.datetime.fromtimestamp(at // 10**9, dt.UTC).date()
        name = (model.name.partition("@")[0], model.bundle.digest, day)
        if name not in self._parts:
            self._parts[name] = _Part(since=time.monotonic(), first=at)
        return self._parts[name]

    def _write_due(self, *, everything: bool = False) -> None:
        now = time.monotonic()
        for name, part in list(self._parts.items()):
            due = part.rows >= self._rows or now - part.since >= self._seconds
            if not (due or everything):
                continue
            del self._parts[name]
            try:
                self._write(folder_of(self.folder, *name), part)
            except Exception:  # noqa: BLE001 - logged; serving goes on
                self._lose(part.rows, f"could not be written to {self.folder}")
            else:
                self.counts.written += part.rows
                if self._refused:
                    _LOGGER.warning("the prediction log is written again")
                self._refused = False

    def _write(self, folder: Path, part: _Part) -> None:
        temporary = temporary_path(self._temporary)
        at = dt.datetime.fromtimestamp(part.first // 10**9, dt.UTC)
        try:
            table = pa.concat_tables(part.tables)
            texts = [one.name for one in table.schema if pa.types.is_string(one.type)]
            pq.write_table(table, temporary, compression="zstd", use_dictionary=texts)
            replace_durably(temporary, folder / f"{at:%H%M%S}-{temporary.name}.parquet")
        finally:
            temporary.unlink(missing_ok=True)

    def _lose(self, rows: int, problem: str) -> None:
        """Count rows; log the first time that it happens, with the error under way."""
        self.counts.lost += rows
        if not self._refused:
            _LOGGER.exception(
                "%d rows of the prediction log %s; they are lost, and further ones until it can "
                "be written again. Serving goes on",
                *(rows, problem),
            )
        self._refused = True
