"""A matrix taken apart for a library that trains: features, labels, weights.

Guarantee: labels are what the objective can learn, and both parts have the same columns, or
`TrainingInvalid` or `FeatureMismatch` says what is wrong. Nothing is sampled here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from dagrun.engine.errors import listing, nearest
from dagrun.stages.bundle.booster import BINARY
from dagrun.stages.bundle.model import FeatureMismatch, Float32s, float32_values
from dagrun.stages.train.errors import TrainingInvalid

Weight = float | Literal["balanced"] | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Labelled:
    """Rows to learn from.

    Attributes:
        features: float32 of shape `(rows, features)`, C-ordered; missing is NaN.
        labels: float32 of shape `(rows,)`.
        weights: float32 of shape `(rows,)`, or None where every row counts for one.
    """

    features: Float32s
    labels: Float32s
    weights: Float32s | None = None


def take_apart(
    matrix: pl.DataFrame,
    valid: pl.DataFrame,
    *,
    label: str | None,
    objective: str,
    positive_weight: Weight = None,
) -> tuple[tuple[str, ...], dict[str, Labelled]]:
    """Return the features' names, and the parts `train` and `valid`.

    A weight is worked out on the training rows and holds for both parts. Raises as the module says.
    """
    label, features = columns_of(matrix, valid, label)
    labels = {
        name: labels_of(part, label, name, objective)
        for name, part in (("train", matrix), ("valid", valid))
    }
    weight = weight_of(positive_weight, labels["train"], objective)
    return features, {
        name: Labelled(
            features=float32_values(part.select(features)),
            labels=labels[name],
            weights=weights_of(weight, labels[name]),
        )
        for name, part in (("train", matrix), ("valid", valid))
    }


def columns_of(
    matrix: pl.DataFrame, valid: pl.DataFrame, label: str | None
) -> tuple[str, tuple[str, ...]]:
    """Return the label and the features after checking both parts' columns."""
    label = label if label is not None else matrix.columns[-1]
    features = tuple(name for name in matrix.columns if name != label)
    if matrix.columns != [*features, label] or not features:
        raise TrainingInvalid(
            f"the matrix must be features and then the label {label!r}; it has "
            f"{listing(matrix.columns)}.{nearest(label, matrix.columns)}"
        )
    if valid.columns != matrix.columns:
        raise FeatureMismatch(matrix.columns, valid.columns)
    return label, features


def labels_of(part: pl.DataFrame, label: str, name: str, objective: str) -> Float32s:
    """Return the label column. Raises `TrainingInvalid` for what the objective cannot learn."""
    column = part[label]
    if column.is_empty():
        raise TrainingInvalid(f"the {name} part has no rows")
    if nulls := column.null_count():
        raise TrainingInvalid(f"label {label!r} has {nulls:,} nulls in the {name} part; drop them")
    if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        wanted = "0/1 or Boolean" if objective == BINARY else "a number"
        raise TrainingInvalid(f"label {label!r} is {column.dtype}; it must be {wanted}")
    labels = column.cast(pl.Float64)
    rounded = labels.cast(pl.Float32)
    if objective == BINARY:
        bad, what = labels.filter((labels != 0.0) & (labels != 1.0)), "neither 0 nor 1"
    else:
        bad, what = labels.filter(~rounded.is_finite()), "no finite numbers of float32"
    if len(bad):
        raise TrainingInvalid(
            f"label {label!r} has {len(bad):,} values in the {name} part that are {what}, "
            f"such as {bad[0]!r}"
        )
    return rounded.to_numpy()


def weight_of(weight: Weight, labels: Float32s, objective: str) -> float | None:
    """Return how many rows a positive one counts for. Raises `TrainingInvalid`."""
    if weight is None:
        return None
    if objective != BINARY:
        raise TrainingInvalid("positive_weight is for a 0/1 label; a number has no positive rows")
    if weight != "balanced":
        return float(weight)
    positive = int(labels.sum())
    if positive in (0, len(labels)):
        raise TrainingInvalid("the training rows are all of one class, so none can be balanced")
    return (len(labels) - positive) / positive


def weights_of(weight: float | None, labels: Float32s) -> Float32s | None:
    """Return the weight of each row, None where every row counts for one."""
    return None if weight is None else np.where(labels == 1, weight, 1.0).astype(np.float32)


def constraints(
    features: tuple[str, ...], monotone: Mapping[str, int], categorical: tuple[str, ...] = ()
) -> list[int]:
    """Return 1, -1 or 0 for each feature. Raises `TrainingInvalid` for names that are none."""
    for name in (*monotone, *categorical):
        if name not in features:
            raise TrainingInvalid(
                f"there is no feature {name!r} to constrain.{nearest(name, features)} "
                f"There is: {listing(features)}"
            )
    return [monotone.get(name, 0) for name in features]
