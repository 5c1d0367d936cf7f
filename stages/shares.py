"""Splitting rows into parts and folds by what is in them: at random, by class, by group, by time.

A row's place is decided by a hash of its values (or of its group's) and a seed, not by where it
stands: BLAKE2b, 8 bytes, of the seed and of Python's `repr` of the values, as a number from 0 to 1.

Guarantee: the same values and seed give the same part in any order of rows, on any machine and,
where no share of a class decides, whatever other rows there are; equal rows land in the same part;
every row lands in exactly one and keeps its place among the rows of its part. Where it ends: shares
are met on average, since nothing is moved to make a part full; with few groups they can be far off.
`dagrun.stages.split` splits by moments in time, `dagrun.stages.apart` looks for what parts share.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import polars as pl

from dagrun.engine.errors import DagrunError, listing, nearest

__all__ = ["FOLD", "SharesInvalid", "fold_parts", "split_rows", "with_folds"]

FOLD = "fold"
"""The column that `with_folds` adds: Int32, from 0."""
_SIZE = 8
_DIGITS = 12
"""Shares are rounded to these, as 1 - 0.2 - 0.1 is not 0.7."""
Parts = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]


class SharesInvalid(DagrunError):
    """Rows cannot be split in this way."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"cannot split: {problem}")


def split_rows(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    valid: float = 0.15,
    test: float = 0.15,
    seed: int = 0,
    by: Sequence[str] = (),
    stratify: str | None = None,
) -> Parts:
    """Split rows into train, valid and test at random.

    Args:
        frame: the rows.
        valid, test: shares of the two parts; what is left is for training.
        seed: another seed, another split.
        by: columns of a group (a customer, a patient) that must not lie in two parts; or of a
            key, so that a row stays in its part when its other values are corrected. All columns
            where none are named.
        stratify: a column (the label) whose values have the same shares in every part.

    Returns:
        `(train, valid, test)`.

    Raises:
        SharesInvalid: shares that leave nothing, an unknown column, or a part without rows.
    """
    if not (valid >= 0 and test > 0 and valid + test < 1):
        raise SharesInvalid(f"valid={valid!r} and test={test!r} leave no share for every part")
    rows = frame.lazy().collect(engine="in-memory")
    if stratify is not None and by:
        raise SharesInvalid("a group goes to one part whole, so its classes cannot be shared out")
    at = _within(rows, stratify, _numbers(rows, by, seed))
    ends = [round(1 - valid - test, _DIGITS), round(1 - test, _DIGITS)]
    place = np.searchsorted(ends, at, side="right")
    train, middle, last = (rows.filter(pl.Series(place == part)) for part in range(3))
    for name, part, share in (
        ("train", train, 1.0),
        ("valid", middle, valid),
        ("test", last, test),
    ):
        if part.is_empty() and share:
            raise SharesInvalid(f"the {name} part is empty; there are {rows.height:,} rows")
    return train, middle, last


def with_folds(
    frame: pl.DataFrame | pl.LazyFrame,
    folds: int = 5,
    *,
    seed: int = 0,
    by: Sequence[str] = (),
    stratify: str | None = None,
    time: str | None = None,
) -> pl.DataFrame:
    """Return the rows with a column `fold`, from 0 to `folds - 1`.

    Args:
        frame: the rows.
        folds: how many, 2 or more.
        seed: another seed, another split.
        by: columns of a group that must not lie in two folds.
        stratify: a column whose values have the same shares in every fold.
        time: a column of which each fold is one stretch, with equally many rows but for equal
            times, which stay together.

    Raises:
        SharesInvalid: an unknown column, too few rows, or more than one way to split.
    """
    rows = frame.lazy().collect(engine="in-memory")
    if sum((bool(by), stratify is not None, time is not None)) > 1:
        raise SharesInvalid("by, stratify and time are three ways to split; name one")
    if not 2 <= folds <= max(rows.height, 2):
        raise SharesInvalid(f"{folds} folds of {rows.height:,} rows; give 2 or more")
    if time is not None:
        _check(rows, [time])
        if rows[time].null_count():
            raise SharesInvalid(f"{rows[time].null_count():,} rows have no {time!r}")
        at = (rows[time].rank("min").to_numpy() - 1) / rows.height
    else:
        at = _within(rows, stratify, _numbers(rows, by, seed))
    number = np.minimum((at * folds).astype(np.int32), folds - 1)
    return rows.with_columns(pl.Series(FOLD, number))


def fold_parts(
    rows: pl.DataFrame, fold: int, *, time: str | None = None, purge: str = ""
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows outside of a fold and those in it.

    Args:
        rows: what `with_folds` gave.
        fold: which one.
        time: the column that the folds were made by, to purge.
        purge: rows this long before and after the fold are left out of the training rows, in the
            words of Polars (`"7d"`): a label that was not known yet, or a feature that looks back,
            would tell of the fold (López de Prado 2018, "Advances in Financial Machine Learning").

    Raises:
        SharesInvalid: there is no such fold, or nothing is left to train on.
    """
    _check(rows, [FOLD, *([] if time is None else [time])])
    inside, outside = rows.filter(pl.col(FOLD) == fold), rows.filter(pl.col(FOLD) != fold)
    if time is not None and purge and not inside.is_empty():
        ends = inside.select(
            first=pl.col(time).min().dt.offset_by(f"-{purge}"),
            last=pl.col(time).max().dt.offset_by(purge),
        )
        first, last = ends.row(0)
        outside = outside.filter((pl.col(time) < first) | (pl.col(time) > last))
    for name, part in (("in the fold", inside), ("to train on", outside)):
        if part.is_empty():
            raise SharesInvalid(f"fold {fold}: no rows are left {name}")
    return outside, inside


def _numbers(rows: pl.DataFrame, by: Sequence[str], seed: int) -> np.ndarray:
    """Return a number from 0 to 1 for each row, by the hash of the module's text."""
    _check(rows, by)
    start = f"{seed}:".encode()
    hashes = b"".join(
        hashlib.blake2b(start + repr(row).encode(), digest_size=_SIZE).digest()
        for row in (rows.select(by) if by else rows).iter_rows()
    )
    return np.frombuffer(hashes, "<u8") / 2.0**64


def _within(rows: pl.DataFrame, stratify: str | None, at: np.ndarray) -> np.ndarray:
    """Return where each row stands among those of its class, from 0 to 1; equal ones together."""
    if stratify is None:
        return at
    _check(rows, [stratify])
    ranked = (
        rows.select(stratify)
        .with_columns(pl.Series("at", at))
        .select((pl.col("at").rank("min") - 1).over(stratify) / pl.len().over(stratify))
    )
    return ranked.to_series().to_numpy()


def _check(rows: pl.DataFrame, columns: Sequence[str]) -> None:
    for name in columns:
        if name not in rows.columns:
            raise SharesInvalid(
                f"there is no column {name!r}.{nearest(name, rows.columns)} "
                f"Has: {listing(rows.columns)}"
            )
