"""From a gate of the file to the claims that are to be judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from dagrun.stages.evaluate.claim import Claim, Evidence, Item
from dagrun.stages.evaluate.fairness import fairness
from dagrun.stages.evaluate.gate import Gate
from dagrun.stages.evaluate.holdout import GateUnjudgeable, Holdout, ones
from dagrun.stages.evaluate.judgement import Part
from dagrun.stages.evaluate.trials import (
    champion_claim,
    latency_claim,
    missing_claim,
    size_claim,
)
from dagrun.stages.evaluate.weighted import restricted


def claims(gate: Gate, evidence: Evidence) -> Iterator[Claim]:
    """Yield the bounds of one gate; those beside baselines are the judge's."""
    bounds = [(name, getattr(gate, name)) for name in ("at_least", "at_most", "worse_by_at_most")]
    for condition, wanted in bounds:
        if wanted is not None:
            yield _MAKERS[gate.kind](gate, condition, wanted, evidence)


def _figure(gate: Gate, condition: str, wanted: float, evidence: Evidence) -> Claim:
    value, measure = evidence.figures[gate.metric], None
    if gate.confident:
        evidence.rows_for(gate)
    if evidence.holdout and (gate.confident or _measurable(evidence.holdout, gate)):
        measure = evidence.holdout.measure(gate.place, gate.metric)
        again = measure(ones(evidence.holdout.height))
        if not np.isclose(again, value, rtol=1e-6, atol=1e-9):
            problem = f"the report says {value:.6g}, the rows given say {again:.6g}"
            raise GateUnjudgeable(gate.place, f"{problem}; give the rows that the report is of")
    item = Item(told=f"{gate.metric} is", value=value, measure=measure)
    return Claim(gate=gate, condition=condition, wanted=wanted, items=[item])


def _measurable(holdout: Holdout, gate: Gate) -> bool:
    try:
        holdout.measure(gate.place, gate.metric)
    except GateUnjudgeable:
        return False
    return True


def _slices(gate: Gate, condition: str, wanted: float, evidence: Evidence) -> Claim:
    holdout = evidence.rows_for(gate)
    items, aside = [], []
    for name, rows in holdout.groups(gate.place, gate.column):
        measure = holdout.measure(gate.place, gate.metric, rows)
        value = measure(ones(rows))
        enough = len(rows) >= gate.rows and not np.isnan(value)
        part = Part(
            name=name,
            rows=len(rows),
            value=None if np.isnan(value) else value,
            judged=enough,
        )
        if enough:
            told = f"{gate.metric} of {gate.column} {name!r} is"
            measure = restricted(measure, rows)
            items.append(Item(told=told, value=value, measure=measure, part=part))
        else:
            aside.append(part)
    nothing = f"no slice by {gate.column} has {gate.rows} rows and a {gate.metric}"
    return Claim(
        gate=gate,
        condition=condition,
        wanted=wanted,
        items=items,
        aside=tuple(aside),
        nothing=(False, nothing),
        among="slices",
    )


def _fairness(gate: Gate, condition: str, wanted: float, evidence: Evidence) -> Claim:
    holdout = evidence.rows_for(gate)
    every = holdout.groups(gate.place, gate.column)
    groups = [(name, rows) for name, rows in every if len(rows) >= gate.rows]
    aside = tuple(
        Part(name=name, rows=len(rows), value=None, judged=False)
        for name, rows in every
        if len(rows) < gate.rows
    )
    items = []
    if len(groups) > 1:
        value, measure, parts = fairness(gate.place, gate.metric, holdout, groups)
        told = f"{gate.metric} by {gate.column} is"
        items.append(Item(told=told, value=value, measure=measure))
        aside = (*parts, *aside)
    return Claim(
        gate=gate,
        condition=condition,
        wanted=wanted,
        items=items,
        aside=aside,
        nothing=(False, f"there are no two groups by {gate.column} of {gate.rows} rows"),
    )


_MAKERS: Mapping[str, Callable[[Gate, str, float, Evidence], Claim]] = {
    "figure": _figure,
    "slices": _slices,
    "fairness": _fairness,
    "missing": missing_claim,
    "champion": champion_claim,
    "size": size_claim,
    "latency": latency_claim,
}
