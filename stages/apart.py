"""Whether the parts of a split have anything in common that they should not.

Guarantee: every pair of parts is judged by everything that was asked for, and each judgement is a
reason with its numbers. Where it ends: rows that are nearly the same are not seen; name a group for
what belongs together. What a single feature may give away, `check_leakage` looks for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import polars as pl

from dagrun.engine.stage import Verdict
from dagrun.stages.shares import SharesInvalid

__all__ = ["check_apart"]


def check_apart(
    parts: Mapping[str, pl.DataFrame],
    *,
    by: Sequence[str] = (),
    time: str | None = None,
    most_equal: float = 0.0,
) -> Verdict:
    """Judge parts, given in the order of time if they have one; for a stage with `gate=True`.

    Args:
        parts: two or more, by name, with equal columns.
        by: columns of a key or group of which no value may lie in two parts.
        time: a column by which each part must begin after the one before it has ended.
        most_equal: share of a part's rows that may be found in another one in full. Small tables
            of few values have honest twins; resampling before splitting makes many.

    Raises:
        SharesInvalid: fewer than two parts, or a column that one of them lacks.
    """
    if len(parts) < 2:
        raise SharesInvalid("it takes two parts to share something")
    first = next(iter(parts.values()))
    for name, part in parts.items():
        wanted = [*first.columns, *by, *([] if time is None else [time])]
        if missing := [column for column in wanted if column not in part.columns]:
            raise SharesInvalid(f"the {name} part has no column {missing[0]!r}")
    judged = [
        judgement
        for one, other in combinations(parts, 2)
        for judgement in _judged(one, other, parts, by, time, most_equal)
    ]
    return Verdict(
        passed=all(passed for passed, _ in judged),
        reasons=tuple(f"{'ok' if passed else 'NO'}: {said}" for passed, said in judged),
    )


def _judged(
    one: str,
    other: str,
    parts: Mapping[str, pl.DataFrame],
    by: Sequence[str],
    time: str | None,
    most_equal: float,
) -> Iterator[tuple[bool, str]]:
    left, right = parts[one], parts[other]
    found = _shared(left, right, left.columns)
    share = found.height / max(1, right.height)
    yield (
        share <= most_equal,
        f"{found.height:,} of {right.height:,} rows of {other} ({share:.2%}) are also in {one}, "
        f"wanted at most {most_equal:.2%}",
    )
    if by:
        found = _shared(left, right, by)
        example = "" if found.is_empty() else f", such as {found.select(by).row(0)}"
        yield (
            found.is_empty(),
            f"{found.height:,} of {right.height:,} rows of {other} have a {' and '.join(by)} "
            f"of {one}{example}",
        )
    if time is not None:
        last, begin = left[time].max(), right[time].min()
        early = right.filter(pl.col(time) <= last).height if last is not None else 0
        yield (
            early == 0,
            f"{early:,} of {right.height:,} rows of {other}, which begins {begin!s}, are not after "
            f"{one}, which ends {last!s}",
        )


def _shared(left: pl.DataFrame, right: pl.DataFrame, on: Sequence[str]) -> pl.DataFrame:
    return right.join(left.select(on).unique(), on=on, how="semi", nulls_equal=True)
