"""Joining facts as they were known: each row gets the newest fact that somebody could have had.

Guarantee: a row of time T gets, among the facts of its key that were known at T and are dated no
later, the one with the latest date, and of several versions of that the one known last; never one
that became known after T, however early it is dated. There is one answer, since facts that could
not be told apart are refused. Every row comes out once, in its place. Rows may be a lazy frame:
they pass batch by batch, whatever their number, while the facts are held in memory.
Where it ends: `known_at` is believed. A table that was corrected later without saying when shows
the past as nobody knew it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import polars as pl

from dagrun.engine.errors import DagrunError, listing, nearest
from dagrun.stages.ops.timing import duration

__all__ = ["Coverage", "JoinInvalid", "coverage", "join_known"]

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)
_T, _DATE, _ROW = "/at", "/date", "/row"


class JoinInvalid(DagrunError):
    """Facts cannot be joined to rows as asked."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"cannot join what was known: {problem}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What a join has found.

    Attributes:
        rows: rows in all, `without` those that have no fact.
        median_age, oldest_age: how long before the row's time its fact had been known; None when
            no row has one.
    """

    rows: int
    without: int
    median_age: dt.timedelta | None
    oldest_age: dt.timedelta | None

    def __str__(self) -> str:
        share = self.without / self.rows if self.rows else 0.0
        ages = f"; known {self.median_age} before (median), at most {self.oldest_age}"
        said = f"{self.without:,} of {self.rows:,} rows have no fact ({share:.2%})"
        return said + ("" if self.median_age is None else ages)


def join_known(
    rows: Frame,
    facts: pl.DataFrame | pl.LazyFrame,
    *,
    on: str | Sequence[str],
    at: str,
    known_at: str,
    dated: str | None = None,
    within: str | None = None,
) -> Frame:
    """Add to each row the newest fact that was known at its time.

    Args:
        rows: the rows to be completed, eager or lazy.
        facts: what became known when. A fact whose key or `known_at` is null is never known.
        on: the key columns, of both frames.
        at: the rows' time (timestamp or date); a row without one gets no fact.
        known_at: the facts' column that says when each became known. A fact that was known at
            exactly the row's time counts.
        dated: the facts' column of the time that a fact is about, when that differs; `known_at`
            itself by default. A fact dated after the row's time is not about it, though known.
        within: the greatest age of a fact at the row's time, by `dated`, such as `"6h"`.
            When the newest is older, the row gets none.

    Returns:
        The rows, as many and in the same order, with the facts' other columns, `known_at` among
        them; all null where there is no fact (see `coverage`). Eager if `rows` is.

    Raises:
        JoinInvalid: a column is missing, is no time, or has another dtype than its partner; both
            frames have a column of the same name; two facts have the same key and times.
        FeatureDefinitionError: `within` is no duration.
    """
    keys = [on] if isinstance(on, str) else list(dict.fromkeys(on))
    if not keys:
        raise JoinInvalid("name at least one key column in `on`")
    known = facts.lazy().collect(engine="in-memory")
    schema: pl.Schema = rows.collect_schema()
    date = dated or known_at
    _check_columns(schema, known, keys, at, list(dict.fromkeys((known_at, date))))
    limit = None if within is None else duration("join_known", "within", within)
    candidates = _candidates(known, keys, known_at, date)
    added: dict[str, pl.DataType] = {
        name: dtype for name, dtype in known.schema.items() if name not in keys
    }
    columns: list[str] = [*schema.names(), *added]

    def joined(batch: pl.DataFrame) -> pl.DataFrame:
        return _joined(batch, candidates, keys, at, limit).select(columns)

    if isinstance(rows, pl.DataFrame):
        return joined(rows)
    return rows.map_batches(joined, streamable=True, schema={**schema, **added})


def coverage(joined: pl.DataFrame | pl.LazyFrame, *, at: str, known_at: str) -> Coverage:
    """Return how many rows of a join have no fact, and how old the others' facts are.

    Raises `JoinInvalid` when one of the columns is missing or is no time.
    """
    schema = joined.collect_schema()
    for name in (at, known_at):
        if not isinstance(schema.get(name), pl.Date | pl.Datetime):
            raise JoinInvalid(
                f"{name!r} is no time column of the join, which has: {listing(schema.names())}"
            )
    times = joined.lazy().select(
        _microseconds(at, schema[at]).alias(_T),
        _microseconds(known_at, schema[known_at]).alias(_DATE),
    )
    made = times.collect(engine="in-memory")
    ages = (made[_T] - made[_DATE]).drop_nulls()
    middle, oldest = ages.median(), ages.max()
    assert middle is None or isinstance(middle, float)
    assert oldest is None or isinstance(oldest, int)
    return Coverage(
        rows=made.height,
        without=made[_DATE].null_count(),
        median_age=None if middle is None else dt.timedelta(microseconds=middle),
        oldest_age=None if oldest is None else dt.timedelta(microseconds=oldest),
    )


def _check_columns(
    rows: pl.Schema, facts: pl.DataFrame, keys: Sequence[str], at: str, times: Sequence[str]
) -> None:
    for what, columns, wanted in (
        ("rows", rows.names(), [*keys, at]),
        ("facts", facts.columns, [*keys, *times]),
    ):
        for name in wanted:
            if name not in columns:
                raise JoinInvalid(
                    f"the {what} have no column {name!r}.{nearest(name, columns)} "
                    f"They have: {listing(columns)}"
                )
    for key in keys:
        if rows[key] != facts.schema[key]:
            raise JoinInvalid(
                f"{key!r} is {rows[key]} in the rows, {facts.schema[key]} in the facts"
            )
    for name, dtype in ((at, rows[at]), *((name, facts.schema[name]) for name in times)):
        if not isinstance(dtype, pl.Date | pl.Datetime) or getattr(dtype, "time_unit", "") == "ns":
            raise JoinInvalid(f"{name!r} is {dtype}; cast it to a Date or a Datetime in us or ms")
        if _zoned(dtype) != _zoned(rows[at]):
            raise JoinInvalid(f"only one of {at!r} and {name!r} has a time zone; give both one")
    if both := [name for name in facts.columns if name not in keys and name in rows]:
        raise JoinInvalid(f"both frames have {listing(both)}; rename or drop one of each")


def _zoned(dtype: pl.DataType) -> bool:
    return isinstance(dtype, pl.Datetime) and dtype.time_zone is not None


def _microseconds(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name).cast(pl.Datetime("us")) if isinstance(dtype, pl.Date) else pl.col(name)
    return column.dt.epoch("us")


def _candidates(facts: pl.DataFrame, keys: Sequence[str], known_at: str, date: str) -> pl.DataFrame:
    """Return for each key and each moment at which its newest known fact changes, that fact.

    A fact counts from the moment at which it is both known and no longer in the future. One that
    counts from later on, yet is dated before another that counts already, never does.
    """
    timed = facts.with_columns(
        _microseconds(known_at, facts.schema[known_at]).alias("/known"),
        _microseconds(date, facts.schema[date]).alias(_DATE),
    ).drop_nulls([*keys, "/known", _DATE])
    _refuse_duplicates(timed, keys, known_at, date)
    newest = (
        timed.sort(_DATE, "/known")
        .with_row_index("/rank")
        .with_columns(pl.max_horizontal("/known", _DATE).alias(_T))
        .sort(_T, "/rank")
    )
    best = pl.col("/rank") == pl.col("/rank").cum_max().over(keys)
    counted = newest.filter(best)
    return counted.unique([*keys, _T], keep="last", maintain_order=True).drop("/known", "/rank")


def _refuse_duplicates(timed: pl.DataFrame, keys: Sequence[str], known_at: str, date: str) -> None:
    alike = timed.filter(pl.struct(*keys, "/known", _DATE).is_duplicated())
    if alike.is_empty():
        return
    columns = list(dict.fromkeys([*keys, date, known_at]))
    first = alike.sort(columns).row(0, named=True)
    example = ", ".join(f"{name}={first[name]}" for name in columns)
    raise JoinInvalid(
        f"{alike.height:,} facts have a twin of the same {listing(columns)}, such as {example}; "
        "keep one of each, or say by `dated` and `known_at` which is the newer"
    )


def _joined(
    batch: pl.DataFrame,
    candidates: pl.DataFrame,
    keys: Sequence[str],
    at: str,
    limit: int | None,
) -> pl.DataFrame:
    timed = batch.with_columns(_microseconds(at, batch.schema[at]).alias(_T)).with_row_index(_ROW)
    found = (
        timed.drop_nulls([*keys, _T])
        .sort(_T)
        .join_asof(candidates, on=_T, by=keys, strategy="backward", check_sortedness=False)
    )
    if limit is not None:
        found = found.filter(pl.col(_T) - pl.col(_DATE) <= limit)
    facts = [name for name in candidates.columns if name not in keys and name != _T]
    return timed.join(
        found.select(_ROW, *facts), on=_ROW, how="left", maintain_order="left", validate="1:1"
    )
