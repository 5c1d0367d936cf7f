"""Rules about rows as Polars expressions: which rows break each of them.

Guarantee: an expression is true for the rows that break its rule and false or null for all others;
every rule that a column's dtype allows has one. Where it ends: rules about a column that is missing
or of another dtype have none; that is a finding of its own.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import polars as pl
from polars.exceptions import PolarsError

from dagrun.engine.errors import listing
from dagrun.stages.validate.contract import Contract
from dagrun.stages.validate.expression import columns_of, compile_rule, read_rule
from dagrun.stages.validate.finding import Severity
from dagrun.stages.validate.rules import DTYPES, Bound, ColumnRules, RowRule

MARK = "\x00reference "
"""Names of the columns, one for each reference, that tell whether its key was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """Rows for which `bad` is true break the rule.

    Attributes:
        rule: the contract's key; `column` the column, or several.
        severity: how grave that is; `expected` what the contract asks for.
        bad: true for the rows that break it.
        value: what is shown of such a row.
        repeats: for a rule of uniqueness: how many values too many there are, 0 if it holds.
        share: the share of rows that may break it, or None if none may.
        threshold: see `Finding`.
    """

    rule: str
    column: str
    severity: Severity
    expected: str
    bad: pl.Expr
    value: pl.Expr
    repeats: pl.Expr | None = None
    share: float | None = None
    threshold: object = None

    @property
    def counted(self) -> pl.Expr:
        """The number that is 0 if no row breaks the rule, at the least cost."""
        return self.bad.sum() if self.repeats is None else self.repeats


class NotComputable(ValueError):
    """A row rule does not go with the dtypes of its columns."""


def has_dtype(dtype: pl.DataType, rules: ColumnRules) -> bool:
    """Tell whether a column has the dtype that its rules ask for."""
    if rules.dtype is not None and dtype not in DTYPES[rules.dtype]:
        return False
    zone = wants_zone(rules)
    if zone is None or not isinstance(dtype, pl.Datetime):
        return True
    return zone == (dtype.time_zone is not None)


def wants_zone(rules: ColumnRules) -> bool | None:
    """Whether bounds with an offset ask for a column with a time zone; None without such bounds."""
    zones = {
        getattr(bound, "tzinfo", None) is not None for bound in (rules.min, rules.max) if bound
    }
    return zones.pop() if rules.dtype == "timestamp" and zones else None


def broken_rows(schema: pl.Schema, contract: Contract) -> Iterator[Broken]:
    """Yield every rule about rows that these columns can be held to, row rules left out."""
    usable = set()
    for rules in contract.columns:
        dtype = schema.get(rules.name)
        if dtype is not None and has_dtype(dtype, rules):
            usable.add(rules.name)
            yield from _column(rules, dtype, contract)
    for key in contract.unique:
        if usable.issuperset(key):
            together = pl.struct(key)
            yield Broken(
                rule="unique",
                column=", ".join(key),
                severity=contract.grade("unique", contract.severity),
                expected="no two rows alike in these columns",
                bad=together.is_duplicated(),
                value=together,
                repeats=pl.len() - (together if len(key) > 1 else pl.col(key)).n_unique(),
            )
    for rule in contract.sums:
        if usable.issuperset((rule.total, *rule.parts)):
            total, *parts = (pl.col(name).cast(pl.Float64) for name in (rule.total, *rule.parts))
            yield Broken(
                rule="sums",
                column=rule.total,
                severity=contract.grade("sums", rule.severity),
                expected=f"{' + '.join(rule.parts)} within {rule.tolerance:g}",
                bad=(total - sum(parts, pl.lit(0.0))).abs() > rule.tolerance,
                value=pl.struct(rule.total, *rule.parts),
                threshold=rule.tolerance,
            )


