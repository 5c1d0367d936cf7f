"""The booster as a value: the same bits however it is asked, and stored without loss."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from dagrun.engine.store.store import Store
from dagrun.stages.bundle import Booster, FeatureMismatch
from dagrun.stages.bundle.golden_rows import bits


@pytest.fixture(scope="module")
def matrix(sample, fitted) -> pl.DataFrame:
    return fitted[0].transform(sample.head(400))


@pytest.fixture(scope="module")
def booster(fitted) -> Booster:
    return fitted[1]


def test_one_row_many_rows_and_every_thread_count_give_the_same_bits(booster, matrix) -> None:
    margins, probabilities = booster.predict(matrix)
    assert margins.dtype == probabilities.dtype == np.float32
    for nthread in (1, 2, 4):
        again = booster.predict(matrix, nthread=nthread)
        assert np.array_equal(bits(again.margins), bits(margins))
        assert np.array_equal(bits(again.probabilities), bits(probabilities))
    for row in range(0, 400, 40):
        one = booster.predict(matrix.slice(row, 1))
        assert one.margins[0] == margins[row]
        assert one.probabilities[0] == probabilities[row]


def test_null_and_nan_both_mean_missing(booster, matrix) -> None:
    holes = matrix.with_columns(pl.lit(None, pl.Float32).alias(booster.features[0]))
    nans = holes.with_columns(pl.col(booster.features[0]).fill_null(float("nan")))
    assert holes[booster.features[0]].null_count() == 400
    assert np.array_equal(booster.predict(holes).margins, booster.predict(nans).margins)


def test_a_matrix_is_checked_by_name_and_place(booster, matrix) -> None:
    first, second, *rest = booster.features
    with pytest.raises(FeatureMismatch, match=f"has '{second}' as column 1, the model '{first}'"):
        booster.predict(matrix.select(second, first, *rest))
    with pytest.raises(FeatureMismatch, match=f"lacks {second}"):
        booster.predict(matrix.drop(second))
    with_label = booster.predict(matrix).margins
    assert np.array_equal(booster.predict(matrix.drop("late")).margins, with_label)


def test_no_rows_give_no_predictions(booster, matrix) -> None:
    margins, probabilities = booster.predict(matrix.head(0))
    assert margins.shape == probabilities.shape == (0,)


def test_it_is_stored_and_found_by_its_content(booster, tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    output = store.dump(booster)
    assert output.logical == booster.digest
    assert store.dump(booster).blob == output.blob
    assert store.load(output, Booster) == booster


def test_the_digest_covers_bytes_and_description(booster) -> None:
    others = [
        replace(booster, ubj=booster.ubj + b" "),
        replace(booster, features=booster.features[::-1]),
        replace(booster, params=()),
        replace(booster, rounds=booster.rounds + 1),
    ]
    assert len({booster.digest, *(other.digest for other in others)}) == 5
