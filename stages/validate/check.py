"""Holding a table against its contract.

Guarantee: a table that passes is returned as it is, row order kept; for one that does not, every
violation is reported at once, with counts and examples. All row rules run in one Polars query.
Where it ends: rules about a column that is missing or of another dtype are not evaluated; that
violation is reported instead.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from dagrun.engine.errors import DagrunError, listing, nearest
from dagrun.stages.validate.contract import DTYPES, Bound, ColumnRules, Contract

EXAMPLES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One broken rule.

    Attributes:
        table: the table's name.
        rule: the contract's key, such as `"min"` or `"unique"`.
        column: the column, several joined by commas, or "" for the table as a whole.
        expected: what the contract asks for; `actual` what was found.
        count: number of offending rows (or columns), 0 for the table as a whole.
        examples: the first of them as `(row number from 0, value)`.
    """

    table: str
    rule: str
    column: str
    expected: str
    actual: str
    count: int = 0
    examples: tuple[tuple[int, Any], ...] = ()

    def __str__(self) -> str:
        of = f"column {self.column}: " if self.column else ""
        shown = ", ".join(f"{value!r} in row {row}" for row, value in self.examples)
        return f"{of}{self.rule}: expected {self.expected}, found {self.actual}" + (
            f" (such as {shown})" if shown else ""
        )


