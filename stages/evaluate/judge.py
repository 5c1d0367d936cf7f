"""The judge: every condition of the gate file held against a model, and told with its numbers.

Guarantee: all conditions are judged, those that hold as well as those that do not; one that could
not be measured does not pass. With the bundle and rows every figure of the model has its bootstrap
interval, and what the judgement says is kept by the bundle's digest as soon as the gate has run,
so that the registry knows of a refusal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import polars as pl

from dagrun.engine.errors import DefinitionError, listing, nearest
from dagrun.stages.bundle import Bundle
from dagrun.stages.evaluate.bootstrap import intervals
from dagrun.stages.evaluate.champion import Champion
from dagrun.stages.evaluate.claim import Claim, Evidence, Item, Rival
from dagrun.stages.evaluate.claims import claims
from dagrun.stages.evaluate.gate import Gate, Gates
from dagrun.stages.evaluate.holdout import GateUnjudgeable, Holdout
from dagrun.stages.evaluate.judgement import Judgement, Outcome, Part
from dagrun.stages.evaluate.regression import RegressionReport
from dagrun.stages.evaluate.report import Report
from dagrun.stages.evaluate.weighted import HIGHER_IS_BETTER

_WORDS = {
    "at_least": "at least",
    "at_most": "at most",
    "better_than_baseline_by": "by at least",
    "worse_by_at_most": "at most",
}


class NoSuchFigure(DefinitionError):
    """A gate asks for a metric or a baseline that the report does not have."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        self.what, self.name, self.known = what, name, tuple(known)
        super().__init__(
            f"the gates ask for {what} {name!r}, which the report does not have."
            f"{nearest(name, self.known)} It has: {listing(self.known)}"
        )


def judge(
    report: Report | RegressionReport,
    gates: Gates,
    *,
    bundle: Bundle | None = None,
    rows: pl.DataFrame | None = None,
    label: str = "",
    champion: Champion | Bundle | None = None,
) -> Judgement:
    """Hold a model against the gates; every condition becomes one outcome and one reason.

    Args:
        report: its figures, and those of the baselines.
        gates: the conditions.
        bundle: the model, for all but plain figures; the judgement is then kept by its digest.
        rows: raw rows that the report is of, with the bundle's inputs and the label.
        label: name of the label's column.
        champion: what `champion` gates compare with; None for nothing yet.

    Raises:
        NoSuchFigure: a gate asks for what the report does not have.
        GateUnjudgeable: a gate asks for what these rows, or no rows, cannot tell.
        EvaluationInvalid: a label is null or no number.
        MissingExtra: a fairness gate without fairlearn.
    """
    evidence = Evidence(
        figures=report.figures(),
        holdout=None if bundle is None or rows is None else Holdout(bundle, rows, label),
        rival=_rival(champion, bundle),
        how=gates.bootstrap,
    )
    made = [claim for gate in gates.gates for claim in _claims(gate, report, evidence)]
    items = [item for claim in made for item in claim.items if item.measure]
    drawn = (
        intervals(
            [item.measure for item in items if item.measure],
            evidence.holdout.height,
            gates.bootstrap,
        )
        if evidence.holdout
        else []
    )
    known = {id(item): interval for item, interval in zip(items, drawn, strict=True)}
    level = gates.bootstrap.level
    outcomes = tuple(_judged(claim, known, level) for claim in made)
    rival, told = evidence.rival, bool(drawn)
    return Judgement(
        passed=all(outcome.passed for outcome in outcomes),
        reasons=tuple(f"{'ok' if one.passed else 'NO'}: {one.reason}" for one in outcomes),
        subject=bundle.digest if bundle else "",
        outcomes=outcomes,
        rows=evidence.holdout.height if evidence.holdout else 0,
        level=level,
        resamples=gates.bootstrap.resamples if told else 0,
        champion=rival.bundle.digest if rival else "",
    )


def _rival(champion: Champion | Bundle | None, bundle: Bundle | None) -> Rival | None:
    if isinstance(champion, Champion):
        if bundle is None:
            raise GateUnjudgeable("champion", "a champion is compared with a bundle; give bundle=")
        found = champion.before(bundle)
        return Rival(name=str(found[0]), bundle=found[1]) if found else None
    return Rival(name=champion.digest[:12], bundle=champion) if champion else None


def _claims(gate: Gate, report: Report | RegressionReport, evidence: Evidence) -> Iterator[Claim]:
    if gate.kind == "figure" and gate.metric not in evidence.figures:
        raise NoSuchFigure("metric", gate.metric, evidence.figures)
    yield from claims(gate, evidence)
    if gate.better_than_baseline_by is None:
        return
    value = evidence.figures[gate.metric]
    for name in [gate.baseline] if gate.baseline else list(report.baselines):
        if name not in report.baselines:
            raise NoSuchFigure("baseline", name, report.baselines)
        naive = getattr(report.baselines[name], gate.metric)
        ahead = value - naive if gate.metric in HIGHER_IS_BETTER else naive - value
        told = f"{gate.metric} is {value:.6g}, baseline {name!r} has {naive:.6g}: better by"
        yield Claim(
            gate=gate,
            condition="better_than_baseline_by",
            wanted=gate.better_than_baseline_by,
            items=[Item(told=told, value=ahead)],
            against=f"baseline {name!r}",
        )


def _judged(claim: Claim, known: dict[int, tuple[float, float] | None], level: float) -> Outcome:
    gate = claim.gate
    if not claim.items:
        passed, reason = claim.nothing
        return Outcome(
            gate=gate.place,
            condition=claim.condition,
            wanted=claim.wanted,
            found=None,
            passed=passed,
            reason=reason,
            parts=claim.aside,
        )
    ends = {id(item): known.get(id(item), item.interval) for item in claim.items}
    sign = 1.0 if claim.is_floor else -1.0

    def margin(item: Item) -> float:
        """How far the number, or the end of its interval, is on the right side."""
        held = item.value
        if gate.confident:
            interval = ends[id(item)]
            held = interval[0 if claim.is_floor else 1] if interval else -sign * float("inf")
        return sign * (held - claim.wanted)

    worst = min(claim.items, key=margin)
    interval, show = ends[id(worst)], claim.show
    ended = f" ({100 * level:g} %: {show(interval[0])} to {show(interval[1])})" if interval else ""
    if gate.confident and interval is None:
        ended = " (no interval: too few rows)"
    among = f", the worst of {len(claim.items)} {claim.among}" if len(claim.items) > 1 else ""
    wanted = f"wanted {_WORDS[claim.condition]} {show(claim.wanted)}"
    confident = f" with {100 * level:g} % confidence" if gate.confident else ""
    return Outcome(
        gate=gate.place,
        condition=claim.condition,
        wanted=float(claim.wanted),
        found=worst.value,
        low=interval[0] if interval else None,
        high=interval[1] if interval else None,
        confident=gate.confident,
        against=claim.against,
        passed=margin(worst) >= 0,
        reason=f"{worst.told} {show(worst.value)}{ended}{among}, {wanted}{confident}",
        measured=claim.measured,
        parts=(*_parts(claim.items, ends), *claim.aside),
    )


def _parts(items: Iterable[Item], ends: dict[int, tuple[float, float] | None]) -> Iterator[Part]:
    for item in items:
        if item.part:
            low, high = ends[id(item)] or (None, None)
            yield replace(item.part, low=low, high=high)
