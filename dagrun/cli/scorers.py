"""What turns the rows of `dagrun predict` into predictions: this process, or a server.

Guarantee: predictions come in the order of the rows and with the same bits from either, and all
predictions of a file are of one bundle, or `BundleChanged` is raised.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import polars as pl

from dagrun.engine.errors import DagrunError
from dagrun.server.client import Client, ModelInfo, ScoredTable
from dagrun.stages.bundle import Bundle, score
from dagrun.stages.features import Column

PREDICTIONS = {"binary": ("probability", "margin", "label"), "regression": ("value",)}
TABLE_BYTES = 4 * 1024 * 1024
"""Bytes sent to a server at a time: a quarter of what it accepts."""
TABLE_ROWS = 10_000
"""Rows sent to a server at a time, so that no single table takes long."""
IN_FLIGHT = 4
"""Tables under way at once: two that a server computes, two that wait."""


class BundleChanged(DagrunError):
    """A server began to answer with another bundle in the middle of a file."""

    def __init__(self, model: str, before: str, after: str) -> None:
        self.model, self.before, self.after = model, before, after
        super().__init__(
            f"{model} was answered by bundle {before[:12]} and then by {after[:12]}, and no file "
            "is scored by two. If the server splits its traffic, name a version: MODEL@VERSION"
        )


class Scorer(Protocol):
    """What turns rows into predictions."""

    @property
    def columns(self) -> Sequence[Column]:
        """The columns it takes."""
        ...

    @property
    def predictions(self) -> Sequence[str]:
        """The columns it gives."""
        ...

    def scored(self, frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Yield the rows in order, each with the columns of `predictions` behind its own."""
        ...


class Offline:
    """Scores in this process."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self.columns: Sequence[Column] = bundle.spec.inputs
        self.predictions: Sequence[str] = PREDICTIONS[bundle.task]

    def scored(self, frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Yield the rows in order, each with its predictions."""
        for frame in frames:
            yield frame.hstack(score(self._bundle, frame).select(self.predictions))


class Online:
    """Lets a server score, several tables at a time."""

    def __init__(self, client: Client, model: ModelInfo) -> None:
        self._client, self._model = client, model
        self.columns: Sequence[Column] = [
            Column(
                name=column.name,
                dtype="timestamp" if column.type == "wall_clock" else column.type,  # type: ignore[arg-type]
                nullable=column.nullable,
                aware=column.type == "timestamp",
            )
            for column in model.columns
        ]
        self.predictions: Sequence[str] = PREDICTIONS[model.task]

    def scored(self, frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Yield the rows in order. Raises `CallFailed` and `BundleChanged`."""
        taken = [column.name for column in self._model.columns]
        with ThreadPoolExecutor(IN_FLIGHT, "score") as threads:
            waiting: deque[tuple[pl.DataFrame, Future[ScoredTable]]] = deque()
            try:
                for part in (part for frame in frames for part in _parts(frame)):
                    sent = part.select(name for name in taken if name in part.columns)
                    answer = threads.submit(self._client.score_table, self._model.name, sent)
                    waiting.append((part, answer))
                    if len(waiting) > IN_FLIGHT:
                        yield self._answered(*waiting.popleft())
                while waiting:
                    yield self._answered(*waiting.popleft())
            finally:
                for _, future in waiting:
                    future.cancel()

    def _answered(self, part: pl.DataFrame, answer: Future[ScoredTable]) -> pl.DataFrame:
        table, expected = answer.result(), self._model.bundle_digest
        if table.bundle_digest != expected:
            raise BundleChanged(self._model.name, expected, table.bundle_digest)
        return part.hstack(table.frame.select(self.predictions))


def _parts(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield the rows in order, in tables of a size to send; at least one, maybe empty."""
    width = max(1, int(frame.estimated_size()) // max(1, frame.height))
    rows = max(1, min(TABLE_ROWS, TABLE_BYTES // width))
    return frame.iter_slices(rows) if frame.height else iter([frame])


class Tally:
    """Says in a few words what was predicted."""

    def __init__(self) -> None:
        self._positive: int | None = None
        self._least, self._most = float("inf"), float("-inf")

    def add(self, scored: pl.DataFrame) -> None:
        """Take in rows with their predictions."""
        if scored.columns[-1] == "label":
            self._positive = (self._positive or 0) + int(scored["label"].sum())
        elif scored.height:
            values = scored["value"]
            self._least = min(self._least, float(values.min()))  # type: ignore[arg-type]
            self._most = max(self._most, float(values.max()))  # type: ignore[arg-type]

    def __str__(self) -> str:
        if self._positive is not None:
            return f": {self._positive:,} labelled true"
        if self._least <= self._most:
            return f": values from {self._least:.6g} to {self._most:.6g}"
        return ""
