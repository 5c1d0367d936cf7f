"""Late labels: what became of that which was predicted.

Guarantee: a prediction gets the first outcome of its key that became known after it, and never
one that was known when it was made: such an outcome is about something earlier. What is decided
stays decided: outcomes that come in later, or correct an earlier one, change no row that has its
outcome already. Every row comes out once, in its place. Where it ends: `known_at` is believed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TypeVar

import polars as pl

from dagrun.engine.errors import listing, nearest
from dagrun.stages.bundle.logged import OWN, RAW
from dagrun.stages.joining import JoinInvalid
from dagrun.stages.ops.timing import duration

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)
_ROW, _KNOWN = "/row", "/known"
_UTC = pl.Datetime("us", "UTC")


def join_outcomes(
    log: Frame,
    outcomes: pl.DataFrame | pl.LazyFrame,
    *,
    on: str | Sequence[str],
    label: str,
    known_at: str,
    within: str | None = None,
    as_of: dt.datetime | None = None,
) -> Frame:
    """Add to each logged prediction the outcome that came in after it.

    Args:
        log: what `read_prediction_log` gives.
        outcomes: what became of what, one row an outcome. A row whose key, label or `known_at` is
            null says nothing.
        on: columns of `outcomes` that say what an outcome is about: `"key"` for the key that
            callers sent, otherwise raw columns by the names that the model knows them by.
        label: the outcomes' column of what is wanted.
        known_at: the outcomes' column of when it became known, a timestamp with a time zone.
        within: the longest time from prediction to outcome, such as `"2d"`.
        as_of: leave out what became known after this moment (with its zone), so that an
            evaluation of the past does not change.

    Returns:
        The log with the columns `label` and `known_at` of its outcomes, null where none has come;
        eager if `log` is.

    Raises:
        JoinInvalid: a column is missing, is no time with a zone, or has another type than its
            partner; or two outcomes of one key became known at the same moment.
        FeatureDefinitionError: `within` is no duration.
    """
    names = [on] if isinstance(on, str) else list(on)
    keys = {name: name if name in OWN else RAW + name for name in names}
    found = outcomes.lazy().collect(engine="in-memory")
    _check_columns(log.collect_schema(), found.schema, keys, label, known_at)
    facts = _facts(found, keys, label, known_at, as_of)
    limit = None if within is None else duration("join_outcomes", "within", within)
    joined = (
        log.lazy()
        .with_row_index(_ROW)
        .sort("time")
        .join_asof(
            facts.lazy(),
            left_on="time",
            right_on=_KNOWN,
            by=list(keys.values()),
            strategy="forward",
            tolerance=None if limit is None else dt.timedelta(microseconds=limit),
            allow_exact_matches=False,
            coalesce=False,
            check_sortedness=False,
        )
        .sort(_ROW)
        .drop(_ROW)
        .rename({_KNOWN: known_at})
    )
    return joined.collect(engine="in-memory") if isinstance(log, pl.DataFrame) else joined


def _check_columns(
    log: pl.Schema, outcomes: pl.Schema, keys: dict[str, str], label: str, known_at: str
) -> None:
    if not keys:
        raise JoinInvalid("name at least one column in `on`")
    for name in (*keys, label, known_at):
        if name not in outcomes:
            raise JoinInvalid(
                f"the outcomes have no column {name!r}.{nearest(name, outcomes)} "
                f"They have: {listing(list(outcomes))}"
            )
    for name, partner in keys.items():
        if partner not in log:
            known = [column.removeprefix(RAW) for column in log if column.startswith(RAW)]
            raise JoinInvalid(
                f"the log has no raw column {name!r}.{nearest(name, known)} "
                f"It has: key, {listing(known)}"
            )
        if log[partner] != outcomes[name]:
            raise JoinInvalid(
                f"{name!r} is {log[partner]} in the log, {outcomes[name]} in the outcomes"
            )
    dtype = outcomes[known_at]
    if not isinstance(dtype, pl.Datetime) or dtype.time_zone is None:
        raise JoinInvalid(f"{known_at!r} is {dtype}; give it a time zone, as the log's time has")
    if both := [name for name in (label, known_at) if name in log]:
        raise JoinInvalid(f"the log has a column {listing(both)} already; rename the outcomes'")


def _facts(
    outcomes: pl.DataFrame,
    keys: dict[str, str],
    label: str,
    known_at: str,
    as_of: dt.datetime | None,
) -> pl.DataFrame:
    """Return what is known, under the log's names, sorted by when it became so."""
    moment = pl.col(known_at).dt.convert_time_zone("UTC").cast(_UTC)
    named = (pl.col(name).alias(partner) for name, partner in keys.items())
    facts = outcomes.select(*named, pl.col(label), moment.alias(_KNOWN)).drop_nulls().sort(_KNOWN)
    if as_of is not None:
        facts = facts.filter(pl.col(_KNOWN) <= as_of)
    _refuse_twins(facts, list(keys.values()), known_at)
    return facts


def _refuse_twins(facts: pl.DataFrame, keys: list[str], known_at: str) -> None:
    twins = facts.filter(pl.struct(*keys, _KNOWN).is_duplicated())
    if twins.height:
        first = twins.row(0, named=True)
        example = ", ".join(f"{key.removeprefix(RAW)}={first[key]!r}" for key in keys)
        raise JoinInvalid(
            f"{twins.height:,} outcomes share key and {known_at!r} with another, such as "
            f"{example}, {known_at}={first[_KNOWN]}; keep one of each"
        )
