"""clip_z: the caps are mean and standard deviations of the training rows, and both twins agree."""

from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import given
from tests_parity import RUNS, assert_twins, fitted, frames

from dagrun.stages import features as f
from dagrun.stages.ops.errors import FeatureDefinitionError


@RUNS
@given(train=frames(least=3), frame=frames())
def test_the_twins_agree(train: pl.DataFrame, frame: pl.DataFrame) -> None:
    features = f.feature_set(f.clip_z("x", "i", factor=1.5))
    assert_twins(fitted(features, train), pl.concat([train[:4], frame]))


def test_caps_are_standard_deviations_from_the_mean() -> None:
    train = pl.DataFrame({"x": [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0, math.inf, math.nan]})
    spec = f.feature_set(f.clip_z("x", factor=1.5)).fit(train)  # mean 5, std 2
    rows = pl.DataFrame({"x": [1.9, 2.0, 5.0, 8.1, -math.inf, math.nan, None]})
    assert spec.transform(rows)["x_clipped"].to_list() == [2.0, 2.0, 5.0, 8.0, 2.0, None, None]


def test_a_constant_column_is_held_at_its_value() -> None:
    spec = f.feature_set(f.clip_z("x")).fit(pl.DataFrame({"x": [3.0, 3.0]}))
    assert spec.transform(pl.DataFrame({"x": [9.0, 3.0]}))["x_clipped"].to_list() == [3.0, 3.0]


def test_the_factor_is_positive() -> None:
    with pytest.raises(FeatureDefinitionError, match="must be positive"):
        f.clip_z("x", factor=0)
