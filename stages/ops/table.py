"""Frozen lookup tables: from one or several keys to a value, and their Parquet form.

Guarantee: both twins look up the same entries; a key with a null gives null, an unseen key the
default. Entries are sorted by key, so equal tables have equal bytes under one Polars version.
Values are all of one type; most tables hold doubles.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from dagrun.engine.canonical import digest_bytes
from dagrun.stages.ops.errors import SpecDamaged

Scalar = str | int | bool
Value = float | str | int | bool | None
_DTYPES: dict[type, pl.DataType] = {
    float: pl.Float64(),
    str: pl.String(),
    int: pl.Int64(),
    bool: pl.Boolean(),
}
_MOST_CODES = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A lookup table.

    Attributes:
        keys: one tuple per key column, all of one length; rows are unique and sorted.
        values: the value for each row, at least one of them not None (null).
    """

    keys: tuple[tuple[Scalar, ...], ...]
    values: tuple[Value, ...]

    def __len__(self) -> int:
        return len(self.values)

    @property
    def dtype(self) -> pl.DataType:
        """The Polars dtype of the values."""
        return next(_DTYPES[type(value)] for value in self.values if value is not None)

    def batch(
        self, x: Sequence[pl.Expr], default: Value, dtype: pl.DataType | None = None
    ) -> pl.Expr:
        """Return the batch twin: the value for the keys `x`, `default` where unseen.

        It has the values' own dtype, or `dtype` if that is given.
        """
        dtype = dtype or self.dtype
        if len(x) == 1:
            found = _replaced(x[0], self.keys[0], self.values, dtype, default)
            return pl.when(x[0].is_not_null()).then(found)
        code, codes, span = pl.lit(0, pl.Int64), [0] * len(self), 1
        for key, column in zip(x, self.keys, strict=True):
            levels = _places(column)
            if span * len(levels) >= _MOST_CODES:
                seen = _places(codes)
                code = _replaced(code, tuple(seen), tuple(seen.values()), pl.Int64(), None)
                codes, span = [seen[c] for c in codes], len(seen)
            place = _replaced(key, tuple(levels), tuple(levels.values()), pl.Int64(), None)
            code = code * len(levels) + place
            codes = [c * len(levels) + levels[k] for c, k in zip(codes, column, strict=True)]
            span *= len(levels)
        found = _replaced(code, tuple(codes), self.values, dtype, default)
        return pl.when(*(key.is_not_null() for key in x)).then(found)

    def row(self) -> dict[Any, Any]:
        """Return the row twin's dict, keyed by the scalar of one key or the tuple of several."""
        if len(self.keys) == 1:
            return dict(zip(self.keys[0], self.values, strict=True))
        return dict(zip(zip(*self.keys, strict=True), self.values, strict=True))

    def to_parquet(self) -> bytes:
        """Return the table as Parquet bytes: key columns k0, k1, ... and `value`."""
        columns = {f"k{i}": pl.Series(key) for i, key in enumerate(self.keys)}
        frame = pl.DataFrame({**columns, "value": pl.Series(self.values, dtype=self.dtype)})
        return write_blob(frame)


def _places(column: Iterable[Scalar]) -> dict[Scalar, int]:
    """Return a number for each distinct value, in order of appearance."""
    return {value: place for place, value in enumerate(dict.fromkeys(column))}


def _replaced(
    x: pl.Expr,
    old: Sequence[Scalar],
    new: Sequence[Value],
    dtype: pl.DataType,
    default: Value,
) -> pl.Expr:
    if isinstance(old[0], str):
        found = pl.lit(pl.Series([*new, default]).cast(dtype))
        return found.gather(places(x, old).fill_null(len(old)))
    return x.replace_strict(
        pl.Series(old),
        pl.Series(new).cast(dtype),
        default=pl.lit(default, dtype=dtype),
        return_dtype=dtype,
    )


def places(x: pl.Expr, levels: Sequence[Scalar]) -> pl.Expr:
    """Return the place of a string among distinct `levels` as UInt32, null where it is none."""
    return x.cast(pl.Enum(pl.Series(levels)), strict=False).to_physical().cast(pl.UInt32)


def make_table(entries: Mapping[tuple[Scalar, ...], Value]) -> Table:
    """Return the table of `entries`, sorted, -0.0 as 0.0. At least one value is not None."""
    rows = sorted(entries)
    values = (entries[row] for row in rows)
    return Table(
        keys=tuple(zip(*rows, strict=True)),
        values=tuple(value + 0.0 if type(value) is float else value for value in values),
    )


def write_blob(frame: pl.DataFrame) -> bytes:
    """Return a table's frame as Parquet bytes, the same for the same frame."""
    out = io.BytesIO()
    frame.rechunk().write_parquet(
        out, compression="zstd", compression_level=3, statistics=False, row_group_size=2**20
    )
    return out.getvalue()


def read_blob(digest: str, tables: Mapping[str, bytes]) -> pl.DataFrame:
    """Return the frame stored under `digest`. Raises `SpecDamaged` naming it."""
    what = f"table {digest[:12]} of the feature spec"
    data = tables.get(digest)
    if data is None:
        raise SpecDamaged(what, "is missing")
    if digest_bytes(data) != digest:
        raise SpecDamaged(what, "is damaged: its bytes have another digest")
    return pl.read_parquet(io.BytesIO(data))


def read_table(digest: str, tables: Mapping[str, bytes]) -> Table:
    """Return the table stored under `digest`. Raises `SpecDamaged` naming it."""
    frame = read_blob(digest, tables)
    keys = [frame[name] for name in frame.columns if name != "value"]
    return Table(
        keys=tuple(tuple(key.to_list()) for key in keys), values=tuple(frame["value"].to_list())
    )
