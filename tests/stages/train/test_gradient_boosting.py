"""Training: the same model every time, and no training on what makes no sense."""

from __future__ import annotations

import math
import random

import numpy as np
import polars as pl
import pytest

from dagrun.stages.bundle import Booster, FeatureMismatch
from dagrun.stages.bundle.booster import REGRESSIONS
from dagrun.stages.train import TrainingInvalid, fit_xgboost


def matrix(rows: int, seed: int = 0) -> pl.DataFrame:
    chance = random.Random(seed)
    x = [chance.gauss(0, 1) for _ in range(rows)]
    z = [chance.choice([None, 0, 1, 2]) for _ in range(rows)]
    late = [xi + (zi or 0) + chance.gauss(0, 1) > 1 for xi, zi in zip(x, z, strict=True)]
    schema = {"x": pl.Float32, "z": pl.Int32, "late": pl.Boolean}
    return pl.DataFrame({"x": x, "z": z, "late": late}, schema=schema)


def fit(train: pl.DataFrame, valid: pl.DataFrame | None = None, **changes) -> Booster:
    arguments = {
        "seed": 1,
        "rounds": 60,
        "early_stopping": 5,
        "subsample": 0.8,
        "nthread": 1,
    } | changes
    return fit_xgboost(train, matrix(500, seed=9) if valid is None else valid, **arguments)


def test_the_model_does_not_depend_on_the_number_of_threads() -> None:
    train = matrix(3000)
    digests = {fit(train, nthread=nthread, rounds=15).digest for nthread in (1, 2, None)}
    assert len(digests) == 1


def test_it_does_depend_on_seed_params_and_rows() -> None:
    train = matrix(2000)
    boosters = [
        fit(train),
        fit(train, seed=2),
        fit(train, max_depth=3),
        fit(train, subsample=0.7),
        fit(train.reverse()),
    ]
    assert len({booster.digest for booster in boosters}) == len(boosters)


def test_the_best_iteration_is_kept_and_said() -> None:
    booster = fit(matrix(2000), rounds=200, learning_rate=0.5)
    assert booster.rounds < 100
    assert booster.features == ("x", "z")
    assert dict(booster.params) == {
        "device": "cpu",
        "learning_rate": 0.5,
        "max_depth": 6,
        "seed": 1,
        "subsample": 0.8,
    }
    valid = matrix(500, seed=9)
    p = booster.predict(valid).probabilities.astype(np.float64)
    y = valid["late"].to_numpy()
    told = dict(booster.history)["valid-logloss"]
    assert -np.log(np.where(y, p, 1 - p)).mean() == pytest.approx(told, abs=1e-6)
    for rounds in (booster.rounds - 1, booster.rounds + 1):
        other = fit(matrix(2000), rounds=rounds, learning_rate=0.5, early_stopping=200)
        assert dict(other.history)["valid-logloss"] >= told


def test_a_model_learns() -> None:
    booster = fit(matrix(4000))
    test = matrix(2000, seed=5)
    p = booster.predict(test).probabilities
    assert ((p > 0.5) == test["late"].to_numpy()).mean() > 0.7


LABELS = [True, False, True, False]


@pytest.mark.parametrize(
    ("label", "problem"),
    [
        (pl.Series([1, 0, None, 1]), "label 'late' has 1 nulls in the train part"),
        (pl.Series([1, 0, 2, 1]), "1 values in the train part that are neither 0 nor 1, such as 2"),
        (pl.Series([1.0, 0.0, float("nan"), 1.0]), "neither 0 nor 1, such as nan"),
        (pl.Series(["1", "0", "1", "0"]), "label 'late' is String"),
    ],
)
def test_a_label_that_is_not_0_or_1_is_refused(label: pl.Series, problem: str) -> None:
    train = pl.DataFrame({"x": [0.0, 1.0, 2.0, 3.0], "late": label})
    with pytest.raises(TrainingInvalid, match=problem):
        fit(train, train)


def test_a_matrix_of_another_shape_is_refused() -> None:
    train = matrix(50)
    with pytest.raises(TrainingInvalid, match=r"then the label 'lat'.* Did you mean 'late'"):
        fit(train, label="lat")
    with pytest.raises(TrainingInvalid, match="then the label 'x'"):
        fit(train, label="x")
    with pytest.raises(TrainingInvalid, match="features and then the label"):
        fit(train.select("late"))
    with pytest.raises(TrainingInvalid, match="the train part has no rows"):
        fit(train.head(0))
    with pytest.raises(FeatureMismatch, match="has 'z' as column 1, the model 'x'"):
        fit(train, train.select("z", "x", "late"))
    with pytest.raises(FeatureMismatch, match="lacks z"):
        fit(train, train.select("x", "late"))


def test_params_that_would_be_ignored_or_are_wrong_are_refused() -> None:
    train = matrix(50)
    with pytest.raises(
        TrainingInvalid, match=r"'min_child_wieght'.* Did you mean 'min_child_weigh"
    ):
        fit(train, min_child_wieght=3)
    with pytest.raises(TrainingInvalid, match="no param 'eval_metric' to set"):
        fit(train, eval_metric="auc")
    with pytest.raises(TrainingInvalid, match=r"'reg:squareerror'. Did you mean 'reg:squarederr"):
        fit(train, objective="reg:squareerror")
    with pytest.raises(TrainingInvalid, match="XGBoost says: value -3 for Parameter max_depth"):
        fit(train, max_depth=-3)


@pytest.mark.parametrize("objective", REGRESSIONS)
def test_a_regression_learns_numbers_and_stops_by_its_own_metric(objective: str) -> None:
    def dear(part: pl.DataFrame) -> pl.DataFrame:
        dollars = (pl.col("x").fill_null(0) + pl.col("z").fill_null(0) + 6) * 80_000
        return part.with_columns(dollars.alias("late"))

    slope = {"huber_slope": 50_000.0} if "huber" in objective else {}
    train, test = dear(matrix(2000)), dear(matrix(500, seed=5))
    booster = fit(train, dear(matrix(500, seed=9)), objective=objective, max_depth=4, **slope)
    assert (booster.task, booster.objective) == ("regression", objective)
    assert [name for name, _ in booster.history] == [
        f"{part}-{REGRESSIONS[objective]}" for part in ("train", "valid")
    ]
    error = np.abs(booster.predict(test).values - test["late"].to_numpy())
    naive = np.abs(np.median(test["late"].to_numpy()) - test["late"].to_numpy())
    assert error.mean() < 0.25 * naive.mean()


@pytest.mark.parametrize("value", [math.inf, math.nan, 1e39])
def test_a_number_that_float32_does_not_hold_is_no_label(value: float) -> None:
    train = pl.DataFrame({"x": [0.0, 1.0], "late": [1.0, value]})
    with pytest.raises(TrainingInvalid, match="no finite numbers of float32"):
        fit(train, train, objective="reg:squarederror")
