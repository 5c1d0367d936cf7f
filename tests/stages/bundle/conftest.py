"""A small model of flights, made once for all tests of the bundle."""

from __future__ import annotations

import polars as pl
import pytest
from tests_bundles import FEATURES, flights

from dagrun.stages.bundle import Booster, Bundle, make_bundle
from dagrun.stages.features import FeatureSpec
from dagrun.stages.train import fit_xgboost


@pytest.fixture(scope="session")
def sample() -> pl.DataFrame:
    return flights(3000)


@pytest.fixture(scope="session")
def fitted(sample: pl.DataFrame) -> tuple[FeatureSpec, Booster]:
    spec, matrix = FEATURES.fit_transform(sample, label="late")
    valid = spec.transform(flights(500, seed=1))
    return spec, fit_xgboost(matrix, valid, seed=1, rounds=40, max_depth=4, nthread=1)


@pytest.fixture(scope="session")
def bundle(sample: pl.DataFrame, fitted: tuple[FeatureSpec, Booster]) -> Bundle:
    spec, booster = fitted
    return make_bundle(
        None,
        name="flights",
        spec=spec,
        booster=booster,
        sample=sample,
        threshold=0.3,
        metrics={"auc": 0.7, "rows": 3000.0},
        trained={"from": "2013-01-01", "to": "2013-12-14"},
    )


@pytest.fixture(scope="session")
def other_bundle(sample: pl.DataFrame, fitted: tuple[FeatureSpec, Booster]) -> Bundle:
    spec, booster = fitted
    return make_bundle(None, name="flights", spec=spec, booster=booster, sample=sample.head(700))
