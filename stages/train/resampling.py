"""Training rows drawn so that both classes have equally many.

It is done by `fit`, to the training rows alone; there is no function that would do it to any other
table. A validation or test part that was resampled says nothing of the rows that will be served.

Guarantee: equal rows (order included) and seed give equal rows. Where it ends: another release of
imbalanced-learn may draw others. A model learns the resampled base rate, so its probabilities are
too high for the rarer class until they are calibrated.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from dagrun.engine.errors import listing
from dagrun.engine.extras import MissingExtra
from dagrun.stages.bundle.model import float32_values
from dagrun.stages.train.candidate import Resampling
from dagrun.stages.train.errors import TrainingInvalid


def resampled(matrix: pl.DataFrame, label: str, how: Resampling, seed: int) -> pl.DataFrame:
    """Return the matrix with as many rows of one class as of the other.

    `"over"` and `"under"` keep values as they are; `"smote"` (Chawla and others 2002) gives all
    features as Float32 and the new rows last.

    Raises:
        MissingExtra: imbalanced-learn is not installed.
        TrainingInvalid: only one class; for `"smote"` a missing value, or fewer than 6 rows of it.
    """
    try:
        from imblearn import over_sampling, under_sampling
    except ModuleNotFoundError as error:
        raise MissingExtra("imbalanced-learn", "train", f"resample={how!r}") from error
    samplers: dict[str, Any] = {
        "over": over_sampling.RandomOverSampler,
        "under": under_sampling.RandomUnderSampler,
        "smote": over_sampling.SMOTE,
    }
    sampler = samplers[how](random_state=seed)
    features = matrix.drop(label)
    values, labels = float32_values(features), matrix[label].cast(pl.Int8).to_numpy()
    if how == "smote":
        gaps = [column.name for column in features if column.null_count() or _has_nan(column)]
        if gaps:
            raise TrainingInvalid(
                f"smote makes rows between rows and cannot from missing values, which "
                f"{listing(gaps)} have; impute them, or resample with 'over' or 'under'"
            )
    try:
        made, drawn = sampler.fit_resample(values, labels)
    except ValueError as error:
        raise TrainingInvalid(f"imbalanced-learn says: {error}") from error
    if how != "smote":
        return matrix.select(pl.all().gather(sampler.sample_indices_))
    frame = pl.DataFrame(made, schema=dict.fromkeys(features.columns, pl.Float32), orient="row")
    return frame.with_columns(pl.Series(label, drawn).cast(matrix.schema[label]))


def _has_nan(column: pl.Series) -> bool:
    return column.dtype.is_float() and bool(column.is_nan().any())
