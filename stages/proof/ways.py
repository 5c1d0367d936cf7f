"""The ways to compute a spec's features anew, each as bits piece by piece.

Guarantee: each way computes every row of the frame, except where it says that it computes only
some. What a way raises is left to its caller.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple, get_args

import polars as pl

from dagrun.engine.errors import DagrunError
from dagrun.stages.features import FeatureSpec
from dagrun.stages.features.row import RowFunction
from dagrun.stages.proof.bits import Bits, Precision, batch_bits, row_bits

Way = Literal["row twin", "one row", "parts", "chunks", "streaming", "document"]
WAYS: tuple[Way, ...] = get_args(Way)
"""How features are computed anew: by the row twin; by the batch twin on single rows, on parts of
the frame, on the frame in random chunks, in the streaming engine; and by the spec read back from
its document."""
IN_DOUBLE: frozenset[Way] = frozenset(("row twin", "one row", "parts"))
"""The ways that are compared in double as well; the others differ from them only in how the
engine hands out rows."""
FAILURES = (Exception, pl.exceptions.PanicException)
"""What an op may raise; Polars' panics, which are no `Exception`, included."""
Rows = Iterator[tuple[float, ...]]
Slabs = Iterator[tuple[int, Bits]]
"""Bits of consecutive rows, each piece with the index of its first row."""

SLAB = 65_536
"""Most rows of a piece."""
_MANY = 1_000
"""Frames of fewer rows are cut into three at most, since a transform costs more than its rows."""


class Manner(NamedTuple):
    """What a way is told: its randomness, how many rows to take singly, and the precision."""

    chance: random.Random
    alone: int
    precision: Precision


class WayFailed(DagrunError):
    """A way gave no features: why, and at which row if that is known."""

    def __init__(self, problem: str, row: int | None = None) -> None:
        self.problem, self.row = problem, row
        super().__init__(problem)


def slabs(features: pl.DataFrame, manner: Manner, start: int = 0) -> Slabs:
    """Yield the bits of computed features, piece by piece."""
    for place in range(0, len(features), SLAB):
        yield start + place, batch_bits(features[place : place + SLAB], manner.precision)


def _some(rows: int, manner: Manner) -> list[int]:
    if rows <= manner.alone:
        return list(range(rows))
    return sorted(manner.chance.sample(range(rows), manner.alone))


def _row_twin(spec: FeatureSpec, frame: pl.DataFrame, manner: Manner) -> Slabs:
    if spec.row_exact:
        spans = [(start, SLAB) for start in range(0, len(frame), SLAB)]
    else:
        spans = [(place, 1) for place in _some(len(frame), manner)]
    row, width = spec.row_function(), len(spec.names)
    for start, most in spans:
        made = _each(row, spec.rows_of(frame[start : start + most]), start)
        yield start, row_bits(made, width, manner.precision)


def _each(row: RowFunction, rows: Sequence[Sequence[object]], start: int) -> Rows:
    for place, values in enumerate(rows, start):
        try:
            yield row(values)
        except FAILURES as error:
            raise WayFailed(f"{type(error).__name__}: {error}", place) from error


def _one_row(spec: FeatureSpec, frame: pl.DataFrame, manner: Manner) -> Slabs:
    for place in _some(len(frame), manner):
        try:
            alone = spec.transform(frame[place]).select(spec.names)
        except FAILURES as error:
            raise WayFailed(f"{type(error).__name__}: {error}", place) from error
        yield place, batch_bits(alone, manner.precision)


def _spans(rows: int, chance: random.Random) -> list[tuple[int, int]]:
    """Return the spans of a random partition, among them some of very few rows."""
    cuts = {chance.randint(0, rows) for _ in range(1 if rows < _MANY else 8)}
    near = {min(rows, cut + chance.randint(1, 3)) for cut in cuts}
    return list(pairwise(sorted({0, rows} | cuts | near)))


def _parts(spec: FeatureSpec, frame: pl.DataFrame, manner: Manner) -> Slabs:
    for start, stop in _spans(len(frame), manner.chance):
        yield from slabs(spec.transform(frame[start:stop]).select(spec.names), manner, start)


def _chunks(spec: FeatureSpec, frame: pl.DataFrame, manner: Manner) -> Slabs:
    pieces = [frame[start:stop] for start, stop in _spans(len(frame), manner.chance)]
    whole = pl.concat(pieces, rechunk=False) if pieces else frame
    yield from slabs(spec.transform(whole).select(spec.names), manner)


def _streaming(spec: FeatureSpec, frame: pl.DataFrame, manner: Manner) -> Slabs:
    yield from slabs(spec.plan(frame).collect(engine="streaming"), manner)


def _document(spec: FeatureSpec, frame: pl.DataFrame, manner: Manner) -> Slabs:
    again = FeatureSpec.from_bytes(spec.to_bytes(), spec.tables)
    held = {
        "the spec read back is another": again == spec,
        "the document written again has other bytes": again.to_bytes() == spec.to_bytes(),
    }
    for problem, same in held.items():
        if not same:
            raise WayFailed(problem)
    yield from slabs(again.transform(frame).select(again.names), manner)
    yield from _row_twin(again, frame, manner)


COMPUTED: Mapping[Way, Callable[[FeatureSpec, pl.DataFrame, Manner], Slabs]] = {
    "row twin": _row_twin,
    "one row": _one_row,
    "parts": _parts,
    "chunks": _chunks,
    "streaming": _streaming,
    "document": _document,
}
