"""The single-row path has the bits of the batch path, alone and in many threads."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import xgboost
from tests_bundles import flights

from dagrun.stages.bundle import Booster, Bundle, RowScorer, score
from dagrun.stages.bundle.golden_rows import bits, record
from dagrun.stages.features import feature_set

ROWS = 200_000 if os.environ.get("DAGRUN_SOAK") else 3_000


def by_rows(bundle: Bundle, frame: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the bits of the features and of (margin, probability), row by row."""
    scorer = RowScorer(bundle)
    answers, features = [], []
    for values in bundle.spec.rows_of(frame):
        answers.append(scorer.score(values))
        features.append(scorer.features)
    return bits(np.array(features, np.float32)), bits(np.array(answers, np.float32))


def by_batch(bundle: Bundle, frame: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    features = bundle.booster.values(bundle.spec.transform(frame))
    answers = score(bundle, frame).select("margin", "probability").to_numpy()
    return bits(features), bits(answers)


def assert_same_bits(bundle: Bundle, frame: pl.DataFrame) -> None:
    for row, batch in zip(by_rows(bundle, frame), by_batch(bundle, frame), strict=True):
        assert np.array_equal(row, batch)


def test_rows_and_batches_have_the_same_bits(bundle: Bundle) -> None:
    assert_same_bits(bundle, flights(ROWS, seed=3))
    assert_same_bits(bundle, bundle.golden.rows)


def test_a_row_does_not_see_the_one_before(bundle: Bundle, sample: pl.DataFrame) -> None:
    scorer = RowScorer(bundle)
    rows = bundle.spec.rows_of(sample.head(50))
    forwards = [scorer.score(row) for row in rows]
    backwards = [scorer.score(row) for row in reversed(rows)]
    assert forwards == backwards[::-1]


def test_one_scorer_per_thread_is_enough(bundle: Bundle, sample: pl.DataFrame) -> None:
    rows = bundle.spec.rows_of(sample.head(400))
    expected = score(bundle, sample.head(400)).select("margin", "probability").rows()

    def work(_: int) -> list[tuple[float, float]]:
        scorer = RowScorer(bundle)
        return [tuple(scorer.score(row)) for row in rows]

    with ThreadPoolExecutor(8) as pool:
        assert all(answers == expected for answers in pool.map(work, range(8)))


def test_without_the_golden_predictions_xgboost_is_asked(
    bundle: Bundle, sample: pl.DataFrame
) -> None:
    assert RowScorer(bundle).left_to_xgboost == ""
    golden = replace(bundle.golden, values=bundle.golden.values + np.float32(1e-3))
    doubted = replace(bundle, golden=golden)
    assert RowScorer(doubted).left_to_xgboost == "the golden rows have other bits"
    like = RowScorer(doubted, RowScorer(doubted))
    assert like.left_to_xgboost == "the golden rows have other bits"
    frame = sample.head(100)
    assert np.array_equal(by_rows(doubted, frame)[1], by_batch(bundle, frame)[1])


def test_a_scorer_like_another_answers_alike(bundle: Bundle, sample: pl.DataFrame) -> None:
    first = RowScorer(bundle)
    like = RowScorer(bundle, first)
    rows = bundle.spec.rows_of(sample.head(50))
    assert [like.score(row) for row in rows] == [first.score(row) for row in rows]


def test_another_objective_is_answered_by_xgboost(sample: pl.DataFrame) -> None:
    spec, matrix = feature_set("distance", "wind").fit_transform(sample, label="late")
    data = xgboost.DMatrix(matrix.drop("late").to_numpy(), matrix["late"].to_numpy())
    model = xgboost.train({"objective": "count:poisson"}, data, 5)
    booster = Booster(
        ubj=bytes(model.save_raw("ubj")),
        features=spec.names,
        objective="count:poisson",
        rounds=5,
    )
    golden = record(spec, booster, sample)
    made = Bundle(name="m", spec=spec, booster=booster, golden=golden, threshold=0.5)
    assert_same_bits(made, sample.head(200))


def test_numbers_beyond_float32_overflow_alike(bundle: Bundle) -> None:
    row = flights(1).with_columns(distance=pl.lit(1e300), wind=pl.lit(1e300))
    assert_same_bits(bundle, row)


def test_a_row_of_another_length_is_an_error(bundle: Bundle) -> None:
    with pytest.raises(ValueError, match="unpack"):
        RowScorer(bundle).score([1.0])
