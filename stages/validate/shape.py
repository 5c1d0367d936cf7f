"""Findings about the shape of a table: its columns, their dtypes, the number of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import polars as pl

from dagrun.engine.errors import listing, nearest
from dagrun.stages.validate.broken import has_dtype, wants_zone
from dagrun.stages.validate.contract import Contract
from dagrun.stages.validate.finding import Finding
from dagrun.stages.validate.rules import Reference

Report = Callable[..., Finding]


def shape_findings(
    schema: pl.Schema,
    contract: Contract,
    height: int,
    report: Report,
    others: Mapping[str, pl.LazyFrame],
) -> Iterator[Finding]:
    """Yield what is wrong with the table as a whole; `report` makes a finding."""
    yield from _table(schema, contract, height, report)
    yield from _dtypes(schema, contract, height, report)
    for to in contract.references:
        yield from _reference(schema, contract, to, others[to.table].collect_schema(), report)


def _table(schema: pl.Schema, contract: Contract, height: int, report: Report) -> Iterator[Finding]:
    def grade(rule: str) -> str:
        return contract.grade(rule, contract.severity, rows=False)

    if height < contract.min_rows:
        yield report(
            rule="min_rows",
            severity=grade("min_rows"),
            expected=f"at least {contract.min_rows:,} rows",
            actual=f"{height:,}",
            threshold=contract.min_rows,
        )
    if contract.max_rows is not None and height > contract.max_rows:
        yield report(
            rule="max_rows",
            severity=grade("max_rows"),
            expected=f"at most {contract.max_rows:,} rows",
            actual=f"{height:,}",
            threshold=contract.max_rows,
        )
    known = [rules.name for rules in contract.columns]
    extra = [name for name in schema if name not in known]
    if extra and not contract.extra_columns:
        yield report(
            rule="extra_columns",
            severity=grade("extra_columns"),
            expected="no other columns than those listed",
            actual=listing(extra),
            count=len(extra),
        )


def _dtypes(
    schema: pl.Schema, contract: Contract, height: int, report: Report
) -> Iterator[Finding]:
    for rules in contract.columns:
        dtype = schema.get(rules.name)
        if dtype is None and rules.required:
            yield report(
                rule="required",
                column=rules.name,
                severity=contract.grade("required", rules.severity, rows=False),
                expected="the column to be there",
                actual=f"no such column.{nearest(rules.name, schema)}",
            )
        elif dtype is not None and not has_dtype(dtype, rules):
            zone = {True: " with a time zone", False: " without a time zone", None: ""}
            yield report(
                rule="dtype",
                column=rules.name,
                severity=contract.grade("dtype", rules.severity, rows=False),
                expected=f"{rules.dtype}{zone[wants_zone(rules)]}",
                actual=str(dtype),
                count=height,
            )


def _reference(
    schema: pl.Schema, contract: Contract, to: Reference, other: pl.Schema, report: Report
) -> Iterator[Finding]:
    for here, there in zip(to.columns, to.key, strict=True):
        if here in schema and schema[here] != other.get(there):
            found = other.get(there)
            yield report(
                rule="references",
                column=here,
                severity=contract.grade("references", to.severity, rows=False),
                expected=f"{there} of {to.table} to be {schema[here]} as well",
                actual=f"no such column.{nearest(there, other)}" if found is None else str(found),
            )