def broken_references(
    schema: pl.Schema, contract: Contract, others: Mapping[str, pl.Schema]
) -> Iterator[Broken]:
    """Yield the rules about keys of other tables, for rows that have the columns of `MARK`."""
    for number, to in enumerate(contract.references):
        here = [schema.get(name) for name in to.columns]
        there = [others[to.table].get(name) for name in to.key]
        if None not in here and here == there:
            together = pl.struct(to.columns) if len(to.columns) > 1 else pl.col(*to.columns)
            known = pl.all_horizontal(pl.col(to.columns).is_not_null())
            yield Broken(
                rule="references",
                column=", ".join(to.columns),
                severity=contract.grade("references", to.severity),
                expected=f"to be in {to.table} as {', '.join(to.key)}",
                bad=known & pl.col(f"{MARK}{number}").is_null(),
                value=together,
            )


def broken_rule(schema: pl.Schema, contract: Contract, rule: RowRule) -> Broken:
    """Return one of `[[rows]]`. Raises `NotComputable`."""
    read = read_rule(rule.rule)
    names = columns_of(read)
    holds = compile_rule(read, schema)
    try:
        empty = pl.DataFrame(schema=schema).select(holds.alias("holds"))
    except PolarsError as error:
        raise NotComputable(str(error).partition("\n")[0]) from error
    if empty.schema["holds"] != pl.Boolean:
        raise NotComputable(f"it gives {empty.schema['holds']}, neither true nor false")
    return Broken(
        rule="rows",
        column=", ".join(names),
        severity=contract.grade("rows", rule.severity),
        expected=rule.rule + (f" ({rule.name})" if rule.name else ""),
        bad=~holds,
        value=pl.struct(names) if len(names) > 1 else pl.col(names),
    )


def _column(rules: ColumnRules, dtype: pl.DataType, contract: Contract) -> Iterator[Broken]:
    value = pl.col(rules.name)
    numbers = value.fill_nan(None) if dtype.is_float() else value
    missing = value.is_null() | value.is_nan() if dtype.is_float() else value.is_null()

    def rule(name: str, expected: str, bad: pl.Expr, threshold: object = None) -> Broken:
        severity = contract.grade(name, rules.severity)
        return Broken(
            rule=name,
            column=rules.name,
            severity=severity,
            expected=expected,
            bad=bad,
            value=value,
            threshold=threshold,
        )

    if not rules.nullable:
        yield rule("nullable", "no nulls", missing)
    elif rules.max_null_share is not None:
        share = rules.max_null_share
        yield Broken(
            rule="max_null_share",
            column=rules.name,
            severity=contract.grade("max_null_share", rules.severity, rows=False),
            expected=f"at most {share:.4%} nulls",
            bad=missing,
            value=value,
            share=share,
            threshold=share,
        )
    if rules.min is not None:
        least = _bound(rules.min, dtype)
        yield rule("min", f"at least {rules.min}", numbers < least, rules.min)
    if rules.max is not None:
        most = _bound(rules.max, dtype)
        yield rule("max", f"at most {rules.max}", numbers > most, rules.max)
    if rules.allowed is not None:
        one_of = listing([repr(allowed) for allowed in rules.allowed])
        yield rule("allowed", f"one of {one_of}", ~numbers.is_in(list(rules.allowed)))
    if rules.pattern is not None:
        yield rule("pattern", f"text like {rules.pattern}", ~value.str.contains(rules.pattern))
    if rules.unique:
        yield Broken(
            rule="unique",
            column=rules.name,
            severity=contract.grade("unique", rules.severity),
            expected="no value twice",
            bad=numbers.is_not_null() & numbers.is_duplicated(),
            value=value,
            repeats=numbers.count() - numbers.drop_nulls().n_unique(),
        )


def _bound(bound: Bound, dtype: pl.DataType) -> Bound:
    """Return the bound as Polars compares it: a moment in the column's own zone."""
    zone = dtype.time_zone if isinstance(dtype, pl.Datetime) else None
    return bound.astimezone(ZoneInfo(zone)) if zone and isinstance(bound, dt.datetime) else bound
