"""`dagrun predict`: score a file of rows, here or by a server, with the very same bits."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import polars as pl

from dagrun.cli.models import DIFFERENT, find_source, open_registry
from dagrun.cli.opening import use_project
from dagrun.cli.scored import check_names, check_output, read_rows, write_rows
from dagrun.engine.errors import DefinitionError
from dagrun.server.client import CallFailed, Client, ModelInfo
from dagrun.stages.bundle import Bundle, GoldenMismatch, check, read_bundle, score
from dagrun.stages.features import Column
from dagrun.ui.quantities import about, counted
from dagrun.ui.terminal import tell, tell_error

PREDICTIONS = {"binary": ("probability", "margin", "label"), "regression": ("value",)}
TABLE_BYTES = 8 * 1024 * 1024
"""Bytes sent to a server at a time: half of what it accepts."""
TIMEOUT = 60.0
"""Seconds that one table may take."""


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

    def score(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the columns of `predictions`, row by row."""
        ...


@dataclass(frozen=True, slots=True)
class Offline:
    """Scores in this process."""

    bundle: Bundle

    @property
    def columns(self) -> Sequence[Column]:
        """The columns of the bundle's feature spec."""
        return self.bundle.spec.inputs

    @property
    def predictions(self) -> Sequence[str]:
        """The columns that a model of this task gives."""
        return PREDICTIONS[self.bundle.task]

    def score(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the columns of `predictions`, row by row."""
        return score(self.bundle, frame).select(self.predictions)


@dataclass(frozen=True, slots=True)
class Online:
    """Lets a server score, a table of some megabytes at a time."""

    client: Client
    model: ModelInfo

    @property
    def columns(self) -> Sequence[Column]:
        """The columns that the server says it takes."""
        return [
            Column(
                name=column.name,
                dtype="timestamp" if column.type == "wall_clock" else column.type,  # type: ignore[arg-type]
                nullable=column.nullable,
                aware=column.type == "timestamp",
            )
            for column in self.model.columns
        ]

    @property
    def predictions(self) -> Sequence[str]:
        """The columns that a model of this task gives."""
        return PREDICTIONS[self.model.task]

    def score(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the columns of `predictions`, row by row. Raises `CallFailed`."""
        taken = [column.name for column in self.model.columns if column.name in frame.columns]
        tables = [
            self.client.predict_table(self.model.name, part)
            for part in _parts(frame.select(taken), TABLE_BYTES)
        ]
        return pl.concat(tables).select(self.predictions)


def _parts(frame: pl.DataFrame, most_bytes: int) -> Iterator[pl.DataFrame]:
    """Yield the rows in order, in tables of about `most_bytes`; at least one, maybe empty."""
    width = max(1, int(frame.estimated_size()) // max(1, frame.height))
    return frame.iter_slices(max(1, most_bytes // width)) if frame.height else iter([frame])


def predict(
    *,
    name: str,
    rows: str,
    output: str,
    target: str | None,
    nulls: tuple[str, ...],
    pipeline: str | None,
) -> int:
    """Score a file and write another. Raises `DagrunError` for what was given wrongly."""
    started, written = time.perf_counter(), Path(output)
    check_output(written)
    try:
        if target is None:
            called, bundle = open_bundle(name, pipeline)
            check(bundle).require()
            scored = _score(Offline(bundle), Path(rows), nulls)
        else:
            called = _plain_name(name)
            with Client(target, timeout=TIMEOUT) as client:
                scored = _score(Online(client, client.model(called)), Path(rows), nulls)
    except GoldenMismatch as error:
        tell_error(str(error))
        return DIFFERENT
    except CallFailed as error:
        tell_error(str(error))
        return 1
    write_rows(scored, written)
    took = about(time.perf_counter() - started)
    where = f" by {target}" if target else ""
    tell(
        f"{counted(scored.height, 'row')} scored with {called}{where} in {took}"
        f"{_told(scored)} -> {written}"
    )
    return 0


def _told(scored: pl.DataFrame) -> str:
    """Say in a few words what was predicted."""
    if scored.columns[-1] == "label":
        return f": {int(scored['label'].sum()):,} labelled true"
    if scored.is_empty():
        return ""
    least, most = scored.select(least=pl.col("value").min(), most=pl.col("value").max()).row(0)
    return f": values from {least:.6g} to {most:.6g}"


def _score(scorer: Scorer, rows: Path, nulls: tuple[str, ...]) -> pl.DataFrame:
    frame = read_rows(rows, scorer.columns, nulls)
    check_names(frame, scorer.predictions)
    return frame.hstack(scorer.score(frame))


def open_bundle(name: str, pipeline: str | None) -> tuple[str, Bundle]:
    """Return what a bundle is called and the bundle."""
    use_project(pipeline)
    source = find_source(name)
    if isinstance(source, Path):
        return str(source), read_bundle(source)
    registry = open_registry(pipeline)
    version = registry.resolve(source)
    return str(version), registry.load(version)


def _plain_name(name: str) -> str:
    if "@" in name or isinstance(find_source(name), Path):
        raise DefinitionError(
            f"with --target the server decides which version answers: name the model alone, "
            f"not {name!r}"
        )
    return name
