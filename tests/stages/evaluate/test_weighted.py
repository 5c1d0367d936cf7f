"""Weighted measures beside the plain metrics, and what the bootstrap makes of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagrun.stages.evaluate import evaluate, evaluate_regression
from dagrun.stages.evaluate.bootstrap import Bootstrap, intervals
from dagrun.stages.evaluate.weighted import binary_measure, mean, regression_measure

ROWS = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]), st.integers(0, 3)),
    min_size=4,
    max_size=30,
)


@given(ROWS)
def test_whole_weights_are_rows_repeated(rows: list[tuple[bool, float, int]]) -> None:
    labels, predicted, weights = (np.array(column) for column in zip(*rows, strict=True))
    repeated = np.repeat(labels, weights)
    if len({*repeated.tolist()}) < 2:
        return
    values = np.repeat(predicted, weights)
    report = evaluate(repeated, values, threshold=0.5, train_base_rate=0.5)
    for metric, wanted in report.figures().items():
        measure = binary_measure(metric, labels.astype(float), predicted, 0.5)
        if measure:
            assert measure(weights) == pytest.approx(wanted, rel=1e-9, abs=1e-12), metric


@given(
    st.lists(
        st.tuples(st.floats(1, 100), st.floats(-50, 150), st.integers(0, 3)),
        min_size=4,
        max_size=30,
    )
)
def test_so_are_those_of_a_regression(rows: list[tuple[float, float, int]]) -> None:
    labels, predicted, weights = (np.array(column) for column in zip(*rows, strict=True))
    repeated, values = np.repeat(labels, weights), np.repeat(predicted, weights)
    if len(repeated) < 2 or np.ptp(repeated) < 1e-3:
        return
    report = evaluate_regression(repeated, values, constant=1.0)
    for metric, wanted in report.figures().items():
        measure = regression_measure(metric, labels, predicted)
        if measure:
            assert measure(weights) == pytest.approx(wanted, rel=1e-6, abs=1e-9), metric


def test_what_has_no_meaning_is_no_number() -> None:
    auc = binary_measure("auc", np.ones(4), np.full(4, 0.5), 0.5)
    assert auc
    assert math.isnan(auc(np.ones(4, np.int64)))
    assert binary_measure("rmse", np.ones(4), np.full(4, 0.5), 0.5) is None


def test_an_interval_is_that_of_the_normal_approximation_for_a_mean() -> None:
    values = np.random.default_rng(7).normal(10.0, 2.0, 2000)
    ((low, high),) = [each for each in intervals([mean(values)], 2000, Bootstrap()) if each]
    error = 1.96 * values.std() / math.sqrt(2000)
    assert low == pytest.approx(values.mean() - error, abs=0.02)
    assert high == pytest.approx(values.mean() + error, abs=0.02)


def test_an_interval_covers_the_truth_as_often_as_it_says() -> None:
    chance, how = np.random.default_rng(3), Bootstrap(level=0.9, resamples=200)
    covered = 0
    for _ in range(200):
        found = intervals([mean(chance.normal(0.0, 1.0, 200))], 200, how)[0]
        assert found
        covered += found[0] <= 0.0 <= found[1]
    assert 165 <= covered <= 195


def test_the_same_seed_gives_the_same_interval_and_few_rows_none() -> None:
    labels = np.array([1.0, 0.0, 0.0])
    auc = binary_measure("auc", labels, np.array([0.7, 0.2, 0.1]), 0.5)
    assert auc
    assert intervals([auc], 3, Bootstrap()) == [None]
    values = np.random.default_rng(2).normal(0.0, 1.0, 50)
    assert intervals([mean(values)], 50, Bootstrap()) == intervals([mean(values)], 50, Bootstrap())
    assert intervals([mean(values)], 50, Bootstrap(seed=1)) != intervals(
        [mean(values)], 50, Bootstrap()
    )
