"""Ops on vectors: embed_lookup, and elements, which makes features of a vector's numbers."""

# ruff: noqa: D102 - the twins are documented at `Op`

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, Self

import numpy as np
import polars as pl

from dagrun.stages.ops.arguments import checked
from dagrun.stages.ops.category import MOST_COLUMNS
from dagrun.stages.ops.define import Feature, Features, Source, each, flatten, whole
from dagrun.stages.ops.errors import DtypeMismatch, FeatureDefinitionError
from dagrun.stages.ops.given import GivenTable, given, keys_of
from dagrun.stages.ops.kind import KEY, Kind
from dagrun.stages.ops.op import Names, Op
from dagrun.stages.ops.table import Scalar
from dagrun.stages.ops.training import Training
from dagrun.stages.ops.vectors import Vectors, make_vectors

Unseen = Literal["zeros", "null"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Elements(Op):
    """The numbers of a vector as features, each under its own name; all null for no vector.

    Twin: `tf.unstack`, `Expr.arr.to_struct` and `unnest`.
    """

    op = "elements"
    takes = (frozenset[Kind](("vector",)),)
    several = True
    names: tuple[str, ...] = ()

    def fit(self, train: Training) -> Self:
        return replace(self, names=tuple(train.columns[0].struct.fields))

    def parts(self) -> tuple[str, ...]:
        return self.names

    def batch(self, x: Sequence[pl.Expr]) -> list[pl.Expr]:
        return [x[0].struct.field(name) for name in self.names]

    def row(self, x: Names) -> str:
        return f"({x[0]})"  # in brackets, since it is to be unpacked and is no other name


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts(Elements):
    """As elements, for vectors of whole numbers: the features are Int32."""

    op = "counts"
    integer = True


def taken_apart(features: Features, *, whole_numbers: bool = False) -> Features:
    """Return features that give a vector as features that give its numbers."""
    op = Counts() if whole_numbers else Elements()
    return tuple(Feature(name=one.name, op=op, inputs=(one,)) for one in features)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedLookup(Op):
    """The vector that a given table has for a key; for keys that it lacks zeros, or null.

    A null key gives null. The numbers are float32, bit for bit those of the table.
    Twin: `tf.nn.embedding_lookup`, `torch.nn.Embedding.from_pretrained`.
    """

    op = "embed_lookup"
    takes = (KEY,)
    gives = "vector"
    key: Kind
    unseen: Unseen
    vectors: Vectors

    def settle(self, name: str, kinds: Sequence[Kind]) -> Self:
        if kinds[0] != self.key:
            raise DtypeMismatch(f"key of {name}", kinds[0], self.key, "its table of vectors")
        return self

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        count = len(self.vectors)
        numbers = np.vstack([self.vectors.numbers(), np.zeros((1, self.vectors.dimensions), "f4")])
        columns = [pl.Series(str(i), column) for i, column in enumerate(numbers.T)]
        unseen = pl.lit(count if self.unseen == "zeros" else None, dtype=pl.Int64)
        place = x[0].replace_strict(
            pl.Series(self.vectors.keys),
            pl.Series(range(count), dtype=pl.Int64),
            default=unseen,
            return_dtype=pl.Int64,
        )
        found = pl.when(x[0].is_not_null()).then(place)
        return pl.lit(pl.DataFrame(columns).to_struct()).gather(found)

    def row(self, x: Names) -> str:
        width = self.vectors.dimensions
        size, count = 4 * width, len(self.vectors)
        ends = bytes(size) + struct.pack(f"<{width}f", *[math.nan] * width)
        null = size * (count + 1)
        unseen = size * count if self.unseen == "zeros" else null
        starts: dict[Scalar | None, int] = {
            key: size * place for place, key in enumerate(self.vectors.keys)
        }
        unpack = partial(struct.Struct(f"<{width}f").unpack_from, self.vectors.data + ends)
        starts[None] = null
        start = f"{x.bind(starts.get, f'{x[0]}_starts')}({x[0]}, {unseen})"
        return f"{x.bind(unpack, 'vector')}({start})"


@checked
def embed_lookup(
    *columns: Source,
    table: GivenTable,
    key: str,
    vector: str | Sequence[str],
    dimensions: int,
    unseen: Unseen = "zeros",
    name: str | None = None,
) -> Features:
    """Look up the embedding of a key in a table of your own: features `column_vector=0`, ...

    `vector` names a List or Array column of numbers, or one column per dimension; all vectors
    have `dimensions` finite numbers, kept as float32. The table is read now, at definition. A key
    that stands there twice, or is null, is refused.
    """
    width = whole("embed_lookup", "dimensions", dimensions, 1, MOST_COLUMNS)
    named = [vector] if isinstance(vector, str) else list(vector)
    flatten(columns, "embed_lookup")
    frame = given("embed_lookup", table, [key, *named])
    (kind,), rows = keys_of("embed_lookup", frame.select(key))
    numbers = _numbers(frame.select(named), width)
    vectors = make_vectors([row[0] for row in rows], numbers)
    op = EmbedLookup(key=kind, unseen=unseen, vectors=vectors)
    return taken_apart(each(op, columns, name, "vector"))


def _numbers(table: pl.DataFrame, width: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Return the vectors of a table, judged. Raises `FeatureDefinitionError`."""
    if not table.width:
        raise FeatureDefinitionError("embed_lookup", "vector names no column")
    first = table.to_series(0)
    if isinstance(first.dtype, pl.List | pl.Array):
        lengths = first.list.len() if isinstance(first.dtype, pl.List) else first.arr.len()
        if not (lengths == width).fill_null(False).all():
            found = sorted(set(lengths.drop_nulls().to_list()))[:5]
            raise FeatureDefinitionError(
                "embed_lookup",
                f"dimensions is {width}, but {first.name!r} has vectors of length {found} or null",
            )
        columns = first.cast(pl.List(first.dtype.inner)).explode()
        flat = [columns]
    elif table.width == width:
        flat = list(table)
    else:
        raise FeatureDefinitionError(
            "embed_lookup", f"dimensions is {width}, but vector names {table.width} columns"
        )
    if not all(column.dtype.is_numeric() for column in flat):
        raise FeatureDefinitionError("embed_lookup", "the vectors of the table are no numbers")
    doubles = [column.cast(pl.Float64).to_numpy() for column in flat]
    with np.errstate(over="ignore"):
        numbers = np.column_stack(doubles).astype(np.float32).reshape(-1, width)
    if not np.isfinite(numbers).all():
        raise FeatureDefinitionError(
            "embed_lookup", "a vector of the table holds a null or a number that is not finite"
        )
    return numbers
