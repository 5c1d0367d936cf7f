"""Renewing the frozen tables of a bundle without training: a new bundle, or a refusal with numbers.

Guarantee: the model's bytes, the threshold and every feature's meaning stay; only tables that ops
call renewable are fitted anew, on the rows given. The new bundle has golden rows of its own, a
lineage that names the old bundle and the rows' digest, and predictions within declared limits of
the old one's, both on those rows and on the old golden rows. Equal bundle, rows and limits give an
equal bundle. The limit: its metrics are those of the shift, since the old ones were measured with
the old tables; whether predictions became better needs labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

import polars as pl

from dagrun.engine.context import Context
from dagrun.engine.errors import DagrunError
from dagrun.engine.frames.tabledigest import digest_table
from dagrun.engine.stage import Verdict
from dagrun.stages.bundle.bundle import Bundle, Lineage
from dagrun.stages.bundle.golden import check
from dagrun.stages.bundle.golden_rows import record
from dagrun.stages.bundle.registry import REFRESHED
from dagrun.stages.bundle.shift import NoRows, Shift, ShiftLimits, prediction_shift
from dagrun.stages.features.refresh import refresh_spec

COMPARED = 20_000
"""At most so many of the rows, evenly spaced, are predicted with both bundles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """A refreshed bundle, and what it does to predictions.

    Attributes:
        bundle: the new bundle.
        shifts: the shift on the rows given (`"the rows"`) and on the old bundle's golden rows
            (`"the golden rows"`), whose hard cases count, too.
        verdict: what the limits say about them.
    """

    bundle: Bundle
    shifts: Mapping[str, Shift]
    verdict: Verdict


class RefreshRefused(DagrunError):
    """A refreshed bundle would change predictions beyond its limits."""

    def __init__(self, name: str, verdict: Verdict) -> None:
        self.name, self.verdict = name, verdict
        told = "".join(f"\n  - {reason}" for reason in verdict.reasons)
        super().__init__(
            f"the refresh of {name} is refused:{told}\nThe bundle in use stays. Refresh with rows "
            "that cover what the model knows, raise the limits, or train it again"
        )


def refresh(
    ctx: Context | None,
    bundle: Bundle,
    rows: pl.DataFrame | pl.LazyFrame,
    *,
    limits: ShiftLimits | None = None,
) -> Bundle:
    """Return the bundle with its frozen tables renewed from `rows`.

    Args:
        ctx: the running stage's context, whose key and inputs become part of the lineage; None
            outside.
        bundle: the one to renew.
        rows: raw training rows with the spec's inputs and the columns that its tables were made
            of, such as the label.
        limits: see `ShiftLimits`; None takes its defaults.

    Raises:
        RefreshRefused: the predictions would shift beyond the limits.
        NothingToRefresh: no op has a renewable table.
        UnknownColumn, DtypeMismatch, BadValue, CannotFit, NoRows: the rows do not do.
        GoldenMismatch: the two paths disagree, which is a defect of an op.
    """
    made = try_refresh(ctx, bundle, rows, limits=limits)
    if not made.verdict.passed:
        raise RefreshRefused(bundle.name, made.verdict)
    return made.bundle


def try_refresh(
    ctx: Context | None,
    bundle: Bundle,
    rows: pl.DataFrame | pl.LazyFrame,
    *,
    limits: ShiftLimits | None = None,
) -> Refresh:
    """Do as `refresh` does, but return the new bundle with its verdict, refused or not."""
    frame = rows.lazy().collect(engine="in-memory")
    if frame.is_empty():
        raise NoRows
    spec = refresh_spec(bundle.spec, frame)
    inputs = {REFRESHED: bundle.digest, "rows": digest_table(frame).digest}
    renewed = replace(
        bundle,
        spec=spec,
        golden=record(spec, bundle.booster, frame),
        metrics={},
        lineage=Lineage(
            inputs={**(ctx.inputs if ctx else {}), **inputs}, key=ctx.key if ctx else ""
        ),
    )
    step = max(1, -(-frame.height // COMPARED))
    shifts = {
        "the rows": prediction_shift(bundle, renewed, frame.gather_every(step)),
        "the golden rows": prediction_shift(bundle, renewed, bundle.golden.rows),
    }
    renewed = replace(renewed, metrics=_metrics(shifts["the rows"]))
    check(renewed).require()
    judged = [shift.judge(limits or ShiftLimits(), where) for where, shift in shifts.items()]
    verdict = Verdict(
        passed=all(each.passed for each in judged),
        reasons=tuple(reason for each in judged for reason in each.reasons),
    )
    return Refresh(bundle=renewed, shifts=shifts, verdict=verdict)


def _metrics(shift: Shift) -> dict[str, float]:
    """Return the shift as figures of the new bundle."""
    figures = asdict(shift)
    before, after = figures.pop("unseen")
    figures |= {"unseen_before": before, "unseen_after": after}
    return {f"refresh_{name}": float(value) for name, value in sorted(figures.items())}
