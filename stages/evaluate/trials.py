"""What becomes of a model in other circumstances: a column missing, beside the champion, under way.

Guarantee: the rows and the resamples are the same for the model and what it is compared with, so
that a difference is a paired one.
"""

from __future__ import annotations

import statistics
import time

import numpy as np
import polars as pl

from dagrun.engine.dispatching.amounts import show_amount
from dagrun.engine.errors import DagrunError, listing, nearest
from dagrun.stages.bundle import RowScorer
from dagrun.stages.evaluate.bootstrap import intervals
from dagrun.stages.evaluate.claim import Claim, Evidence, Item
from dagrun.stages.evaluate.gate import Gate
from dagrun.stages.evaluate.holdout import GateUnjudgeable, ones
from dagrun.stages.evaluate.judgement import Part
from dagrun.stages.evaluate.weighted import HIGHER_IS_BETTER, Measure, restricted

MISSING_ROWS = 10_000
"""At most so many rows are scored again for each column that is made null."""
TIMED_ROWS, WARMING_ROWS = 2000, 200
_NEITHER = frozenset({"base_rate", "label_mean"})


def missing_claim(gate: Gate, condition: str, wanted: float, evidence: Evidence) -> Claim:
    """Hold the metric against the same rows without a column, one column after the other.

    A column that the bundle never takes as null is listed only: a server refuses such a row.
    """
    holdout = evidence.rows_for(gate)
    inputs = holdout.bundle.spec.inputs
    known = [column.name for column in inputs if column.nullable]
    for name in gate.columns:
        if name not in known:
            problem = f"{name!r} can never be null.{nearest(name, known)} These can"
            raise GateUnjudgeable(gate.place, f"{problem}: {listing(known)}")
    inside = holdout.sample(MISSING_ROWS)
    rows = holdout.rows[inside]
    present = holdout.measure(gate.place, gate.metric, inside)
    items = []
    for name in gate.columns or known:
        without = rows.with_columns(pl.lit(None, dtype=rows.schema[name]).alias(name))
        absent = holdout.measure(
            gate.place, gate.metric, inside, holdout.scored(holdout.bundle, without)
        )
        worse = _worse(gate, present, absent)
        value = worse(ones(inside))
        items.append(
            Item(
                told=f"{gate.metric} without {name!r} is worse by",
                value=value,
                measure=restricted(worse, inside),
                part=Part(name=name, rows=len(inside), value=value),
            )
        )
    return Claim(
        gate=gate,
        condition=condition,
        wanted=wanted,
        items=items,
        aside=tuple(
            Part(name=column.name, rows=len(inside), value=None, judged=False)
            for column in inputs
            if not column.nullable and not gate.columns
        ),
        nothing=(True, "no column can be null: a row without one is refused"),
        among="columns",
    )


def champion_claim(gate: Gate, condition: str, wanted: float, evidence: Evidence) -> Claim:
    """Hold the metric against that of the champion on the same rows."""
    holdout, rival = evidence.rows_for(gate), evidence.rival
    items, nothing = [], (True, "there is no champion to compare with")
    if rival is not None:
        try:
            predicted = holdout.scored(rival.bundle, holdout.rows)
            if rival.bundle.task != holdout.bundle.task:
                raise GateUnjudgeable(gate.place, f"it is a {rival.bundle.task}")
        except DagrunError as error:
            nothing = (False, f"the champion {rival.name} cannot score these rows: {error}")
        else:
            theirs = holdout.measure(
                gate.place, gate.metric, predicted=predicted, threshold=rival.bundle.threshold
            )
            ours = holdout.measure(gate.place, gate.metric)
            worse, every = _worse(gate, theirs, ours), ones(holdout.height)
            told = f"{gate.metric} is {ours(every):.6g}, that of champion {rival.name} is "
            told += f"{theirs(every):.6g}: worse by"
            items.append(Item(told=told, value=worse(every), measure=worse))
    return Claim(
        gate=gate,
        condition=condition,
        wanted=wanted,
        items=items,
        nothing=nothing,
        against=f"champion {rival.name}" if rival else "",
    )


def _worse(gate: Gate, before: Measure, after: Measure) -> Measure:
    """Return how much worse the metric is after than before, in its own unit."""
    if gate.metric in _NEITHER:
        raise GateUnjudgeable(gate.place, f"{gate.metric} is neither better nor worse")
    if gate.metric in HIGHER_IS_BETTER:
        return lambda weights: before(weights) - after(weights)
    return lambda weights: abs(after(weights)) - abs(before(weights))


def size_claim(gate: Gate, condition: str, wanted: float, evidence: Evidence) -> Claim:
    """Hold the size of the bundle's file."""
    size = len(evidence.rows_for(gate).bundle.to_bytes())
    item = Item(told="size is", value=float(size))
    return Claim(
        gate=gate,
        condition=condition,
        wanted=wanted,
        items=[item],
        show=lambda amount: show_amount("memory", amount),
    )


def latency_claim(gate: Gate, condition: str, wanted: float, evidence: Evidence) -> Claim:
    """Time single rows, one by one, as a server's thread scores them."""
    holdout = evidence.rows_for(gate)
    rows = list(holdout.bundle.spec.rows_of(holdout.rows.head(TIMED_ROWS)))
    score = RowScorer(holdout.bundle).score
    taken = []
    for number in range(WARMING_ROWS + TIMED_ROWS):
        row = rows[number % len(rows)]
        start = time.perf_counter()
        score(row)
        taken.append(time.perf_counter() - start)
    times = np.sort(taken[WARMING_ROWS:])
    at = [round(gate.quantile * (len(times) - 1))]

    def measure(weights: np.ndarray) -> float:
        return float(times[np.searchsorted(np.cumsum(weights), at[0], side="right")])

    (interval,) = intervals([measure], len(times), evidence.how)
    which = "median" if gate.quantile == 0.5 else f"{100 * gate.quantile:g} % quantile"
    value = statistics.median(times) if gate.quantile == 0.5 else float(times[at[0]])
    item = Item(told=f"latency of a row ({which}) is", value=float(value), interval=interval)
    return Claim(
        gate=gate,
        condition=condition,
        wanted=wanted,
        items=[item],
        measured=True,
        show=show_seconds,
    )


def show_seconds(value: float) -> str:
    """Return seconds in the unit that fits."""
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if value * factor >= 1:
            return f"{value * factor:.3g} {unit}"
    return f"{value * 1e6:.3g} us"