class ContractViolation(DagrunError):
    """A table breaks its contract."""

    def __init__(self, table: str, violations: tuple[Violation, ...]) -> None:
        self.table, self.violations = table, violations
        rules = "rule" if len(violations) == 1 else "rules"
        listed = "".join(f"\n  {violation}" for violation in violations)
        super().__init__(
            f"table {table!r} breaks {len(violations)} {rules} of its contract:{listed}\n"
            "Mend the data, or change the contract if the data is right. Rows count from 0"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _RowRule:
    """Rows for which `bad` is true break the rule, if there are more than `spared` of them."""

    rule: str
    column: str
    expected: str
    bad: pl.Expr
    value: pl.Expr
    spared: float = 0.0


def validate(
    frame: pl.DataFrame | pl.LazyFrame, contract: Contract, *, table: str = "table"
) -> pl.DataFrame:
    """Return the table's rows if it keeps the contract.

    Args:
        frame: the table.
        contract: what it must be.
        table: its name, for the report.

    Raises:
        ContractViolation: it does not; the error lists every violation.
    """
    rows = frame.lazy().collect(engine="in-memory")
    violations = (
        *_table_violations(rows, contract, table),
        *_dtype_violations(rows, contract, table),
        *_row_violations(rows, list(_row_rules(rows, contract)), table),
    )
    if violations:
        raise ContractViolation(table, violations)
    return rows


def _table_violations(rows: pl.DataFrame, contract: Contract, table: str) -> Iterator[Violation]:
    if rows.height < contract.min_rows:
        yield Violation(
            table=table,
            rule="min_rows",
            column="",
            expected=f"at least {contract.min_rows:,} rows",
            actual=f"{rows.height:,}",
        )
    if contract.max_rows is not None and rows.height > contract.max_rows:
        yield Violation(
            table=table,
            rule="max_rows",
            column="",
            expected=f"at most {contract.max_rows:,} rows",
            actual=f"{rows.height:,}",
        )
    known = [rules.name for rules in contract.columns]
    extra = [name for name in rows.columns if name not in known]
    if extra and not contract.extra_columns:
        yield Violation(
            table=table,
            rule="extra_columns",
            column="",
            expected="no other columns than those listed",
            actual=listing(extra),
            count=len(extra),
        )


def _dtype_violations(rows: pl.DataFrame, contract: Contract, table: str) -> Iterator[Violation]:
    for rules in contract.columns:
        dtype = rows.schema.get(rules.name)
        if dtype is None and rules.required:
            yield Violation(
                table=table,
                rule="required",
                column=rules.name,
                expected="the column to be there",
                actual=f"no such column.{nearest(rules.name, rows.columns)}",
            )
        elif dtype is not None and not _has_dtype(dtype, rules):
            zone = {True: " with a time zone", False: " without a time zone", None: ""}
            yield Violation(
                table=table,
                rule="dtype",
                column=rules.name,
                expected=f"{rules.dtype}{zone[_wants_zone(rules)]}",
                actual=str(dtype),
                count=rows.height,
            )


def _has_dtype(dtype: pl.DataType, rules: ColumnRules) -> bool:
    if rules.dtype is not None and dtype not in DTYPES[rules.dtype]:
        return False
    wants_zone = _wants_zone(rules)
    if wants_zone is None or not isinstance(dtype, pl.Datetime):
        return True
    return wants_zone == (dtype.time_zone is not None)


def _wants_zone(rules: ColumnRules) -> bool | None:
    """Whether bounds with an offset ask for a column with a time zone; None without such bounds."""
    zones = {
        getattr(bound, "tzinfo", None) is not None for bound in (rules.min, rules.max) if bound
    }
    return zones.pop() if rules.dtype == "timestamp" and zones else None


def _row_rules(rows: pl.DataFrame, contract: Contract) -> Iterator[_RowRule]:
    usable = set()
    for rules in contract.columns:
        dtype = rows.schema.get(rules.name)
        if dtype is not None and _has_dtype(dtype, rules):
            usable.add(rules.name)
            yield from _column_rules(rules, dtype, rows.height)
    for key in contract.unique:
        if usable.issuperset(key):
            together = pl.struct(key)
            yield _RowRule(
                rule="unique",
                column=", ".join(key),
                expected="no two rows alike in these columns",
                bad=together.is_duplicated(),
                value=together,
            )
    for rule in contract.sums:
        if usable.issuperset((rule.total, *rule.parts)):
            total, *parts = (pl.col(name).cast(pl.Float64) for name in (rule.total, *rule.parts))
            yield _RowRule(
                rule="sums",
                column=rule.total,
                expected=f"{' + '.join(rule.parts)} within {rule.tolerance:g}",
                bad=(total - sum(parts, pl.lit(0.0))).abs() > rule.tolerance,
                value=pl.struct(rule.total, *rule.parts),
            )


def _column_rules(rules: ColumnRules, dtype: pl.DataType, height: int) -> Iterator[_RowRule]:
    value = pl.col(rules.name)
    present = value.is_not_null() & value.is_not_nan() if dtype.is_float() else value.is_not_null()

    def rule(name: str, expected: str, bad: pl.Expr, spared: float = 0.0) -> _RowRule:
        return _RowRule(
            rule=name, column=rules.name, expected=expected, bad=bad, value=value, spared=spared
        )

    if not rules.nullable:
        yield rule("nullable", "no nulls", ~present)
    elif rules.max_null_share is not None:
        share = rules.max_null_share
        yield rule("max_null_share", f"at most {share:.4%} nulls", ~present, share * height)
    if rules.min is not None:
        yield rule("min", f"at least {rules.min}", present & (value < _bound(rules.min, dtype)))
    if rules.max is not None:
        yield rule("max", f"at most {rules.max}", present & (value > _bound(rules.max, dtype)))
    if rules.allowed is not None:
        one_of = listing([repr(allowed) for allowed in rules.allowed])
        yield rule("allowed", f"one of {one_of}", present & ~value.is_in(list(rules.allowed)))
    if rules.pattern is not None:
        bad = present & ~value.str.contains(rules.pattern)
        yield rule("pattern", f"text like {rules.pattern}", bad)
    if rules.unique:
        yield rule("unique", "no value twice", present & value.is_duplicated())


def _bound(bound: Bound, dtype: pl.DataType) -> Bound:
    """Return the bound as Polars compares it: a moment in the column's own zone."""
    zone = dtype.time_zone if isinstance(dtype, pl.Datetime) else None
    return bound.astimezone(ZoneInfo(zone)) if zone and isinstance(bound, dt.datetime) else bound


def _row_violations(rows: pl.DataFrame, rules: list[_RowRule], table: str) -> Iterator[Violation]:
    if not rules:
        return
    counts = rows.select(rule.bad.sum().alias(str(n)) for n, rule in enumerate(rules)).row(0)
    for rule, count in zip(rules, counts, strict=True):
        if not count or count <= rule.spared:
            continue
        numbered = rows.lazy().with_row_index("row").filter(rule.bad).head(EXAMPLES)
        examples = numbered.select("row", value=rule.value).collect(engine="in-memory")
        yield Violation(
            table=table,
            rule=rule.rule,
            column=rule.column,
            expected=rule.expected,
            actual=f"{count:,} of {rows.height:,} rows",
            count=count,
            examples=tuple(examples.rows()),
        )
