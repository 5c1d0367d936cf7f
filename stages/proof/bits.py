"""Features as bits: float32 as a model sees them, or double as the ops gave them.

A value is the pattern of its float32 (uint32) or double (uint64). Null has one pattern; a NaN
that a batch twin lets through, although its null rule forbids it, has one that equals nothing.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from dagrun.stages.features import FeatureSpec
from dagrun.stages.features.step import Output

Bits = npt.NDArray[np.unsignedinteger[Any]]
Precision = Literal["float32", "double"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """How values of one precision are held, and the patterns of null and of a stray NaN."""

    dtype: pl.DataType
    code: Literal["f", "d"]
    unsigned: np.dtype[Any]
    null: int
    stray: int


FORMATS: dict[Precision, Format] = {
    "float32": Format(
        dtype=pl.Float32(),
        code="f",
        unsigned=np.dtype(np.uint32),
        null=0x7FC00000,
        stray=0x7FC0DEAD,
    ),
    "double": Format(
        dtype=pl.Float64(),
        code="d",
        unsigned=np.dtype(np.uint64),
        null=0x7FF8000000000000,
        stray=0x7FF800000000DEAD,
    ),
}


def batch_bits(features: pl.DataFrame, precision: Precision = "float32") -> Bits:
    """Return the bits of feature columns, of shape `(rows, features)`."""
    form = FORMATS[precision]
    floats = features.select(pl.all().cast(form.dtype))
    nulls = floats.select(pl.all().is_null()).to_numpy()
    values = floats.to_numpy()
    stray = np.isnan(values) & ~nulls
    found = values.view(form.unsigned)
    return np.where(nulls, form.null, np.where(stray, form.stray, found)).astype(form.unsigned)


def row_bits(rows: Iterable[Sequence[float]], width: int, precision: Precision = "float32") -> Bits:
    """Return the bits of rows that the row twin gave, of shape `(rows, width)`."""
    form = FORMATS[precision]
    flat: array[float] = array(form.code)
    for row in rows:
        flat.extend(row)
    found: Bits = np.array(flat).view(form.unsigned).reshape(-1, width)
    return found


def shown(pattern: int, precision: Precision) -> str:
    """Return a pattern for people: its hexadecimal digits and its value."""
    form = FORMATS[precision]
    if pattern == form.null:
        return "null"
    if pattern == form.stray:
        return "NaN, not null"
    (value,) = array(form.code, pattern.to_bytes(form.unsigned.itemsize, sys.byteorder))
    digits = form.unsigned.itemsize * 2
    return f"0x{pattern:0{digits}x} ({value!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unrounded(Output):
    """A feature as its op gave it, before it is rounded to float32 or Int32."""

    def expression(self, value: pl.Expr) -> pl.Expr:
        """Return the feature's column as it is."""
        return value.alias(self.name)


def unrounded(spec: FeatureSpec, frame: pl.DataFrame) -> FeatureSpec:
    """Return the spec with features as the ops give them. It has no document of its own.

    Features whose batch twin gives float32 already, as that of vectors does, are left out.
    """
    outputs = tuple(
        Unrounded(name=one.name, value=one.value, part=one.part) for one in spec.outputs
    )
    schema = replace(spec, outputs=outputs).plan(frame[:0]).collect_schema()
    return replace(spec, outputs=tuple(one for one in outputs if schema[one.name] != pl.Float32))
