"""Holding a table against its contract.

Guarantee: every violation is reported at once, with counts and examples. One streaming Polars query
goes over the table once, whatever its size; only when rules are broken, a second one fetches
examples. `rows` and `bad_rows` together are the table, its order kept in both. Where it ends: rules
about a column that is missing or of another dtype are not evaluated; that violation is reported
instead. Uniqueness holds the distinct keys in memory.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import polars as pl

from dagrun.stages.validate.baseline import Baseline
from dagrun.stages.validate.broken import (
    MARK,
    Broken,
    NotComputable,
    broken_references,
    broken_rows,
    broken_rule,
)
from dagrun.stages.validate.checked import Checked, MomentMissing, TableMissing
from dagrun.stages.validate.contract import Contract
from dagrun.stages.validate.finding import (
    EXAMPLES,
    ContractViolation,
    Finding,
    Findings,
    plain,
)
from dagrun.stages.validate.shape import shape_findings
from dagrun.stages.validate.shift import Shift
from dagrun.stages.validate.staleness import age_findings, newest

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)
Tables = Mapping[str, pl.DataFrame | pl.LazyFrame]
_ROW = "\x00row"
_GRAVITY = ("stop", "quarantine", "warn", "note")
_logger = logging.getLogger(__name__)


def validate(
    frame: pl.DataFrame | pl.LazyFrame,
    contract: Contract,
    *,
    table: str = "table",
    references: Tables | None = None,
    baseline: Baseline | None = None,
    now: dt.datetime | None = None,
) -> pl.DataFrame:
    """Return the table's rows if it keeps the contract; warnings go to the stage's log.

    Takes what `check_table` takes. Rows cannot be set apart here: what would be is a violation.

    Raises:
        ContractViolation: it does not; the error lists every violation.
    """
    rows = frame.lazy().collect(engine="in-memory")
    checked = check_table(
        rows, contract, table=table, references=references, baseline=baseline, now=now
    )
    for finding in checked.findings.of("warn", "note"):
        _logger.warning("table %r: %s: %s", table, finding.severity, finding)
    violations = checked.findings.of("stop", "quarantine")
    if violations:
        raise ContractViolation(table, violations)
    return rows


def check_table(
    frame: Frame,
    contract: Contract,
    *,
    table: str = "table",
    references: Tables | None = None,
    baseline: Baseline | None = None,
    now: dt.datetime | None = None,
) -> Checked[Frame]:
    """Hold a table against its contract and return what may be used, what not, and why.

    Args:
        frame: the table; a lazy one is streamed, and its rows come back lazy.
        contract: what it must be.
        table: its name, for the report.
        references: the tables that `[[references]]` name.
        baseline: what `learn_baseline` made of a blessed table; `[baseline]` says how far off
            this one may be.
        now: the present moment, with its zone, for `[freshness]`.

    Raises:
        TableMissing: a table that the contract refers to is not among `references`.
        MomentMissing: the contract has `[freshness]`, and `now` is not given.
    """
    for to in contract.references:
        if to.table not in (references or {}):
            raise TableMissing(table, to.table, tuple(references or ()))
    if contract.freshness is not None and now is None:
        raise MomentMissing(table)
    check = _Check(frame, contract, table, references or {}, baseline, now)
    findings = check.findings()
    apart = [rule for rule in check.broken if rule.severity in ("quarantine", "stop")]
    parts = check.parted([rule for rule in apart if rule.share is None])
    if isinstance(frame, pl.LazyFrame):
        rows, bad_rows = parts
    else:
        rows, bad_rows = pl.collect_all(parts, engine="in-memory")
    return Checked(rows=rows, bad_rows=bad_rows, findings=findings)


class _Check:
    """One check of one table: its rules, and what they count."""

    def __init__(
        self,
        frame: pl.DataFrame | pl.LazyFrame,
        contract: Contract,
        table: str,
        references: Tables,
        baseline: Baseline | None,
        now: dt.datetime | None,
    ) -> None:
        self.frame, self.contract, self.table, self.now = frame.lazy(), contract, table, now
        self.schema = self.frame.collect_schema()
        self.time = (now or dt.datetime.now(dt.UTC)).astimezone(dt.UTC)
        self.others = {name: other.lazy() for name, other in references.items()}
        self.joined = self._with_references()
        self.unruly: list[Finding] = []
        self.rules = list(self._rules())
        self.shift = None if baseline is None else Shift.of(baseline, self.schema, contract)
        self.broken: list[Broken] = []

    def _rules(self) -> Iterator[Broken]:
        schemas = {name: other.collect_schema() for name, other in self.others.items()}
        yield from broken_rows(self.schema, self.contract)
        yield from broken_references(self.schema, self.contract, schemas)
        for rule in self.contract.rows:
            try:
                yield broken_rule(self.schema, self.contract, rule)
            except NotComputable as error:
                self.unruly.append(
                    self._finding(
                        rule="rows", expected=rule.rule, actual=f"it cannot be computed: {error}"
                    )
                )

    def _with_references(self) -> pl.LazyFrame:
        """Return the table with a mark for each reference whose key was found."""
        joined = self.frame
        for number, to in enumerate(self.contract.references):
            other = self.others[to.table]
            schema = other.collect_schema()
            if [self.schema.get(name) for name in to.columns] == [schema.get(n) for n in to.key]:
                keys = (
                    other.select(to.key).unique().with_columns(pl.lit(1).alias(f"{MARK}{number}"))
                )
                joined = joined.join(
                    keys,
                    left_on=to.columns,
                    right_on=to.key,
                    how="left",
                    maintain_order="left",
                )
        return joined

    def findings(self) -> Findings:
        """Go over the table once and return what was found."""
        measures = {f"rule {n}": rule.counted for n, rule in enumerate(self.rules)}
        if self.contract.freshness is not None:
            measures |= newest(self.contract.freshness, self.schema)
        if self.shift is not None:
            measures |= self.shift.measures
        query = self.joined.select(pl.len().alias("rows"), **measures)
        seen = query.collect(engine="streaming").row(0, named=True)
        height = seen["rows"]
        self.broken = [
            rule
            for n, rule in enumerate(self.rules)
            if (seen[f"rule {n}"] or 0) > (rule.share or 0) * height
        ]
        found = [
            *shape_findings(self.schema, self.contract, height, self._finding, self.others),
            *self.unruly,
            *self._counted(height),
        ]
        if self.contract.freshness is not None and self.now is not None:
            found += age_findings(self.contract, self.schema, seen, self.now, self._finding)
        if self.shift is not None:
            found += self.shift.findings(seen, height, self._finding)
        set_apart = self._set_apart()
        if set_apart > self.contract.max_bad_share * height:
            share = self.contract.max_bad_share
            found.append(
                self._finding(
                    rule="max_bad_share",
                    expected=f"at most {share:.4%} of the rows to be set apart",
                    actual=f"{set_apart:,} of {height:,} rows",
                    threshold=share,
                    count=set_apart,
                )
            )
        found.sort(key=lambda one: _GRAVITY.index(one.severity))
        return Findings(table=self.table, rows=height, bad_rows=set_apart, all=tuple(found))

    def _counted(self, height: int) -> Iterator[Finding]:
        """Yield the findings of the broken rules, with exact counts and examples."""
        numbered = self.joined.with_row_index(_ROW)
        queries = [
            query
            for rule in self.broken
            for query in (
                numbered.select(rule.bad.sum().alias("count")),
                numbered.filter(rule.bad).head(EXAMPLES).select(_ROW, value=rule.value),
            )
        ]
        frames = pl.collect_all(queries, engine="streaming") if queries else []
        for rule, counted, shown in zip(self.broken, frames[::2], frames[1::2], strict=True):
            count = counted.item()
            yield self._finding(
                rule=rule.rule,
                column=rule.column,
                severity=rule.severity,
                expected=rule.expected,
                actual=f"{count:,} of {height:,} rows",
                threshold=rule.threshold,
                count=count,
                examples=tuple((row, plain(value)) for row, value in shown.sort(_ROW).rows()),
            )

    def _set_apart(self) -> int:
        bad = [rule.bad for rule in self.broken if rule.severity == "quarantine"]
        if not bad:
            return 0
        counted = self.joined.select(pl.any_horizontal(bad).sum())
        return int(counted.collect(engine="streaming").item() or 0)

    def parted(self, broken: list[Broken]) -> tuple[pl.LazyFrame, pl.LazyFrame]:
        """Return the rows that break none of these rules, and those that break some."""
        own = [pl.col(name) for name in self.schema]
        numbered = self.joined.with_row_index("row_number")
        if not broken:
            nothing = numbered.with_columns(broken_rules=pl.lit(None, pl.String)).head(0)
            return self.frame, nothing.select("row_number", "broken_rules", *own)
        said = pl.concat_str(
            *(
                pl.when(rule.bad).then(pl.lit(f"{rule.column}: {rule.rule}".removeprefix(": ")))
                for rule in broken
            ),
            separator="; ",
            ignore_nulls=True,
        )
        bad = pl.any_horizontal([rule.bad for rule in broken]).fill_null(False)
        bad_rows = numbered.with_columns(broken_rules=said).filter(bad)
        return (
            self.joined.filter(~bad).select(own),
            bad_rows.select("row_number", "broken_rules", *own),
        )

    def _finding(self, **said: Any) -> Finding:
        return replace(
            Finding(table=self.table, rule="", expected="", actual="", time=self.time), **said
        )
