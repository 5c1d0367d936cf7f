"""Parts that share rows, or are not one after the other in time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import polars as pl

from dagrun.stages.features import FeatureSpec
from dagrun.stages.features.column import column_of
from dagrun.stages.ops.errors import DtypeMismatch, UnknownColumn
from dagrun.stages.ops.kind import Kind

PartFault = tuple[Literal["overlap", "order"], str, str]


def check_parts(
    spec: FeatureSpec,
    train: pl.DataFrame,
    later: Mapping[str, pl.DataFrame],
    key: Sequence[str],
) -> Iterator[PartFault]:
    """Yield `(kind, part, what was found)` for every pair of parts, the training rows first.

    Rows with equal keys lie in both; or one begins before the other has ended; or it begins
    before the frozen states of the spec were known. Time is that of the spec. Raises
    `UnknownColumn` when a part lacks the key or the time, `DtypeMismatch` where its dtype differs.
    """
    parts = {"train": train, **later}
    time = None if spec.time is None else spec.time.column
    for name, frame in parts.items():
        wanted = [*key, *([] if time is None else [time])]
        if missing := [column for column in wanted if column not in frame.columns]:
            raise UnknownColumn([f"{column} (of {name})" for column in missing], frame.columns)
        for column in wanted:
            found, expected = frame.schema[column], train.schema[column]
            same_kind = column not in key and _kind(column, found) == _kind(column, expected)
            if found != expected and not same_kind:
                reader = f"the training rows beside {name}"
                raise DtypeMismatch(column, str(found), str(expected), reader)
    names = list(parts)
    for place, name in enumerate(names):
        for after in names[place + 1 :]:
            yield from _shared(name, parts[name], after, parts[after], key)
            if time is None:
                continue
            out_of_order = list(_order(name, parts[name][time], after, parts[after][time]))
            yield from out_of_order
            if name == "train" and not out_of_order and spec.as_of is not None:
                yield from _known(spec.as_of, after, parts[after][time])


def _kind(name: str, dtype: pl.DataType) -> Kind:
    return column_of(name, dtype).kind


def _shared(
    name: str, one: pl.DataFrame, after: str, two: pl.DataFrame, key: Sequence[str]
) -> Iterator[PartFault]:
    if not key:
        return
    shared = two.select(key).join(one.select(key).unique(), on=key, how="semi", nulls_equal=True)
    if shared.height:
        example = ", ".join(f"{k}={v}" for k, v in shared.sort(key).row(0, named=True).items())
        said = f"{shared.height:,} of {two.height:,} rows are also in {name}, such as {example}"
        yield "overlap", after, said


def _order(name: str, one: pl.Series, after: str, two: pl.Series) -> Iterator[PartFault]:
    last, first = one.max(), two.min()
    if not isinstance(last, dt.date) or not isinstance(first, dt.date) or last < first:
        return
    early = int((two <= last).sum())
    yield "order", after, f"{early:,} of {len(two):,} rows are not after {name}, which ends {last}"


def _known(as_of: str, name: str, times: pl.Series) -> Iterator[PartFault]:
    first = times.min()
    if isinstance(first, dt.datetime):
        zoned = first.tzinfo is not None
        moment = first.astimezone(dt.UTC) if zoned else first
    elif isinstance(first, dt.date):
        moment = dt.datetime.combine(first, dt.time())
    else:
        return
    if dt.datetime.fromisoformat(as_of) >= moment:
        yield (
            "order",
            name,
            f"begins {first}, but frozen states hold what became known until {as_of}; "
            "fit with an earlier as_of, or leave a gap between the parts",
        )
