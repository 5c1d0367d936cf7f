"""What is told of a fitted spec, and a part of one: the same bits as in the whole."""

from __future__ import annotations

import numpy as np
import polars as pl
from tests_bundles import FEATURES, flights
from tests_parity import assert_twins, bits

from dagrun.stages import features as f
from dagrun.stages.features.facts import features_of, formula, restricted, settings_of, state_of
from dagrun.stages.ops.catalog import OPS
from dagrun.stages.ops.op import Op


def fitted() -> f.FeatureSpec:
    return FEATURES.fit(flights(300), label="late")


def test_every_column_belongs_to_one_feature_in_order() -> None:
    spec = fitted()
    features = features_of(spec)
    assert tuple(column for feature in features for column in feature.columns) == spec.names
    carrier = next(feature for feature in features if feature.name == "carrier")
    assert carrier.columns == ("carrier=", "carrier=AA", "carrier=B6", "carrier=UA")
    assert carrier.dtype == "Int32"


def test_two_features_of_one_step_and_parts_stay_apart() -> None:
    spec = f.feature_set(f.one_hot("s"), f.one_hot("s", name="again")).fit(
        pl.DataFrame({"s": ["a", "b"]})
    )
    assert len(spec.steps) == 1
    assert [(feature.name, len(feature.columns)) for feature in features_of(spec)] == [
        ("s", 2),
        ("again", 2),
    ]


def test_a_formula_is_the_nested_ops_with_what_was_set() -> None:
    spec = f.feature_set(
        f.standardize(f.impute_const("x", value=2.5)),
        f.target_mean("y", by=("s", "i"), prior=3),
        f.bucket_fixed("x", edges=(1, 2)),
    ).fit(pl.DataFrame({"x": [1.0, 3.0], "s": ["a", "b"], "i": [1, 2], "y": [0, 1]}))
    assert [formula(spec, feature.value) for feature in features_of(spec)] == [
        "standardize(impute_number(x, value=2.5))",
        "target_mean(s, i, of=y, prior=3, folds=5)",
        "bucket_fixed(x, edges=[1, 2])",
    ]


def test_settings_and_state_are_told_apart() -> None:
    frame = pl.DataFrame({"x": [1.0, 3.0], "s": ["a", "b"], "y": [0.0, 1.0]})
    spec = f.feature_set(
        f.clip_iqr("x", factor=2),
        f.impute_stat("x", stat="mean"),
        f.impute_const("x", value=1, name="filled"),
        f.group_agg("y", by="s", default=7, name="joined"),
        f.target_mean("y", by="s"),
    ).fit(frame)
    by_op = {step.op.op: step.op for step in spec.steps}
    assert {op: sorted(settings_of(one)) for op, one in by_op.items()} == {
        "clip_iqr": ["factor"],
        "impute_stat": ["stat"],
        "impute_number": ["value"],
        "group_agg": ["how", "other"],
        "target_mean": ["folds", "prior"],
    }
    assert sorted(state_of(by_op["target_mean"])) == ["other", "table"]
    assert state_of(by_op["impute_stat"]) == {"value": 2.0}


def test_the_ops_that_aggregate_by_key_are_renewable_and_codes_are_not() -> None:
    renewable = {name for name, kind in OPS.items() if kind.renewable is not Op.renewable}
    assert renewable >= {"frequency", "group_agg", "target_mean"}
    assert not renewable & {"ordinal", "one_hot", "impute_stat", "standardize"}


def test_a_part_of_a_spec_gives_the_bits_of_the_whole() -> None:
    spec, rows = fitted(), flights(200, seed=2)
    whole = bits(spec.transform(rows).select(spec.names))
    for feature in features_of(spec):
        part = restricted(spec, feature.columns)
        assert part.names == feature.columns
        places = [spec.names.index(name) for name in feature.columns]
        needed = rows.select([column.name for column in part.inputs])
        assert np.array_equal(bits(part.transform(needed).select(part.names)), whole[:, places])
        assert_twins(part, needed.head(20))
        assert len(part.inputs) <= 2
