"""Choosing among candidates by a metric that was declared, and by how sure its difference is.

Guarantee: all candidates are judged on the same rows and the same resamples of them, so that a
difference between two is a paired one. Every number that decided is in the `Selection`.
Where it ends: intervals are of the rows, not of the training; another seed may move a candidate
that learns by chance. The best of many candidates looks better than it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from dagrun.engine.errors import listing, nearest
from dagrun.stages.evaluate.bootstrap import Bootstrap, intervals
from dagrun.stages.evaluate.weighted import (
    HIGHER_IS_BETTER,
    Measure,
    binary_measure,
    regression_measure,
)
from dagrun.stages.train.candidate import Candidate
from dagrun.stages.train.errors import TrainingInvalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one candidate did.

    Attributes:
        name: the candidate's.
        value: the metric over all rows; `low` and `high` the ends of its interval.
        behind: by how much it is worse than the best, 0 for the best itself; `behind_low` and
            `behind_high` the ends of the paired interval.
        folds: the metric of each fold.
    """

    name: str
    value: float
    low: float
    high: float
    behind: float
    behind_low: float
    behind_high: float
    folds: tuple[float, ...]

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.value:.4f} [{self.low:.4f}, {self.high:.4f}], behind by "
            f"{self.behind:.4f} [{self.behind_low:.4f}, {self.behind_high:.4f}]"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which candidate to take, and why; stored as a JSON document.

    Attributes:
        metric: what decided.
        rows: number of rows judged.
        level: of the intervals, such as 0.95.
        standings: the best first.
        chosen: name of the candidate to take.
    """

    metric: str
    rows: int
    level: float
    standings: tuple[Standing, ...]
    chosen: str

    @property
    def best(self) -> str:
        """Name of the candidate with the best value."""
        return self.standings[0].name

    def pick(self, candidates: Iterable[Candidate]) -> Candidate:
        """Return the chosen one. Raises `TrainingInvalid` when it is not among them."""
        known = {candidate.name: candidate for candidate in candidates}
        if self.chosen not in known:
            raise TrainingInvalid(
                f"{self.chosen!r} was chosen, but there is {listing(list(known))}"
            )
        return known[self.chosen]

    def __str__(self) -> str:
        lines = [f"{'->' if s.name == self.chosen else '  '} {s}" for s in self.standings]
        return "\n".join(
            [f"{self.metric} of {self.rows:,} rows, {self.level:.0%} intervals", *lines]
        )


def select(
    predictions: pl.DataFrame,
    *,
    metric: str,
    simplest_first: Sequence[str] = (),
    task: Literal["binary", "regression"] = "binary",
    how: Bootstrap | None = None,
) -> Selection:
    """Choose a candidate by its out-of-fold predictions.

    Args:
        predictions: what `predict_fold` gave for every candidate and fold.
        metric: `"log_loss"`, `"auc"`, `"brier"`, ... or for numbers `"rmse"`, `"mae"`, ...
        simplest_first: names of candidates; the first of them that is not clearly worse than the
            best (its paired interval of being behind holds 0) is chosen. None: the best is.
        task: `"binary"` or `"regression"`.
        how: resamples, level and seed of the intervals; 1,000 and 95 % where None.

    Raises:
        TrainingInvalid: an unknown metric or name, or candidates that saw different rows.
    """
    how = how or Bootstrap()
    tables = _tables(predictions, simplest_first)
    rows = next(iter(tables.values())).height
    measures = {name: _measure(table, metric, task) for name, table in tables.items()}
    sign = -1.0 if metric in HIGHER_IS_BETTER else 1.0
    values = {name: _whole(measure, rows) for name, measure in measures.items()}
    names = sorted(values, key=lambda name: (sign * values[name], name))
    gaps = [_gap(measures[name], measures[names[0]], sign) for name in names]
    ends = intervals([*(measures[name] for name in names), *gaps], rows, how)
    spans = [(float("nan"), float("nan")) if span is None else span for span in ends]
    standings = tuple(
        Standing(
            name=name,
            value=values[name],
            low=value[0],
            high=value[1],
            behind=sign * (values[name] - values[names[0]]) + 0.0,
            behind_low=gap[0] + 0.0,
            behind_high=gap[1] + 0.0,
            folds=_by_fold(tables[name], metric, task),
        )
        for name, value, gap in zip(names, spans[: len(names)], spans[len(names) :], strict=True)
    )
    level = {standing.name for standing in standings if standing.behind_low <= 0.0}
    chosen = next((name for name in simplest_first if name in level), names[0])
    return Selection(metric=metric, rows=rows, level=how.level, standings=standings, chosen=chosen)


def _tables(predictions: pl.DataFrame, names: Sequence[str]) -> dict[str, pl.DataFrame]:
    """Return each candidate's rows in order. Raises `TrainingInvalid` as `select` does."""
    ordered = predictions.sort("candidate", "row")
    parts = ordered.partition_by("candidate", maintain_order=True)
    tables = {str(part["candidate"][0]): part for part in parts}
    if not tables:
        raise TrainingInvalid("there are no predictions to choose by")
    first = next(iter(tables))
    for name, table in tables.items():
        if not table.select("row", "label").equals(tables[first].select("row", "label")):
            raise TrainingInvalid(f"candidate {name!r} was judged on other rows than {first!r}")
    for name in names:
        if name not in tables:
            raise TrainingInvalid(f"there is no candidate {name!r}.{nearest(name, list(tables))}")
    return tables


def _by_fold(table: pl.DataFrame, metric: str, task: str) -> tuple[float, ...]:
    folds = table.sort("fold", "row").partition_by("fold", maintain_order=True)
    return tuple(_whole(_measure(fold, metric, task), fold.height) for fold in folds)


def _whole(measure: Measure, rows: int) -> float:
    return measure(np.ones(rows, np.int64))


def _measure(table: pl.DataFrame, metric: str, task: str) -> Measure:
    labels, predicted = table["label"].to_numpy(), table["predicted"].cast(pl.Float64).to_numpy()
    found = (
        binary_measure(metric, labels, predicted, 0.5)
        if task == "binary"
        else regression_measure(metric, labels, predicted)
    )
    if found is None:
        raise TrainingInvalid(f"there is no metric {metric!r} to choose a {task} model by")
    return found


def _gap(measure: Measure, best: Measure, sign: float) -> Measure:
    return lambda weights: sign * (measure(weights) - best(weights))
