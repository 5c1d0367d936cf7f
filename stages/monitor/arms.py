"""How good each arm of an experiment was, once the outcomes are in.

Guarantee: equal rows and seed give equal figures and intervals. An interval is the percentile
bootstrap's (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13), drawn by
key, as arms are divided by it: rows of one key come together or not at all; a row without a key
stands for itself. Where it ends: outcomes that are missing for a reason (what was refused never
comes back) mislead every arm, and each look at an experiment is another chance to be wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from dagrun.engine.errors import DagrunError, listing
from dagrun.stages.evaluate.weighted import Measure, binary_measure, regression_measure

CHAMPION = "champion"
LEAST_KEYS = 30
"""Keys with an outcome from which on there are intervals."""
LEVEL = 0.95
_MOST_DRAWN = 100_000_000
"""Rows drawn in all for one arm: of very many rows fewer resamples are, at least `_LEAST_DRAWS`."""
_LEAST_DRAWS = 100
_BINARY = {"base_rate": "outcome", "auc": "auc", "log_loss": "log_loss", "brier": "brier"}
_REGRESSION = {"label_mean": "outcome", "rmse": "rmse", "mae": "mae", "bias": "bias"}
HIGHER_IS_BETTER: Mapping[str, bool | None] = {
    "outcome": None,
    "auc": True,
    "log_loss": False,
    "brier": False,
    "rmse": False,
    "mae": False,
    "bias": None,
}
"""Whether a greater figure is a better one; None where that is not for a number to say."""


class ArmsIncomparable(DagrunError):
    """There is nothing to compare, or the outcomes are of another kind than the predictions."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(problem)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmFigure:
    """One figure of one arm.

    Attributes:
        name: one of `HIGHER_IS_BETTER`; `outcome` is the mean of the label, `bias` that of the
            prediction less the label.
        value: the figure, None where it has no meaning (an AUC of one class).
        interval: where it lies with 95 % confidence, None for fewer than `LEAST_KEYS` keys.
        ahead: the figure less the champion's, None for the champion.
        ahead_interval: where that lies with 95 % confidence.
    """

    name: str
    value: float | None
    interval: tuple[float, float] | None
    ahead: float | None = None
    ahead_interval: tuple[float, float] | None = None

    @property
    def verdict(self) -> str:
        """`better`, `worse` or `other` than the champion, `open` while zero is in the interval."""
        if self.ahead is None or self.ahead_interval is None:
            return "" if self.ahead is None else "open"
        low, high = self.ahead_interval
        if low <= 0.0 <= high:
            return "open"
        higher = HIGHER_IS_BETTER[self.name]
        return "other" if higher is None else "better" if (low > 0.0) == higher else "worse"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmResult:
    """What one arm answered, and how good that was.

    Attributes:
        arm: its name; `version` and `bundle` are what answered.
        rows: rows that it answered; `known` of them have their outcome, from `keys` keys.
        figures: of the rows with an outcome.
    """

    arm: str
    version: int
    bundle: str
    rows: int
    known: int
    keys: int
    figures: tuple[ArmFigure, ...]


