"""Many rows: whole tensors become columns of a frame, without a step for each element.

Guarantee: the same values as element by element, or an error of `PROBLEMS`; what is null by the
mask is not looked at. The columns may be narrower than the model's: the feature spec widens them
exactly. Where it ends: the lengths of raw BYTES are found one after another, since each says where
the next one is; texts that stand for times, and JSON, are read one by one.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from dagrun.server.protocols.v2_tensor import (
    DATATYPES,
    NotExact,
    Tensor,
    check_size,
    contents_of,
    elements,
)
from dagrun.server.protocols.v2_values import check_of, text
from dagrun.stages.features import Column

PROBLEMS = (NotExact, pl.exceptions.PolarsError, OverflowError, TypeError)
"""What can go wrong; each means that the tensor does not fit the column."""

_EXACT = 2**53
_IN_CONTENTS = {
    "bool_contents": "?",
    "int_contents": "<i4",
    "int64_contents": "<i8",
    "uint_contents": "<u4",
    "uint64_contents": "<u8",
    "fp32_contents": "<f4",
    "fp64_contents": "<f8",
}


def mask(tensor: Tensor, raw: bytes | None, rows: int) -> pl.Series:
    """Return a tensor of BOOL as a column of Boolean."""
    if tensor.datatype != "BOOL":
        raise NotExact("is no BOOL")
    return _fixed(tensor, raw, rows)


def column(
    column: Column, tensor: Tensor, raw: bytes | None, rows: int, valid: pl.Series | None
) -> pl.Series:
    """Return a tensor as a column of a raw frame."""
    check = check_of(column, tensor)
    if tensor.datatype != "BYTES":
        series = _masked(_fixed(tensor, raw, rows), valid)
        if column.kind == "int64" and series.dtype.is_float():
            return _whole(series)
        if column.kind == "date":
            series = series.cast(pl.Int32)
        is_time = column.dtype in ("timestamp", "date")
        return series.cast(column.frame_dtype) if is_time else series
    found = elements(tensor, raw, rows)
    if valid is not None:
        found = [one if want else None for one, want in zip(found, valid, strict=True)]
    if check is text:
        return pl.Series(found, dtype=pl.Binary).cast(pl.String)
    assert check is not None
    values = [None if one is None else check(one) for one in found]
    physical = {"timestamp": pl.Int64(), "date": pl.Int32()}.get(column.dtype)
    return pl.Series(values, dtype=physical or column.frame_dtype).cast(column.frame_dtype)


def _fixed(tensor: Tensor, raw: bytes | None, rows: int) -> pl.Series:
    """Return elements of a fixed size as they are."""
    name = tensor.datatype
    contents, code, _ = DATATYPES[name]
    if raw is not None:
        check_size(name, raw, rows)
        array = np.frombuffer(raw, "u1" if name == "BOOL" else f"<{code}")
    else:
        found = contents_of(tensor, contents, rows)
        array = np.array(found, _IN_CONTENTS[contents]) if rows else np.array([], code)
    if name == "BOOL":
        array = array != 0
    elif name == "FP16":
        array = array.astype(np.float32)
    return pl.Series(array)


def _masked(series: pl.Series, valid: pl.Series | None) -> pl.Series:
    if valid is None:
        return series
    return series.zip_with(valid, pl.Series([None], dtype=series.dtype))


def _whole(series: pl.Series) -> pl.Series:
    """Return whole numbers that came as floats, NaN as null."""
    numbers = series.cast(pl.Float64).fill_nan(None)
    exact = numbers.is_between(-_EXACT, _EXACT) & (numbers == numbers.round())
    if not exact.all():
        raise NotExact("holds a number that is not whole, or beyond 2**53")
    return numbers.cast(pl.Int64)
