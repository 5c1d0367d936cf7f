"""Cleaning whole tables: rows that stand for the same thing, counted and reduced to one.

Guarantee: which row is kept depends on the rows and, for "first" and "last", on their order, never
on threads or on how the plan is run; kept rows stay in order. Nulls count as equal, as do NaNs and
both zeros. Where it ends: rows must agree exactly in what identifies them; bring spellings together
first. What is wrong within a row is the features' work: see `norm_text`, `null_if`, `clip_z`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import polars as pl

from dagrun.engine.errors import DefinitionError, listing, nearest

__all__ = ["CleaningInvalid", "Duplicates", "dedupe", "duplicates"]

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)
_LOGGER = logging.getLogger("dagrun.stage.dedupe")
"""Below the stages' logger, so that a stage's log has it."""
_PLACE, _ROWS, _VERSIONS = "__place__", "__rows__", "__versions__"


class CleaningInvalid(DefinitionError):
    """A table cannot be cleaned as asked."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"cannot clean the table: {problem}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicates:
    """How many rows stand for the same thing.

    Attributes:
        by: the columns that identify a thing.
        rows: all rows.
        keys: distinct things, so the rows that `dedupe` keeps unless keep="none".
        repeated: things with more than one row.
        copies: rows that equal an earlier one in every column.
        disagreeing: things whose rows differ elsewhere, so that it matters which one is kept.
    """

    by: tuple[str, ...]
    rows: int
    keys: int
    repeated: int
    copies: int
    disagreeing: int

    def __str__(self) -> str:
        return (
            f"{self.rows - self.keys:,} of {self.rows:,} rows repeat another by "
            f"{', '.join(self.by)}: {self.copies:,} are exact copies; "
            f"{self.disagreeing:,} of {self.repeated:,} repeated keys have rows that disagree"
        )


def duplicates(
    frame: pl.DataFrame | pl.LazyFrame, *, by: str | Sequence[str] | None = None
) -> Duplicates:
    """Count the rows that stand for the same thing, by the streaming engine.

    Args:
        frame: any table; a lazy one is computed once.
        by: the columns that identify a thing; all by default.

    Raises:
        CleaningInvalid: the table lacks a column.
    """
    names = frame.collect_schema().names()
    keys = _keys(by, names)
    versions = frame.lazy().group_by(names).agg(pl.len().alias(_ROWS))
    rows, kinds = pl.col(_ROWS), pl.col(_VERSIONS)
    things = versions.group_by(keys).agg(rows.sum(), pl.len().alias(_VERSIONS))
    counted = things.select(
        rows=rows.sum(),
        keys=pl.len(),
        repeated=(rows > 1).sum(),
        copies=(rows - kinds).sum(),
        disagreeing=(kinds > 1).sum(),
    ).collect(engine="streaming")
    return Duplicates(by=tuple(keys), **counted.row(0, named=True))


def dedupe(frame: Frame, *, by: str | Sequence[str] | None = None, keep: str = "first") -> Frame:
    """Keep one row of those that stand for the same thing.

    Args:
        frame: any table. A lazy one stays lazy; "first", "last" and "none" then run in the
            streaming engine with memory for the keys alone, "max:" and "min:" sort the table.
        by: the columns that identify a thing; all by default.
        keep: "first" or "last" in the order of the rows; "none", so that only things with a
            single row stay; "max:COLUMN" or "min:COLUMN" for the row with the largest or
            smallest value there, null and NaN last. Ties go to the row that is smallest by the
            other columns, from left to right, so the order of the rows does not matter.

    Returns:
        The kept rows in the order they had. From a DataFrame, the log says how many went; ask
        `duplicates` about a lazy one.

    Raises:
        CleaningInvalid: the table lacks a column, or `keep` is none of these.
    """
    names = frame.collect_schema().names()
    keys = _keys(by, names)
    how, _, column = str(keep).partition(":")
    if how in ("first", "last", "none") and not column:
        kept = frame.lazy().unique(subset=keys, keep=keep, maintain_order=True)  # type: ignore[arg-type]
    elif how in ("max", "min"):
        (ranked,) = _keys(column, names)
        kept = _extreme(frame.lazy(), keys, ranked, names, largest=how == "max")
    else:
        raise CleaningInvalid(f"keep is first, last, none, max:COLUMN or min:COLUMN, not {keep!r}")
    if isinstance(frame, pl.LazyFrame):
        return kept
    made = kept.collect(engine="in-memory")
    _LOGGER.info(
        "dedupe by %s: %s of %s rows went, %s stay",
        ", ".join(keys),
        f"{len(frame) - len(made):,}",
        f"{len(frame):,}",
        f"{len(made):,}",
    )
    return made


def _extreme(
    rows: pl.LazyFrame, keys: Sequence[str], ranked: str, names: Sequence[str], *, largest: bool
) -> pl.LazyFrame:
    """Keep the row with the largest or smallest value of `ranked`, in the place it had."""
    value = pl.col(ranked)
    if rows.collect_schema()[ranked].is_float():
        value = value.fill_nan(None)
    others = [pl.col(name) for name in names if name != ranked]
    return (
        rows.with_row_index(_PLACE)
        .sort(
            [value, *others, _PLACE],
            descending=[largest, *(False for _ in names)],
            nulls_last=[True, *(False for _ in names)],
        )
        .unique(subset=keys, keep="first", maintain_order=True)
        .sort(_PLACE)
        .drop(_PLACE)
    )


def _keys(by: str | Sequence[str] | None, names: Sequence[str]) -> list[str]:
    """Return the columns in `by`. Raises `CleaningInvalid` for one that the table lacks."""
    keys = list(names) if by is None else [by] if isinstance(by, str) else list(dict.fromkeys(by))
    for key in keys:
        if key not in names:
            raise CleaningInvalid(
                f"it has no column {key!r}.{nearest(key, names)} Columns: {listing(names)}"
            )
    if taken := {_PLACE, _ROWS, _VERSIONS}.intersection(names):
        raise CleaningInvalid(f"{min(taken)!r} is a name that cleaning needs; rename the column")
    if not keys:
        raise CleaningInvalid("name at least one column in by, or leave it out for all")
    return keys