def compare_arms(
    joined: pl.DataFrame,
    *,
    label: str,
    task: str = "binary",
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[ArmResult, ...]:
    """Compare the arms of an experiment by the outcomes that have come in.

    Args:
        joined: what `join_outcomes` gives, of one experiment: rows without an arm are left out.
        label: the column of the outcomes: true and false (or 1 and 0) for a classifier, numbers for
            a regression.
        task: `"binary"` or `"regression"`, as the model's.
        resamples: how many are drawn for the intervals; fewer of very many rows.
        seed: what they are drawn from.

    Returns:
        The champion first, then the other arms by name and version.

    Raises:
        ArmsIncomparable: no row has an arm, the champion answered none of them, or the label is
            not of the task.
    """
    rows = joined.filter(pl.col("arm").is_not_null()).with_row_index("/row")
    if rows.is_empty():
        raise ArmsIncomparable("no row was answered by an arm: there was no split at that time")
    alone = pl.format("/{}", "/row")
    unit = pl.when(pl.col("key").is_null()).then(alone).otherwise(pl.format(":{}", "key"))
    rows = rows.with_columns(unit.alias("/unit"), _as_number(rows, label, task).alias("/label"))
    groups = rows.partition_by("arm", "version", "bundle", maintain_order=True, as_dict=True)
    order = sorted(groups, key=lambda group: (group[0] != CHAMPION, group[:2], -len(groups[group])))
    if order[0][0] != CHAMPION:
        names = sorted({str(group[0]) for group in order})
        raise ArmsIncomparable(f"the champion answered none of these rows, only {listing(names)}")
    wanted = _REGRESSION if task == "regression" else _BINARY
    arms = [
        _Arm(groups[group], task, wanted, resamples, [seed, n]) for n, group in enumerate(order)
    ]
    return tuple(
        ArmResult(
            arm=str(group[0]),
            version=int(group[1]),
            bundle=str(group[2]),
            rows=len(groups[group]),
            known=arm.known,
            keys=arm.keys,
            figures=arm.figures(None if arm is arms[0] else arms[0]),
        )
        for group, arm in zip(order, arms, strict=True)
    )


class _Arm:
    """The rows of one arm with an outcome, and the figures of its resamples."""

    def __init__(
        self,
        rows: pl.DataFrame,
        task: str,
        wanted: Mapping[str, str],
        resamples: int,
        seed: list[int],
    ) -> None:
        known = rows.filter(pl.col("/label").is_not_null())
        labels = known["/label"].to_numpy().astype(np.float64)
        predicted = known["prediction"].to_numpy().astype(np.float64)
        self.names = tuple(wanted.values())
        self.known, self.keys = len(known), known["/unit"].n_unique()
        self._measures = [_measure(name, task, labels, predicted) for name in wanted]
        ones = np.ones(self.known, np.int64)
        self.values = [measure(ones) if self.known else np.nan for measure in self._measures]
        self.drawn = self._draw(known["/unit"], resamples, seed)

    def figures(self, champion: _Arm | None) -> tuple[ArmFigure, ...]:
        """Return the figures, beside those of another arm."""
        found = []
        for place, name in enumerate(self.names):
            value, ahead, between = self.values[place], None, None
            if champion is not None and not np.isnan(value - champion.values[place]):
                ahead = value - champion.values[place]
                most = min(len(self.drawn), len(champion.drawn))
                between = _interval(self.drawn[:most, place] - champion.drawn[:most, place])
            found.append(
                ArmFigure(
                    name=name,
                    value=None if np.isnan(value) else value,
                    interval=_interval(self.drawn[:, place]),
                    ahead=ahead,
                    ahead_interval=between,
                )
            )
        return tuple(found)

    def _draw(self, units: pl.Series, resamples: int, seed: list[int]) -> npt.NDArray[np.float64]:
        """Return the figures of each resample, of shape `(resamples, figures)`."""
        if self.keys < LEAST_KEYS:
            return np.empty((0, len(self._measures)))
        chance, unit = np.random.default_rng(seed), (units.rank("dense") - 1).to_numpy()
        count = min(resamples, max(_LEAST_DRAWS, _MOST_DRAWN // self.known))
        drawn = np.empty((count, len(self._measures)))
        for number in range(count):
            times = np.bincount(chance.integers(0, self.keys, self.keys), minlength=self.keys)
            weights = times[unit]
            drawn[number] = [measure(weights) for measure in self._measures]
        return drawn


def _measure(
    name: str, task: str, labels: npt.NDArray[np.float64], predicted: npt.NDArray[np.float64]
) -> Measure:
    found = (
        regression_measure(name, labels, predicted)
        if task == "regression"
        else binary_measure(name, labels, predicted, 0.5)
    )
    assert found is not None, name
    return found


def _interval(drawn: npt.NDArray[np.float64]) -> tuple[float, float] | None:
    told = drawn[~np.isnan(drawn)]
    if not len(told) or len(told) < LEVEL * len(drawn):
        return None
    low, high = np.quantile(told, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _as_number(rows: pl.DataFrame, label: str, task: str) -> pl.Expr:
    """Return the label as a number, null where there is no outcome."""
    dtype = rows[label].dtype
    if not (dtype.is_numeric() or dtype == pl.Boolean or dtype == pl.Null):
        raise ArmsIncomparable(
            f"the label {label!r} is {dtype}; a model of task {task} needs numbers"
        )
    number = pl.col(label).cast(pl.Float64)
    if task != "regression":
        other = rows.filter(number.is_not_null() & ~number.is_in([0.0, 1.0]))
        if other.height:
            raise ArmsIncomparable(
                f"the label {label!r} has the value {other[label][0]}; of a classifier it is true "
                "or false, or 1 or 0"
            )
    return number
