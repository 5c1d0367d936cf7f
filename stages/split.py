"""Splitting by time: train on the past, choose on the near future, judge on the far one.

Guarantee: every row lands in exactly one part, or in none if it is purged, by its time alone, and
keeps its place among the rows of its part. Where it ends: rows of one entity (a customer, an
aeroplane) may lie in several parts; group them beforehand if that would leak.
"""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import polars as pl

from dagrun.engine.errors import DagrunError, listing, nearest

__all__ = ["SplitInvalid", "split_by_time"]


class SplitInvalid(DagrunError):
    """A frame cannot be split at these times."""

    def __init__(self, column: str, problem: str) -> None:
        self.column, self.problem = column, problem
        super().__init__(f"cannot split by time column {column!r}: {problem}")


def split_by_time(
    frame: pl.DataFrame | pl.LazyFrame,
    column: str,
    *,
    valid_from: str,
    test_from: str,
    purge: str = "",
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Split rows into train, valid and test.

    Args:
        frame: rows with a Date or Datetime column.
        column: that column; it must have no nulls.
        valid_from: first moment of the validation part, ISO 8601 (`"2013-09-01"`), read in the
            column's time zone when it has one.
        test_from: first moment of the test part, later than `valid_from`.
        purge: rows this long before either moment are left out, in the words of Polars (`"7d"`):
            as long as a label takes to become known, since it was not when the next part began.

    Returns:
        `(train, valid, test)`: rows before `valid_from`, before `test_from`, and the rest.

    Raises:
        SplitInvalid: the column is missing, of another type or has nulls; a time cannot be read;
            a part would be empty.
    """
    rows = frame.lazy().collect(engine="in-memory")
    if column not in rows.columns:
        raise SplitInvalid(
            column, f"there is none.{nearest(column, rows.columns)} Has: {listing(rows.columns)}"
        )
    times = rows[column]
    if not isinstance(times.dtype, pl.Date | pl.Datetime):
        raise SplitInvalid(column, f"it is {times.dtype}; cast it to Date or Datetime first")
    if times.null_count():
        raise SplitInvalid(
            column, f"{times.null_count():,} of {len(times):,} rows have no time; drop or fill them"
        )
    first, second = (_moment(column, text, times.dtype) for text in (valid_from, test_from))
    if not first < second:
        raise SplitInvalid(column, f"test_from {test_from} must be later than {valid_from}")
    time = pl.col(column)
    parts = {
        "train": rows.filter(time < _before(first, purge)),
        "valid": rows.filter((time >= first) & (time < _before(second, purge))),
        "test": rows.filter(time >= second),
    }
    for name, part in parts.items():
        if part.is_empty():
            raise SplitInvalid(
                column,
                f"the {name} part is empty; the column runs from {times.min()!s} to "
                f"{times.max()!s}, valid_from is {valid_from}, test_from {test_from}",
            )
    return parts["train"], parts["valid"], parts["test"]


def _before(moment: dt.datetime, purge: str) -> pl.Expr:
    return pl.lit(moment).dt.offset_by(f"-{purge}") if purge else pl.lit(moment)


def _moment(column: str, text: str, dtype: pl.Date | pl.Datetime) -> dt.datetime:
    """Read an ISO 8601 text as a moment that compares with the column."""
    try:
        # Python also takes any character for the T, and so "+02:00" after a date for a time.
        if text[10:11] not in ("", "T", " "):
            raise ValueError
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise SplitInvalid(column, f"{text!r} is not an ISO 8601 date or time") from None
    zone = dtype.time_zone if isinstance(dtype, pl.Datetime) else None
    if zone is None:
        if moment.tzinfo is not None:
            raise SplitInvalid(column, f"{text!r} has an offset, but the column has no time zone")
        return moment
    if moment.tzinfo is None:
        return moment.replace(tzinfo=ZoneInfo(zone))
    return moment.astimezone(ZoneInfo(zone))
