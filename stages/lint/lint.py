"""Linting one op: both twins of a fitted op and the Python of its class.

Guarantee: an empty answer means that every part of the batch twin is of a sort that was measured
to give the same bits in every setting, and that nothing in the row twin or the fit is known to
differ. Where it ends: the linter knows forms, not values; whether both twins compute the same is
for the proof to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from dagrun.stages.lint import expression, row
from dagrun.stages.lint.finding import Finding, NotParitySafe, Place, VouchedUnknown
from dagrun.stages.lint.part import input_name
from dagrun.stages.lint.rules import RULES
from dagrun.stages.lint.source import refused_of
from dagrun.stages.ops.kind import Kind
from dagrun.stages.ops.op import Op


def lint(op: Op, kinds: Sequence[Kind]) -> tuple[Finding, ...]:
    """Return what in a fitted op is not parity-safe and not vouched for.

    `kinds` are those of its inputs. Raises `VouchedUnknown`, and whatever the op's own methods do.
    """
    for rule, reason in op.vouched:
        if rule not in RULES or not reason.strip():
            raise VouchedUnknown(op.op, rule, RULES)
    return tuple(dict.fromkeys(found for found in _findings(op, kinds) if not _vouched(op, found)))


def require(op: Op, feature: str, kinds: Sequence[Kind]) -> None:
    """Raise `NotParitySafe` unless the linter finds nothing in a fitted op."""
    if findings := lint(op, kinds):
        raise NotParitySafe(feature, findings)


def _vouched(op: Op, finding: Finding) -> bool:
    return finding.rule in dict(op.vouched)


def _findings(op: Op, kinds: Sequence[Kind]) -> Iterator[Finding]:
    made = op.batch([pl.col(input_name(place)) for place in range(len(kinds))])
    expressions = [made] if isinstance(made, pl.Expr) else made
    twins: list[tuple[Place, Iterator[tuple[str, str]]]] = [
        ("batch", expression.refused(expressions, kinds, row_exact=op.row_exact)),
        ("fit", refused_of(type(op))),
    ]
    if op.row_exact:
        twins.insert(1, ("row", row.refused(op, kinds)))
    for place, found in twins:
        for rule, part in found:
            yield Finding(op=op.op, place=place, part=part, rule=rule)
