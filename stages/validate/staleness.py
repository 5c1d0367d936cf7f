"""How old a table is, by the newest moment of one column."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import polars as pl

from dagrun.stages.validate.contract import Contract
from dagrun.stages.validate.finding import Finding
from dagrun.stages.validate.rules import Freshness

_NEWEST = "newest"


def newest(rule: Freshness, schema: pl.Schema) -> dict[str, pl.Expr]:
    """Return what to compute for the rule; nothing where the column is no time."""
    dtype = schema.get(rule.column)
    if dtype is None or not isinstance(dtype, pl.Date | pl.Datetime):
        return {}
    return {_NEWEST: pl.col(rule.column).max()}


def age_findings(
    contract: Contract,
    schema: pl.Schema,
    seen: Mapping[str, Any],
    now: dt.datetime,
    report: Callable[..., Finding],
) -> Iterator[Finding]:
    """Yield what is wrong with the table's age; `seen` holds what `newest` asked for."""
    rule = contract.freshness
    if rule is None or rule.column not in schema:
        return
    severity = contract.grade("freshness", rule.severity, rows=False)
    expected = f"the newest to be at most {_length(rule.max_age)} old"
    if _NEWEST not in seen:
        actual = f"{schema[rule.column]}, which is no time"
        yield report(
            rule="max_age", column=rule.column, severity=severity, expected=expected, actual=actual
        )
        return
    last = _moment(seen[_NEWEST])
    age = None if last is None else now - last
    if last is None or age is None or age > rule.max_age:
        actual = "no time at all" if last is None else f"{_length(age)}, from {last.isoformat()}"
        yield report(
            rule="max_age",
            column=rule.column,
            severity=severity,
            expected=expected,
            actual=actual,
            threshold=rule.max_age.total_seconds(),
        )
        return
    ahead = _moment(seen[_NEWEST], dt.time.min) or last
    if rule.max_ahead is not None and ahead - now > rule.max_ahead:
        yield report(
            rule="max_ahead",
            column=rule.column,
            severity=severity,
            expected=f"nothing more than {_length(rule.max_ahead)} in the future",
            actual=f"{_length(ahead - now)} ahead, {ahead.isoformat()}",
            threshold=rule.max_ahead.total_seconds(),
        )


def _moment(
    value: dt.date | dt.datetime | None, of_day: dt.time = dt.time.max
) -> dt.datetime | None:
    if isinstance(value, dt.datetime):
        return (value if value.tzinfo else value.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
    if value is None:
        return None
    return dt.datetime.combine(value, of_day, dt.UTC)


def _length(span: dt.timedelta | None) -> str:
    hours = (span or dt.timedelta()).total_seconds() / 3_600
    if abs(hours) >= 48:
        return f"{hours / 24:.1f} days"
    return f"{hours:.1f} hours" if abs(hours) >= 1 else f"{hours * 60:.1f} minutes"
