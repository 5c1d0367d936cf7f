"""One way to train any candidate.

Guarantee: equal matrices (row order included), candidate and seed give a model of equal digest,
for every number of threads. Resampling and augmentation reach the training rows alone. Every model
that comes out can be bundled and served with the bits of the batch path.
Where it ends: another release of the library that trains may learn something else, and so may
another device.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl

from dagrun.engine.errors import listing
from dagrun.stages.bundle.booster import BINARY
from dagrun.stages.bundle.model import Model, Params
from dagrun.stages.train.candidate import Candidate
from dagrun.stages.train.errors import TrainingInvalid
from dagrun.stages.train.gradient_boosting import fit_xgboost
from dagrun.stages.train.labelled import columns_of, labels_of
from dagrun.stages.train.resampling import resampled
from dagrun.stages.train.scikit import fit_estimator

Augment = Callable[[pl.DataFrame, int], pl.DataFrame]


def fit(
    candidate: Candidate,
    matrix: pl.DataFrame,
    valid: pl.DataFrame,
    *,
    seed: int,
    label: str | None = None,
    objective: str = BINARY,
    device: str = "cpu",
    nthread: int | None = None,
    augment: Augment | None = None,
) -> Model:
    """Train a candidate.

    Args:
        candidate: what to train.
        matrix: training rows: feature columns in order, the label last.
        valid: rows with the same columns, by which XGBoost and boosting end their training.
        seed: decides all chance.
        label: its name; None means the last column.
        objective: `"binary:logistic"`, or `"reg:squarederror"`; XGBoost has more: `OBJECTIVES`.
        device: `"cpu"` or `"cuda"`; only XGBoost trains on the latter.
        nthread: threads, None for the idle cores; the model does not depend on it.
        augment: given matrix and seed, returns rows to be added before classes are resampled.

    Raises:
        FeatureMismatch: `valid` or the added rows have other columns than `matrix`.
        MissingExtra: scikit-learn or imbalanced-learn is needed and not installed.
        TrainingInvalid: no rows, a label unfit for the objective, an unknown param or feature.
    """
    label, _ = columns_of(matrix, valid, label)
    matrix = prepared(candidate, matrix, label=label, objective=objective, seed=seed, more=augment)
    if candidate.family == "xgboost":
        return fit_xgboost(
            matrix,
            valid,
            label=label,
            objective=objective,
            seed=seed,
            device=device,
            nthread=nthread,
            positive_weight=candidate.positive_weight,
            monotone=dict(candidate.monotone),
            categorical=candidate.categorical,
            **_any(candidate.params),
        )
    if device != "cpu":
        raise TrainingInvalid(f"a {candidate.family} trains on the CPU, not on {device!r}")
    return fit_estimator(
        candidate, matrix, valid, label=label, objective=objective, seed=seed, nthread=nthread
    )


def _any(params: Params) -> dict[str, Any]:
    return dict(params)


def prepared(
    candidate: Candidate,
    matrix: pl.DataFrame,
    *,
    label: str,
    objective: str,
    seed: int,
    more: Augment | None,
) -> pl.DataFrame:
    """Return the training rows augmented and resampled as the candidate says."""
    if more is not None:
        added = more(matrix, seed)
        if added.columns != matrix.columns:
            raise TrainingInvalid(
                f"the added rows have columns {listing(added.columns)}, the matrix "
                f"{listing(matrix.columns)}"
            )
        matrix = pl.concat([matrix, added.cast(matrix.schema)])
    if candidate.resample is None:
        return matrix
    if objective != BINARY:
        raise TrainingInvalid("only rows with a 0/1 label can be resampled by their class")
    labels_of(matrix, label, "train", objective)
    return resampled(matrix, label, candidate.resample, seed)
