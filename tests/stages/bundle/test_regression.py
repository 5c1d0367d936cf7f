"""Regressions from training to the bundle's file: one value a row, with one set of bits."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from tests_bundles import redigested
from tests_regression import delayed, delays

from dagrun.engine import canonical
from dagrun.stages.bundle import (
    Bundle,
    BundleDamaged,
    RowScorer,
    ShiftLimits,
    ThresholdInvalid,
    archive,
    check,
    make_bundle,
    score,
    try_refresh,
)
from dagrun.stages.bundle.assembly import LANES
from dagrun.stages.bundle.booster import REGRESSIONS, loaded
from dagrun.stages.bundle.golden_rows import bits
from dagrun.stages.bundle.profile import importance
from dagrun.stages.bundle.trees import Trees, probes, walker


@pytest.mark.parametrize("objective", REGRESSIONS)
def test_values_are_the_margins_in_every_way_of_scoring(objective: str) -> None:
    bundle = delays(objective)
    assert (bundle.task, bundle.booster.objective, bundle.threshold) == (
        "regression",
        objective,
        None,
    )
    rows = delayed(400, seed=7)
    scores = score(bundle, rows)
    assert scores.schema == {"value": pl.Float32}
    assert score(bundle, rows, nthread=1).equals(scores)
    predicted = bundle.booster.predict(bundle.spec.transform(rows))
    wanted = bits(predicted.margins)
    assert np.array_equal(bits(predicted.values), wanted)
    assert np.array_equal(bits(scores["value"].to_numpy()), wanted)
    scorer = RowScorer(bundle)
    assert scorer.left_to_xgboost == ""
    answers = [scorer.score(row) for row in bundle.spec.rows_of(rows)]
    for part in zip(*answers, strict=True):
        assert np.array_equal(bits(np.array(part, np.float32)), wanted)


@pytest.mark.parametrize("objective", REGRESSIONS)
def test_the_walk_begins_at_xgboost_s_own_base_score(objective: str) -> None:
    """XGBoost fits the base score to the labels and writes it as text."""
    ubj = delays(objective).booster.ubj
    trees = walker(ubj)
    assert isinstance(trees, Trees)
    rows = probes(trees)
    model = loaded(ubj, 1)
    margins = model.inplace_predict(rows, predict_type="margin", iteration_range=(0, 1))
    roots = trees.roots[:1] * (np.arange(LANES) < 1).astype(np.uint32)
    first = replace(trees, roots=roots, even=None)
    assert np.array_equal(bits(first.predict(rows).margins), bits(margins))
    assert np.float32(trees.base) != 0.5


def test_a_file_gives_the_bundle_back_and_says_what_it_is() -> None:
    bundle = delays()
    again = Bundle.from_bytes(bundle.to_bytes())
    assert again.digest == bundle.digest
    assert (again.task, again.threshold) == ("regression", None)
    check(again).require()
    members = archive.unpack(bundle.to_bytes())
    assert json.loads(members["manifest.json"])["threshold"] is None
    golden = pl.read_parquet(members["golden.parquet"])
    assert golden["value"].equals(golden["margin"].alias("value"))
    assert "probability" not in golden.columns


def test_a_changed_value_is_named() -> None:
    bundle = delays()
    golden = replace(bundle.golden, values=bundle.golden.values + np.float32(1))
    report = check(replace(bundle, golden=golden))
    assert {difference.name for difference in report.differences} == {"value"}


def test_a_regression_has_no_threshold_and_a_classifier_has_one(bundle: Bundle) -> None:
    made = delays()
    with pytest.raises(ThresholdInvalid, match="answers numbers, not labels"):
        make_bundle(
            None,
            name="delays",
            spec=made.spec,
            booster=made.booster,
            sample=delayed(50),
            threshold=0.5,
        )
    for whole, threshold in ((made, (0.5).hex()), (bundle, None)):

        def change(data: bytes, threshold: object = threshold) -> bytes:
            return canonical.to_bytes(json.loads(data) | {"threshold": threshold})

        with pytest.raises(BundleDamaged, match="threshold"):
            Bundle.from_bytes(redigested(whole, "manifest.json", change))


def test_a_refresh_judges_values_by_their_share() -> None:
    turned = delayed(1500, seed=2).with_columns(-pl.col("late"))
    made = try_refresh(None, delays(), turned)
    shift = made.shifts["the rows"]
    values = [score(bundle, turned)["value"].cast(pl.Float64) for bundle in (delays(), made.bundle)]
    expected = (values[1] - values[0]).abs().mean() / values[0].abs().mean()
    assert shift.mean_change == pytest.approx(expected)
    assert expected > 0.0
    assert shift.flipped == 0.0
    assert made.bundle.threshold is None
    assert not shift.judge(ShiftLimits(mean_change=shift.mean_change / 2)).passed
    assert shift.judge(ShiftLimits(mean_change=shift.mean_change * 2, lost=1.0)).passed


def test_features_have_their_importance() -> None:
    shares = importance(delays().booster, "gain")
    assert sum(shares.values()) == pytest.approx(1.0)
    assert max(shares, key=lambda name: shares[name]) == "distance_standardized"
