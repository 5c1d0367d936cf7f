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
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from dagrun.engine.store.durable import remove_abandoned, replace_durably, temporary_path
from dagrun.server.observe.logged_rows import Row, Shape, Table
from dagrun.stages.bundle.logged import folder_of, open_log

if TYPE_CHECKING:
    from dagrun.server.serving.models import ServedModel
    from dagrun.server.serving.settings import ServerSettings

_LOGGER = logging.getLogger(__name__)
UNNAMED: Final = itertools.repeat("")
"""The keys of rows that their caller did not name."""
_TOGETHER = 128
"""Rows converted at once: about a tenth of a millisecond, during which no request is answered. Four
times as many would take twice as long, and were seen as the slowest answers of a busy server."""
_YIELD = 0.0005
"""Seconds between two pieces."""
_DAY = 24 * 60 * 60 * 10**9
"""Nanoseconds of a day."""
_PAUSE = 0.25
"""Seconds between two looks at the buffer. Each costs as much as 500 rows, since what converts
has left the processor's caches by then: at 20 looks a second a row cost 20 us, not 1."""


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

    def __str__(self) -> str:
        missing = self.dropped + self.lost
        said = f"prediction log: {self.written} rows written"
        return said + (f", {missing} missing (dropped {self.dropped})" if missing else "")


class _Place(NamedTuple):
    """What the rows of one file have in common."""

    name: str
    version: str
    family: str
    digest: str
    day: dt.date


@dataclass(slots=True)
class _Part:
    """The rows of the next file of one model and day; it does not keep the model itself, which
    may have been replaced long before the file is due."""

    shape: Shape
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
        self._rows_kept: deque[Row] = deque()
        self._tables_kept: deque[Table] = deque()
        self._in_tables = 0
        """Rows of the tables that wait."""
        self._changing = threading.Lock()
        self._parts: dict[_Place, _Part] = {}
        self._refused = False
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="prediction-log", daemon=True)
        self._thread.start()

    @classmethod
    def of(cls, settings: ServerSettings) -> PredictionLog | None:
        """Open the log that a server's settings ask for; None if they ask for none."""
        if not settings.prediction_log:
            return None
        return cls(
            Path(settings.prediction_log),
            rows=settings.log_rows,
            seconds=settings.log_seconds,
            waiting=settings.log_waiting,
        )

    def take(
        self,
        model: ServedModel,
        rows: Sequence[Sequence[object]],
        scores: Iterable[tuple[float, float]],
        *,
        request_id: str = "",
        keys: Iterable[str] = UNNAMED,
        at: int | None = None,
    ) -> None:
        """Keep what was answered, or drop it when too many rows wait already.

        Args:
            model: what answered.
            rows: raw rows as the row function takes them.
            scores: margin and prediction of each.
            request_id: what the caller called the request; `keys` what it called each row.
            at: when, in nanoseconds since the epoch; now by default.
        """
        kept, when = self._rows_kept, at or time_ns()
        if len(kept) + self._in_tables + len(rows) > self._most:
            self._drop(len(rows))
            return
        said, arm = request_id or None, model.labels.arm or None
        for row, (margin, prediction), key in zip(rows, scores, keys, strict=False):
            kept.append((model, when, said, key or None, arm, margin, prediction, *row))

    def take_table(
        self, model: ServedModel, frame: pl.DataFrame, scores: pl.DataFrame, request_id: str = ""
    ) -> None:
        """Keep an answered table, or drop it when too many rows wait already."""
        with self._changing:
            fits = len(self._rows_kept) + self._in_tables + len(frame) <= self._most
            if fits:
                self._in_tables += len(frame)
        if fits:
            self._tables_kept.append(Table(model, time_ns(), frame, scores, request_id))
        else:
            self._drop(len(frame))

    @property
    def waiting(self) -> int:
        """Rows that are not in a file yet, not counting those dropped or lost."""
        parts = sum(part.rows for part in list(self._parts.values()))
        return len(self._rows_kept) + self._in_tables + parts

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
        """Move what waits now into the parts; what comes meanwhile waits for the next look."""
        waiting = len(self._rows_kept)
        while waiting > 0:
            rows = self._together(min(waiting, _TOGETHER))
            waiting -= len(rows)
            model, at, *_ = rows[0]
            self._add(model, at, len(rows), partial(Shape.from_rows, rows=rows))
            # Gives way to requests: else this thread would be the next again.
            time.sleep(0 if self._closed.is_set() else _YIELD)
        while self._tables_kept:
            tables = self._alike()
            count = sum(len(table.frame) for table in tables)
            self._add(*tables[0][:2], count, partial(Shape.from_tables, tables=tables))
            with self._changing:
                self._in_tables -= count

    def _alike(self) -> list[Table]:
        """Take the next tables of one model, day and schema: converted at once, they cost less."""
        kept = self._tables_kept
        tables = [first := kept.popleft()]
        alike = (first.model, first.at // _DAY, first.frame.schema)
        while kept and (kept[0].model, kept[0].at // _DAY, kept[0].frame.schema) == alike:
            tables.append(kept.popleft())
        return tables

    def _together(self, most: int) -> list[Row]:
        """Take the next rows, all of one model."""
        kept, rows = self._rows_kept, [self._rows_kept.popleft()]
        model = rows[0][0]
        while len(rows) < most and kept[0][0] is model:
            rows.append(kept.popleft())
        return rows

    def _add(
        self, model: ServedModel, at: int, count: int, convert: Callable[[Shape], pa.Table]
    ) -> None:
        try:
            day = dt.datetime.fromtimestamp(at // 10**9, dt.UTC).date()
            place = _Place(model.name, model.labels.version, model.family, model.bundle.digest, day)
            if place not in self._parts:
                self._parts[place] = _Part(Shape(model), since=time.monotonic(), first=at)
            part = self._parts[place]
            part.tables.append(convert(part.shape))
            part.rows += count
        except Exception:  # noqa: BLE001 - logged; serving goes on
            self._lose(count, "could not be converted")

    def _write_due(self, *, everything: bool = False) -> None:
        now = time.monotonic()
        for place, part in list(self._parts.items()):
            due = part.rows >= self._rows or now - part.since >= self._seconds
            if not (due or everything):
                continue
            del self._parts[place]
            try:
                self._write(place, part)
            except Exception:  # noqa: BLE001 - logged; serving goes on
                self._lose(part.rows, f"could not be written to {self.folder}")
            else:
                self.counts.written += part.rows
                if self._refused:
                    _LOGGER.warning("the prediction log is written again")
                self._refused = False

    def _write(self, place: _Place, part: _Part) -> None:
        name = place.family.partition("@")[0]
        folder = folder_of(self.folder, name, place.digest, place.day)
        temporary = temporary_path(self._temporary)
        at = dt.datetime.fromtimestamp(part.first // 10**9, dt.UTC)
        try:
            table = part.shape.whole(part.tables)
            texts = [one.name for one in table.schema if pa.types.is_string(one.type)]
            # Readers look for a time; statistics of the other columns would take a third longer.
            pq.write_table(
                table,
                temporary,
                compression="zstd",
                use_dictionary=texts,
                write_statistics=["time"],
            )
            replace_durably(temporary, folder / f"{at:%H%M%S}-{temporary.name}.parquet")
        finally:
            temporary.unlink(missing_ok=True)

    def _drop(self, rows: int) -> None:
        with self._changing:
            self.counts.dropped += rows

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
