"""How far a table is from its baseline, and whether that is more than chance.

Guarantee: what is compared goes into the one query of the check. A distance counts only if it is
beyond its threshold AND beyond what two samples of these sizes from one distribution would show
(the 0.99997 quantile), so that a small day raises no alarm. Under 500 present values, on either
side, it says "insufficient data" and compares nothing. Where it ends: columns one by one; what
changed only in how two columns go together is not seen.

- Distance of distributions: PSI = sum((p - q) ln(p / q)) over ten bins of equal baseline shares
  (Siddiqi 2006; 0.1 is a moderate, 0.2 a great change), shares held at 1/10,000 at least; or the
  Jensen-Shannon distance, sqrt(JS) to base 2 (Lin 1991).
- Its chance: for two samples of one distribution, PSI / (1/n + 1/m) is chi-squared with one degree
  of freedom less than bins; its quantile by Wilson and Hilferty 1931; JS to base 2 is near
  PSI / (8 ln 2).
- Means and shares of nulls: five standard errors.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from dagrun.stages.validate.baseline import Baseline, Profile, measured, present
from dagrun.stages.validate.contract import Contract
from dagrun.stages.validate.finding import Finding, Severity
from dagrun.stages.validate.rules import BaselineRules

LEAST = 500
"""Present values, on both sides, under which distributions are not compared."""
_FLOOR = 1e-4
_NORMAL = 4.0
_ERRORS = 5.0
Report = Callable[..., Finding]


def psi(expected: Sequence[float], actual: Sequence[float]) -> float:
    """Return the population stability index of two lists of shares."""
    pairs = [(max(p, _FLOOR), max(q, _FLOOR)) for p, q in zip(expected, actual, strict=True)]
    return sum((q - p) * math.log(q / p) for p, q in pairs)


def js(expected: Sequence[float], actual: Sequence[float]) -> float:
    """Return the Jensen-Shannon distance of two lists of shares: 0 for equal ones, at most 1."""

    def against(shares: Sequence[float]) -> float:
        return sum(
            p * math.log2(2 * p / (a + b))
            for p, a, b in zip(shares, expected, actual, strict=True)
            if p
        )

    return math.sqrt(max(0.0, (against(expected) + against(actual)) / 2))


def chance(bins: int, n: int, m: int, measure: str) -> float:
    """Return the distance that two samples of one distribution hardly ever exceed."""
    free = max(bins - 1, 1)
    cube = 1 - 2 / (9 * free) + _NORMAL * math.sqrt(2 / (9 * free))
    by_chance = free * cube**3 * (1 / n + 1 / m)
    return by_chance if measure == "psi" else math.sqrt(by_chance / (8 * math.log(2)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """The comparison of one table with its baseline: what to compute, and what to say of it."""

    baseline: Baseline
    rules: BaselineRules
    schema: pl.Schema
    severity: Severity
    profiles: tuple[Profile, ...]
    gone: tuple[str, ...]

    @classmethod
    def of(cls, baseline: Baseline, schema: pl.Schema, contract: Contract) -> Shift:
        """Return what to compare of a table with this schema."""
        rules = contract.baseline or BaselineRules()
        chosen = [
            one for one in baseline.columns if rules.columns is None or one.name in rules.columns
        ]
        listed = [column.name for column in contract.columns]
        comparable = [one for one in chosen if one.name in schema and _fits(one, schema[one.name])]
        return cls(
            baseline=baseline,
            rules=rules,
            schema=schema,
            severity=contract.grade("baseline", rules.severity, rows=False),
            profiles=tuple(comparable),
            gone=tuple(
                one.name for one in chosen if one not in comparable and one.name not in listed
            ),
        )

    @property
    def measures(self) -> dict[str, pl.Expr]:
        """What the check's query computes for the comparison."""
        found: dict[str, pl.Expr] = {}
        for n, one in enumerate(self.profiles):
            value = present(pl.col(one.name), self.schema[one.name])
            found[f"shift {n} present"] = value.count()
            if one.kind == "category":
                text = value.cast(pl.String)
                known = pl.when(text.is_in(list(one.categories))).then(text)
                found[f"shift {n} counts"] = known.drop_nulls().value_counts().implode()
            elif one.edges:
                number = measured(value, one.kind)
                found[f"shift {n} mean"] = number.mean()
                for k, edge in enumerate(one.edges):
                    found[f"shift {n} below {k}"] = (number < edge).sum()
        return found

    def findings(self, seen: Mapping[str, Any], height: int, report: Report) -> Iterator[Finding]:
        """Yield what is too far from the baseline; `seen` holds the measures."""
        yield from self._volume(height, report)
        for name in self.gone:
            found = str(self.schema.get(name, "no such column"))
            yield report(
                rule="baseline.column",
                column=name,
                severity=self.severity,
                expected="a column like the baseline's",
                actual=found,
            )
        few = []
        for n, one in enumerate(self.profiles):
            count = seen[f"shift {n} present"]
            if min(self.baseline.rows, height) >= LEAST:
                yield from self._nulls(one, height - count, height, report)
            if one.kind == "other":
                continue
            if min(one.present, count) < LEAST:
                few.append(one.name)
                continue
            yield from self._column(n, one, seen, count, report)
        if few:
            yield report(
                rule="baseline",
                column=", ".join(few),
                severity="note",
                expected=f"at least {LEAST} values, here and in the baseline",
                actual="insufficient data: their distributions were not compared",
                threshold=LEAST,
            )

    def _volume(self, height: int, report: Report) -> Iterator[Finding]:
        usual = self.baseline.rows / self.baseline.batches
        low, high = (factor * usual for factor in self.rules.rows)
        if not low <= height <= high:
            yield report(
                rule="baseline.rows",
                severity=self.severity,
                expected=f"{low:,.0f} to {high:,.0f} rows",
                actual=f"{height:,}; the baseline has {usual:,.0f}",
                threshold=low if height < low else high,
            )

    def _nulls(self, one: Profile, nulls: int, height: int, report: Report) -> Iterator[Finding]:
        share, limit = nulls / height, self.rules.null_share
        both = (share * height + one.null_share * self.baseline.rows) / (
            height + self.baseline.rows
        )
        error = math.sqrt(both * (1 - both) * (1 / height + 1 / self.baseline.rows))
        if abs(share - one.null_share) > max(limit, _ERRORS * error):
            yield report(
                rule="baseline.null_share",
                column=one.name,
                severity=self.severity,
                expected=f"about {one.null_share:.2%} nulls, give or take {limit:.2%}",
                actual=f"{share:.2%}",
                threshold=limit,
                count=nulls,
            )

    def _column(
        self, n: int, one: Profile, seen: Mapping[str, Any], count: int, report: Report
    ) -> Iterator[Finding]:
        if one.kind == "category":
            counted = {each[one.name]: each["count"] for each in seen[f"shift {n} counts"]}
            counts = [counted.get(category, 0) for category in one.categories]
            new = count - sum(counts)
            if new > self.rules.new_categories * count:
                yield report(
                    rule="baseline.new_categories",
                    column=one.name,
                    severity=self.severity,
                    expected=f"at most {self.rules.new_categories:.2%} unknown to the baseline",
                    actual=f"{new:,} of {count:,} values",
                    threshold=self.rules.new_categories,
                    count=new,
                )
            labels = [*one.categories, "any other"]
            yield from self._distance(
                one, [*one.shares, 0.0], [*counts, new], labels, count, report
            )
            return
        yield from self._mean(one, seen[f"shift {n} mean"], count, report)
        below = [0, *(seen[f"shift {n} below {k}"] for k in range(len(one.edges))), count]
        counts = [high - low for low, high in itertools.pairwise(below)]
        edges = [f"{edge:.6g}" for edge in one.edges]
        of = "length " if one.kind == "length" else ""
        labels = [
            f"{of}below {edges[0]}",
            *(f"{of}{a} to {b}" for a, b in itertools.pairwise(edges)),
            f"{of}from {edges[-1]}",
        ]
        yield from self._distance(one, one.shares, counts, labels, count, report)

    def _mean(self, one: Profile, mean: float, count: int, report: Report) -> Iterator[Finding]:
        before, std = one.mean or 0.0, one.std or 0.0
        error = std * math.sqrt(1 / count + 1 / one.present)
        close = math.isclose(mean, before, rel_tol=1e-9)
        if not close and abs(mean - before) > max(self.rules.mean * std, _ERRORS * error):
            of = "mean length" if one.kind == "length" else "mean"
            yield report(
                rule="baseline.mean",
                column=one.name,
                severity=self.severity,
                expected=f"a {of} near {before:.6g}, within {self.rules.mean * std:.4g}",
                actual=f"{mean:.6g}",
                threshold=self.rules.mean,
            )

    def _distance(
        self,
        one: Profile,
        expected: Sequence[float],
        counts: Sequence[int],
        labels: Sequence[str],
        count: int,
        report: Report,
    ) -> Iterator[Finding]:
        rules, actual = self.rules, [each / count for each in counts]
        far = (psi if rules.measure == "psi" else js)(expected, actual)
        if far <= max(rules.warn, chance(len(counts), count, one.present, rules.measure)):
            return
        stops = far > rules.stop
        most = max(range(len(counts)), key=lambda k: abs(actual[k] - expected[k]))
        change = f"{labels[most]}: {expected[most]:.1%} before, {actual[most]:.1%} now"
        limit = rules.stop if stops else rules.warn
        yield report(
            rule=f"baseline.{rules.measure}",
            column=one.name,
            severity=self.severity if stops else "warn",
            expected=f"a distribution like the baseline's, {rules.measure.upper()} up to {limit:g}",
            actual=f"{far:.3f}; most changed is {change}",
            threshold=limit,
        )


def _fits(one: Profile, dtype: pl.DataType) -> bool:
    if one.kind == "number":
        return dtype.is_numeric()
    if one.kind == "length":
        return dtype == pl.String
    return one.kind == "other" or dtype in (pl.String, pl.Boolean)
