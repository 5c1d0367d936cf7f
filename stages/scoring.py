"""Scoring whole tables inside a pipeline, by a bundle it made or by a registered model.

Guarantee: predictions have the bits that a server gives for the same rows, and come in the order
of the rows. A lazy frame is scored some rows at a time when it is collected or stored, so it may
be larger than memory; only a plan whose order streaming might change is collected first. A
`RegisteredModel` enters the key by the digest of its bundle: promoting another one reruns what
scores with it and nothing else.
Where it ends: which version an alias means is asked when a run is planned; a move of the alias
during the run fails the stage, so that no result stands under the wrong key.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import polars as pl
from polars.io.plugins import register_io_source

from dagrun.engine.canonical import Json
from dagrun.engine.errors import DagrunError, DefinitionError
from dagrun.engine.frames.roworder import keeps_order
from dagrun.engine.statcache import StatCache
from dagrun.engine.store.store import Store
from dagrun.stages.bundle import Bundle, ModelVersion, NotRegistered, Registry, check, score
from dagrun.stages.features.column import check_schema

__all__ = ["ModelUnavailable", "PredictionNamesTaken", "RegisteredModel", "score_table"]

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)
ROWS_AT_A_TIME = 1 << 16


class PredictionNamesTaken(DefinitionError):
    """A table already has columns with the names of predictions."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        super().__init__(
            f"the table already has the column(s) {', '.join(map(repr, names))}, which predictions "
            "would be written to; rename or drop it first"
        )


class ModelUnavailable(DefinitionError):
    """A registered model that a stage takes does not exist."""

    def __init__(self, where: str, target: str, problem: DagrunError) -> None:
        self.where, self.target, self.problem = where, target, problem
        super().__init__(
            f"{where}: {target!r} cannot be scored with: {problem}. A model must be registered "
            "before a run that takes it is planned; within the pipeline that makes a bundle, name "
            "the bundle's artifact as the parameter instead"
        )


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A model of the registry as a stage's param: `model: RegisteredModel = RegisteredModel(...)`.

    Attributes:
        target: `name` (its champion), `name@alias` or `name@version`.
        project: folder of the project whose registry has it, relative to this project's root;
            None is this project.
    """

    target: str
    project: str | None = None
    _root: Path | None = field(default=None, compare=False, repr=False)

    def bind(self, root: Path, stats: StatCache) -> RegisteredModel:  # noqa: ARG002
        """Return a copy that looks in the project at `root`."""
        return RegisteredModel(self.target, self.project, root)

    def identity(self, where: str = "RegisteredModel") -> Json:
        """Return the digest of the bundle. Raises `ModelUnavailable`."""
        try:
            return {"bundle": self.version.bundle}
        except NotRegistered as error:
            raise ModelUnavailable(where, self.target, error) from error

    @property
    def version(self) -> ModelVersion:
        """The version that `target` means now. Raises `NotRegistered`."""
        return self._registry.resolve(self.target)

    def load(self) -> Bundle:
        """Return the bundle. Raises `NotRegistered`, `DamagedBlob` or `BundleDamaged`."""
        return self._registry.load(self.version)

    @property
    def _registry(self) -> Registry:
        return Registry(Store.open((self._root or Path()) / (self.project or "")))


def score_table(bundle: Bundle, frame: Frame) -> Frame:
    """Return the rows of a table with what a model says about each.

    Args:
        bundle: what to score with. Its golden rows are replayed first.
        frame: raw rows with the columns that the model takes, and any others.

    Returns:
        All columns of `frame`, then of a classifier `probability` and `margin` (Float32) and
        `label` (Boolean), of a regression `value` (Float32). A lazy frame gives a lazy frame.

    Raises:
        PredictionNamesTaken: a column is called like one of these.
        UnknownColumn, DtypeMismatch: the model takes a column that is not there, or another dtype.
        GoldenMismatch: here the bundle gives other bits than where it was made.
        BadValue: a value that a column may not hold; for a lazy frame when it is collected.
    """
    schema = frame.collect_schema()
    check_schema(bundle.spec.inputs, schema)
    check(bundle).require()
    predicted = score(bundle, frame.lazy().head(0)).schema
    if taken := [name for name in predicted if name in schema]:
        raise PredictionNamesTaken(taken)
    if isinstance(frame, pl.DataFrame):
        return frame.hstack(score(bundle, frame))
    return _scored_lazily(bundle, frame, pl.Schema({**schema, **predicted}))


def _scored_lazily(bundle: Bundle, frame: pl.LazyFrame, schema: pl.Schema) -> pl.LazyFrame:
    def source(
        columns: list[str] | None,
        predicate: pl.Expr | None,
        rows: int | None,
        _batch: int | None,
    ) -> Iterator[pl.DataFrame]:
        left = rows
        for batch in _batches(frame):
            if left is not None:
                batch = batch.head(left)
                left -= batch.height
            scored = batch.hstack(score(bundle, batch))
            if predicate is not None:
                scored = scored.filter(predicate)
            yield scored if columns is None else scored.select(columns)
            if left == 0:
                return

    return register_io_source(source, schema=schema)


def _batches(frame: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    if keeps_order(frame):
        return frame.collect_batches(chunk_size=ROWS_AT_A_TIME, maintain_order=True)
    return frame.collect(engine="in-memory").iter_slices(ROWS_AT_A_TIME)
