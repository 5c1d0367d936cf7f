"""Contributions: the same bits in any company, and a sum that is the margin."""

from __future__ import annotations

import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st

from dagrun.stages.bundle import Booster, contributions


@pytest.fixture(scope="module")
def booster() -> Booster:
    made = np.random.default_rng(5)
    values = made.normal(size=(2_000, 6)).astype(np.float32)
    values[made.random(values.shape) < 0.1] = np.nan
    label = np.nan_to_num(values[:, 0]) + np.nan_to_num(values[:, 1] * values[:, 2]) > 0
    names = tuple("abcdef")
    train = xgboost.DMatrix(values, label.astype(int), feature_names=list(names))
    params = {"objective": "binary:logistic", "nthread": 1, "max_depth": 5}
    model = xgboost.train(params, train, 60)
    return Booster(
        ubj=bytes(model.save_raw("ubj")), features=names, objective="binary:logistic", rounds=60
    )


VALUE = st.floats(width=32)
ROW = st.lists(VALUE, min_size=6, max_size=6)


@settings(max_examples=40, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=20))
def test_a_row_alone_and_among_others_and_the_sum(
    booster: Booster, rows: list[list[float]]
) -> None:
    values = np.array(rows, np.float32)
    together = contributions(booster, values)
    assert together.features.shape == values.shape
    for number in range(len(values)):
        alone = contributions(booster, values[number : number + 1])
        assert alone.features.tobytes() == together.features[number].tobytes()
        assert alone.biases.tobytes() == together.biases[number : number + 1].tobytes()
    margins = booster.predict_values(values, nthread=1).margins.astype(float)
    sums = together.features.astype(float).sum(axis=1) + together.biases
    largest = max(1.0, float(np.abs(together.features).max()))
    assert np.abs(sums - margins).max() <= 1e-5 * largest


def test_no_rows(booster: Booster) -> None:
    found = contributions(booster, np.empty((0, 6), np.float32))
    assert found.features.shape == (0, 6)
    assert found.biases.shape == (0,)
