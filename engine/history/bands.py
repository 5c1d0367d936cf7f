"""Bands: how many rows a stage usually makes and how long it usually takes.

The band is the median of the earlier runs that really ran the stage, plus and minus five standard
deviations as the median absolute deviation estimates them (times 1.4826, which is right for a
normal distribution: Rousseeuw and Croux, 1993), and never narrower than a floor, so that a stage
which is always equal may still move a little. Outliers among the earlier runs hardly widen it. The
limits: with fewer than `LEAST` earlier runs nothing is said; trends and seasons are not modelled.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from dagrun.engine.events import StageResult
from dagrun.engine.history.runlog import Runs

LEAST = 5
"""Earlier runs of a stage that it takes to know what is usual."""
MOST = 30
DEPTH = 60
"""How many runs are searched for at most `MOST` that ran a stage."""
DEVIATIONS = 5.0
PER_MAD = 1.4826
FLOORS = {"rows": (0.1, 1.0), "seconds": (0.5, 1.0)}
"""The least half-width of a band: a share of the median, and an amount."""

Quantity = Literal["rows", "seconds"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusual:
    """A stage's measure that left its band.

    Attributes:
        value: what was measured, in rows or seconds.
        low, high: the band.
        median: of the earlier runs.
        runs: how many earlier runs the band is made of.
    """

    stage: str
    quantity: Quantity
    value: float
    low: float
    high: float
    median: float
    runs: int


def median(values: Sequence[float]) -> float:
    """Return the middle of at least one value. (`statistics` would take 25 ms to import.)"""
    ranked = sorted(values)
    half = len(ranked) // 2
    return ranked[half] if len(ranked) % 2 else (ranked[half - 1] + ranked[half]) / 2


def band(values: Sequence[float], quantity: Quantity) -> tuple[float, float, float]:
    """Return `(low, median, high)` of at least one measure; `low` is never negative."""
    middle = median(values)
    deviation = median([abs(value - middle) for value in values])
    share, amount = FLOORS[quantity]
    half = max(DEVIATIONS * PER_MAD * deviation, share * middle, amount)
    return max(0.0, middle - half), middle, middle + half


def find_unusual(runs: Runs, results: Iterable[StageResult], *, run_id: str) -> tuple[Unusual, ...]:
    """Return what left its band among the stages that ran in the run `run_id`."""
    ran = {result.name: result for result in results if result.status == "ran"}
    if not ran:
        return ()
    measures = runs.measures(ran, before=run_id, depth=DEPTH, most=MOST)
    found = []
    for name, result in ran.items():
        for quantity, value, earlier in (
            ("rows", result.rows, [rows for rows, _ in measures[name] if rows is not None]),
            ("seconds", result.seconds, [seconds for _, seconds in measures[name]]),
        ):
            if value is None or len(earlier) < LEAST:
                continue
            low, middle, high = band(earlier, quantity)  # type: ignore[arg-type]
            if not low <= value <= high:
                found.append(
                    Unusual(
                        stage=name,
                        quantity=quantity,  # type: ignore[arg-type]
                        value=value,
                        low=low,
                        high=high,
                        median=middle,
                        runs=len(earlier),
                    )
                )
    return tuple(found)
