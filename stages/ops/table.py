"""Frozen lookup tables: from one or several keys to a number, and their Parquet form.

Guarantee: both twins look up the same entries; a key with a null gives null, an unseen key the
default. Entries are sorted by key, so equal tables have equal bytes under one Polars version.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from dagrun.engine.canonical import digest_bytes
from dagrun.stages.ops.errors import SpecDamaged

Scalar = str | int | bool
_DOUBLE = pl.Float64()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A lookup table.

    Attributes:
        keys: one tuple per key column, all of one length; rows are unique and sorted.
        values: the number for each row.
    """

    keys: tuple[tuple[Scalar, ...], ...]
    values: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.values)

    def batch(
        self, x: Sequence[pl.Expr], default: float | None, dtype: pl.DataType = _DOUBLE
    ) -> pl.Expr:
        """Return the batch twin: the value for the keys `x` as `dtype`, `default` where unseen."""
        if len(x) == 1:
            found = _replaced(x[0], self.keys[0], self.values, dtype, default)
            return pl.when(x[0].is_not_null()).then(found)
        code, codes = pl.lit(0, pl.Int64), [0] * len(self)
        for key, column in zip(x, self.keys, strict=True):
            levels = {level: place for place, level in enumerate(dict.fromkeys(column))}
            place = _replaced(key, tuple(levels), tuple(levels.values()), pl.Int64(), None)
            code = code * len(levels) + place
            codes = [c * len(levels) + levels[k] for c, k in zip(codes, column, strict=True)]
        found = _replaced(code, tuple(codes), self.values, dtype, default)
        return pl.when(*(key.is_not_null() for key in x)).then(found)

    def row(self) -> dict[Any, float]:
        """Return the row twin's dict, keyed by the scalar of one key or the tuple of several."""
        if len(self.keys) == 1:
            return dict(zip(self.keys[0], self.values, strict=True))
        return dict(zip(zip(*self.keys, strict=True), self.values, strict=True))

    def to_parquet(self) -> bytes:
        """Return the table as Parquet bytes: key columns k0, k1, ... and `value`."""
        columns = {f"k{i}": pl.Series(key) for i, key in enumerate(self.keys)}
        frame = pl.DataFrame({**columns, "value": pl.Series(self.values, dtype=pl.Float64)})
        out = io.BytesIO()
        frame.rechunk().write_parquet(
            out, compression="zstd", compression_level=3, statistics=False, row_group_size=2**20
        )
        return out.getvalue()


def _replaced(
    x: pl.Expr,
    old: Sequence[Scalar],
    new: Sequence[float],
    dtype: pl.DataType,
    default: float | None,
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


def make_table(entries: Mapping[tuple[Scalar, ...], float]) -> Table:
    """Return the table of `entries`, sorted. There is at least one."""
    rows = sorted(entries)
    return Table(
        keys=tuple(zip(*rows, strict=True)), values=tuple(entries[row] + 0.0 for row in rows)
    )


def read_table(digest: str, tables: Mapping[str, bytes]) -> Table:
    """Return the table stored under `digest`. Raises `SpecDamaged` naming it."""
    what = f"table {digest[:12]} of the feature spec"
    data = tables.get(digest)
    if data is None:
        raise SpecDamaged(what, "is missing")
    if digest_bytes(data) != digest:
        raise SpecDamaged(what, "is damaged: its bytes have another digest")
    frame = pl.read_parquet(io.BytesIO(data))
    keys = [frame[name] for name in frame.columns if name != "value"]
    return Table(
        keys=tuple(tuple(key.to_list()) for key in keys), values=tuple(frame["value"].to_list())
    )
