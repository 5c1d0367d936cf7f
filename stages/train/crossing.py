"""Cross-validation as a mapped stage: one call, and one key, for each candidate and fold.

    @stage
    def tries() -> list[Attempt]:
        return attempts(CANDIDATES, folds=5)

    @stage(over="tries")
    def out_of_fold(ctx: Context, tries: Attempt, train: pl.DataFrame) -> pl.DataFrame:
        return predict_fold(tries, train, FEATURES, label="churn", seed=ctx.seed)

Calls run in parallel and are kept one by one: a candidate more is its folds more, and a run that
was killed goes on with those that are missing.

Guarantee: features are fitted on the rows outside of the fold alone, and so is the model; every
row is predicted once by each candidate. A candidate that stops early does so by the fold after,
which it then does not learn from.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from dagrun.stages.bundle.booster import BINARY
from dagrun.stages.features import FeatureSet
from dagrun.stages.shares import FOLD, fold_parts
from dagrun.stages.train.candidate import STOPS_EARLY, Candidate
from dagrun.stages.train.fit import fit

_ROW = "row"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One candidate and the fold that it is judged on."""

    candidate: Candidate
    fold: int

    def __str__(self) -> str:
        return f"{self.candidate.name}, fold {self.fold}"


def attempts(candidates: Iterable[Candidate], folds: int = 5) -> list[Attempt]:
    """Return every candidate with every fold, as a list to be mapped over."""
    return [
        Attempt(candidate=candidate, fold=fold) for candidate in candidates for fold in range(folds)
    ]


def predict_fold(
    attempt: Attempt,
    rows: pl.DataFrame,
    features: FeatureSet,
    *,
    label: str,
    seed: int,
    objective: str = BINARY,
    nthread: int | None = None,
    time: str | None = None,
    purge: str = "",
) -> pl.DataFrame:
    """Train on the other folds and predict the fold's rows.

    Args:
        attempt: the candidate and the fold.
        rows: raw rows with the features' inputs, the label and a `fold`: what `with_folds` gave.
        features: fitted anew on the rows outside of the fold.
        label: name of the label.
        seed, objective, nthread: as for `fit`.
        time, purge: as for `fold_parts`.

    Returns:
        A row for each row of the fold: `candidate` (String), `fold` (Int32), `row` (UInt32, its
        place in `rows`), `label` (Float64) and `predicted` (Float32).

    Raises:
        SharesInvalid: there is no such fold.
        TrainingInvalid: as `fit` does.
    """
    numbered = rows.with_row_index(_ROW)
    outside, inside = fold_parts(numbered, attempt.fold, time=time, purge=purge)
    stop_by = inside
    if attempt.candidate.family in STOPS_EARLY:
        others = sorted(set(outside[FOLD].to_list()))
        after = next((fold for fold in others if fold > attempt.fold), others[0])
        if len(others) > 1:
            outside, stop_by = outside.filter(pl.col(FOLD) != after), outside.filter(fold=after)
    spec, matrix = features.fit_transform(outside.drop(_ROW, FOLD), label=label)
    model = fit(
        attempt.candidate,
        matrix,
        spec.transform(stop_by.drop(_ROW, FOLD)),
        seed=seed,
        label=label,
        objective=objective,
        nthread=nthread,
    )
    predicted = model.predict(spec.transform(inside.drop(_ROW, FOLD)).drop(label)).values
    return inside.select(
        pl.lit(attempt.candidate.name).alias("candidate"),
        FOLD,
        _ROW,
        pl.col(label).cast(pl.Float64).alias("label"),
        pl.Series("predicted", predicted),
    )
