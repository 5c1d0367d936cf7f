"""The evaluation of a regression on rows it has not seen, beside naive baselines and by slices.

Guarantee: the results do not depend on thread counts or on the order of summation: float sums are
`math.fsum`. Labels and predictions are finite numbers; definitions follow scikit-learn
(`root_mean_squared_error`, `mean_absolute_error`, `median_absolute_error`, `r2_score`,
`mean_absolute_percentage_error`). Where it ends: a percentage is told only where every label is
above zero, since it means nothing beside a label of zero or below; and a slice of few rows says
little, so those below `LEAST_ROWS` are listed but never called the worst.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from dagrun.engine.errors import listing
from dagrun.stages.evaluate.report import CONSTANT, EvaluationInvalid, Numbers, numbers

Float64s = npt.NDArray[np.float64]

LEAST_ROWS = 30
"""Rows from which on a slice may be the worst of its column."""
_MOST_SLICES = 1000
_MOST = 1e150  # squares of greater numbers are infinite


@dataclass(frozen=True, slots=True, kw_only=True)
class RegressionScores:
    """How far predictions are from labels; all but `r2` and `mape` in the label's unit.

    Attributes:
        rmse: root of the mean squared error; lower is better.
        mae: mean absolute error; lower is better.
        median_absolute_error: half of the rows are nearer than this; lower is better.
        r2: share of the labels' variance that is explained; higher is better, 0 for their mean.
        mape: mean of |error| / label, 0.1 for ten per cent; None unless all labels are above zero.
    """

    rmse: float
    mae: float
    median_absolute_error: float
    r2: float
    mape: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """The rows with one value in one column.

    Attributes:
        value: the value as text, `null` for none.
        rows: how many there are.
        mae, median_absolute_error, mape: as in `RegressionScores`.
        bias: mean of prediction less label, in the label's unit.
    """

    value: str
    rows: int
    mae: float
    median_absolute_error: float
    mape: float | None
    bias: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RegressionReport:
    """What is known about a regression's quality; stored as a JSON document.

    Attributes:
        rows: number of rows judged; `label_mean` the mean of their labels.
        scores: the model's.
        bias: mean of prediction less label: above zero for a model that says too much.
        baselines: scores of naive predictors on the same rows, by name; `constant` is the one
            number that was given for every row.
        slices: by column, its values sorted: as numbers where they are numbers.
    """

    rows: int
    label_mean: float
    scores: RegressionScores
    bias: float
    baselines: Mapping[str, RegressionScores]
    slices: Mapping[str, tuple[Slice, ...]]

    def figures(self) -> dict[str, float]:
        """Return every metric by its name: what gates, bundles and tables speak of.

        For each column of slices, `worst_mae_by_COLUMN` and `worst_mape_by_COLUMN` are those of its
        worst slice, where one has `LEAST_ROWS`. Where percentages mean nothing they are left out.
        """
        found = {
            **asdict(self.scores),
            "bias": self.bias,
            "label_mean": self.label_mean,
            "rows": float(self.rows),
        }
        for column, slices in self.slices.items():
            enough = [one for one in slices if one.rows >= LEAST_ROWS]
            for metric in ("mae", "mape"):
                values = [getattr(one, metric) for one in enough]
                found[f"worst_{metric}_by_{column}"] = max(values, default=None)
        return {name: value for name, value in found.items() if value is not None}


def evaluate_regression(
    label: Numbers,
    predicted: Numbers,
    *,
    constant: float,
    baselines: Mapping[str, Numbers] | None = None,
    slices: Mapping[str, pl.Series] | None = None,
) -> RegressionReport:
    """Judge predicted numbers against labels.

    Args:
        label: numbers of shape `(n,)`, below 1e150 and not all equal.
        predicted: the model's values in the same unit, shape `(n,)`.
        constant: what one would say of every row without looking at it, such as the mean of the
            training labels.
        baselines: values of further naive predictors on the same rows, by name.
        slices: columns of these rows, by name, whose values are judged apart.

    Raises:
        EvaluationInvalid: lengths differ, a value is null or not finite, the labels are all equal,
            or a column has too many values to be slices.
    """
    labels = _finite(label, "label")
    if len(labels) == 0 or _variation(labels) == 0.0:
        raise EvaluationInvalid(
            f"the {len(labels)} labels do not differ, so there is no variance to explain; take more"
        )
    values = _finite(predicted, "predicted", len(labels))
    naive = {
        name: _finite(given, f"baseline {name!r}", len(labels))
        for name, given in (baselines or {}).items()
    }
    naive[CONSTANT] = _finite(np.full(len(labels), constant), "constant")
    return RegressionReport(
        rows=len(labels),
        label_mean=_mean(labels),
        scores=regression_scores(labels, values),
        bias=_mean(values - labels),
        baselines={name: regression_scores(labels, given) for name, given in sorted(naive.items())},
        slices={
            name: tuple(_slices(labels, values, name, column))
            for name, column in (slices or {}).items()
        },
    )


def regression_scores(labels: Float64s, values: Float64s) -> RegressionScores:
    """Return the scores of `values` for finite float64 `labels` that are not all equal."""
    squares = np.square(values - labels)
    return RegressionScores(
        rmse=math.sqrt(_mean(squares)),
        mae=_mean(np.abs(values - labels)),
        median_absolute_error=float(np.median(np.abs(values - labels))),
        r2=1.0 - math.fsum(squares.tolist()) / _variation(labels),
        mape=_mape(labels, values),
    )


def _slices(labels: Float64s, values: Float64s, name: str, column: pl.Series) -> Iterator[Slice]:
    if len(column) != len(labels):
        raise EvaluationInvalid(f"slices {name!r} has {len(column)} rows, not {len(labels)}")
    kinds = column.unique().sort()
    if len(kinds) > _MOST_SLICES:
        told = listing([str(value) for value in kinds.head(3)])
        raise EvaluationInvalid(
            f"slices {name!r} has {len(kinds):,} values ({told}, ...); bucket them"
        )
    for value in kinds:
        inside = column.eq_missing(pl.Series([value], dtype=column.dtype)).to_numpy()
        yield Slice(
            value="null" if value is None else str(value),
            rows=int(inside.sum()),
            mae=_mean(np.abs(values - labels)[inside]),
            median_absolute_error=float(np.median(np.abs(values - labels)[inside])),
            mape=_mape(labels[inside], values[inside]),
            bias=_mean((values - labels)[inside]),
        )


def _variation(labels: Float64s) -> float:
    """Return the summed squares around the mean: 0.0 for labels that are as good as equal."""
    return math.fsum(np.square(labels - _mean(labels)).tolist())


def _mape(labels: Float64s, values: Float64s) -> float | None:
    return _mean(np.abs(values - labels) / labels) if (labels > 0).all() else None


def _mean(values: Float64s) -> float:
    return math.fsum(values.tolist()) / len(values)


def _finite(given: Numbers, what: str, rows: int | None = None) -> Float64s:
    values = numbers(given, what).astype(np.float64)
    if rows is not None and len(values) != rows:
        raise EvaluationInvalid(f"{what} has {len(values)} rows, the labels have {rows}")
    fits = np.abs(values) < _MOST
    if not fits.all():
        bad = float(values[~fits][0])
        raise EvaluationInvalid(f"{what} holds {bad!r}, which is no number below {_MOST:g}")
    return values
