"""Walked trees have the bits of XGBoost, and what cannot be walked is left to it."""

from __future__ import annotations

import ctypes
import json
import math
import os
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st

from dagrun.stages.bundle.assembly import LANES
from dagrun.stages.bundle.booster import REGRESSIONS
from dagrun.stages.bundle.golden_rows import bits
from dagrun.stages.bundle.trees import NotWalkable, Trees, probes, read_trees, walker
from dagrun.stages.bundle.walk_layout import NODE

SOAK = bool(os.environ.get("DAGRUN_SOAK"))
WIDTH = 5


def trained(params: dict[str, Any], *, seed: int = 1, rounds: int = 12) -> xgboost.Booster:
    """Train on numbers of which one in ten is missing; the last column has few values."""
    chance = np.random.default_rng(seed)
    values = chance.normal(0, 3, (400, WIDTH)).astype(np.float32)
    values[:, -1] = chance.integers(0, 3, 400)
    label = (values[:, 0] * values[:, 1] + values[:, -1] > chance.normal(0, 1, 400)).astype(float)
    values[chance.random(values.shape) < 0.1] = np.nan
    data = xgboost.DMatrix(values, label)
    return xgboost.train({"seed": seed, "nthread": 1, **params}, data, rounds)


def walked(trees: Trees, rows: np.ndarray) -> np.ndarray:
    """Return the bits of margins and values: the same one by one, together, and either way."""
    found = walked_one_way(trees, rows)
    if trees.even is not None:
        assert np.array_equal(walked_one_way(replace(trees, even=None), rows), found)
    return found


def walked_one_way(trees: Trees, rows: np.ndarray) -> np.ndarray:
    row = (ctypes.c_float * trees.width)()
    walk = trees.bind(row)
    found = []
    for values in rows[:50].tolist():
        row[:] = values
        found.append(walk())
    together = bits(np.stack(trees.predict(rows), axis=1))
    assert np.array_equal(together[:50], bits(np.array(found, np.float32).reshape(-1, 2)))
    return together


def asked(model: xgboost.Booster, rows: np.ndarray) -> np.ndarray:
    kinds = ("margin", "value")
    return bits(
        np.stack([model.inplace_predict(rows, predict_type=kind) for kind in kinds], axis=1)
    )


@settings(max_examples=200 if SOAK else 12, deadline=None)
@given(
    objective=st.sampled_from(["binary:logistic", "reg:logistic", *REGRESSIONS]),
    depth=st.integers(1, 12),
    policy=st.sampled_from(["depthwise", "lossguide"]),
    method=st.sampled_from(["hist", "exact", "approx"]),
    base=st.none() | st.floats(0.01, 0.99),
    seed=st.integers(0, 2**16),
)
def test_any_trees_have_the_bits_of_xgboost(
    objective: str, depth: int, policy: str, method: str, base: float | None, seed: int
) -> None:
    params: dict[str, Any] = {"objective": objective, "max_depth": depth, "tree_method": method}
    if method == "hist":
        params |= {"grow_policy": policy, "max_leaves": 0 if policy == "depthwise" else 20}
    if base is not None:
        params["base_score"] = base
    model = trained(params, seed=seed)
    trees = walker(bytes(model.save_raw("ubj")))
    assert isinstance(trees, Trees)
    assert (trees.even is not None) == (trees.depths.max() <= 8)
    chance = np.random.default_rng(seed)
    rows = chance.choice(probes(trees).ravel(), (300, WIDTH)).astype(np.float32)
    assert np.array_equal(walked(trees, rows), asked(model, rows))


@pytest.mark.parametrize(
    "params",
    [
        {"booster": "dart", "rate_drop": 0.5},
        {"booster": "gblinear"},
        {"objective": "multi:softprob", "num_class": 2},
        {"objective": "count:poisson"},
    ],
    ids=lambda params: "-".join(map(str, params.values())),
)
def test_another_kind_of_model_is_left_to_xgboost(params: dict[str, Any]) -> None:
    assert isinstance(walker(bytes(trained(params).save_raw("ubj"))), NotWalkable)


def test_categorical_splits_are_left_to_xgboost() -> None:
    chance = np.random.default_rng(3)
    codes = chance.integers(0, 9, (300, 1)).astype(np.float32)
    data = xgboost.DMatrix(codes, codes[:, 0] % 2, feature_types=["c"], enable_categorical=True)
    model = xgboost.train({"max_cat_to_onehot": 1, "nthread": 1}, data, 3)
    assert str(walker(bytes(model.save_raw("ubj")))) == "a model with categorical splits"


@pytest.mark.parametrize(
    ("name", "value"), [("left_children", 0), ("right_children", 10**6), ("split_indices", WIDTH)]
)
def test_nodes_that_lead_astray_are_never_walked(name: str, value: int) -> None:
    form = json.loads(bytes(trained({"objective": "binary:logistic"}).save_raw("json")))
    assert np.count_nonzero(read_trees(form).roots) == 12
    form["learner"]["gradient_booster"]["model"]["trees"][3][name][1] = value
    with pytest.raises(NotWalkable, match="lead nowhere or back"):
        read_trees(form)


@pytest.mark.parametrize("place", ["leaf", "left", "right"])
@pytest.mark.parametrize("value", [-math.inf, math.inf, math.nan, 0.0, -0.0, 1e-45, -1e-45])
def test_odd_numbers_are_walked_as_xgboost_does(value: float, place: str) -> None:
    form = json.loads(bytes(trained({"objective": "reg:squarederror"}).save_raw("json")))
    tree = form["learner"]["gradient_booster"]["model"]["trees"][3]
    ends = [left < 0 for left in tree["left_children"]]
    node = 0 if place != "leaf" else ends.index(True)
    tree["split_conditions"][node] = value
    tree["default_left"][0] = int(place == "left")
    model = xgboost.Booster({"nthread": 1})
    model.load_model(bytearray(json.dumps(form).encode()))
    trees = read_trees(form)
    rows = probes(trees)
    assert np.array_equal(walked(trees, rows), asked(model, rows))


def test_nodes_are_no_more_than_the_model_has_however_often_they_are_named() -> None:
    form = json.loads(bytes(trained({"objective": "binary:logistic"}).save_raw("json")))
    tree = form["learner"]["gradient_booster"]["model"]["trees"][3]
    count = len(tree["left_children"])
    for side in ("left_children", "right_children"):
        tree[side] = [*range(1, count), -1]
    with pytest.raises(NotWalkable, match="two parents"):
        read_trees(form)


def test_a_wrong_bit_is_likely_to_be_noticed_by_the_probes() -> None:
    model = trained({"objective": "binary:logistic"})
    trees = walker(bytes(model.save_raw("ubj")))
    assert isinstance(trees, Trees)
    rows = probes(trees)
    expected = asked(model, rows)
    assert np.array_equal(walked(trees, rows), expected)
    chance = np.random.default_rng(2)
    noticed = 0
    for place in chance.permutation(len(trees.nodes))[:40]:
        nodes = trees.nodes.copy()
        nodes["value"][place] += 1  # the next threshold, or the next leaf
        changed = replace(trees, nodes=nodes, even=None)
        noticed += not np.array_equal(walked(changed, rows), expected)
    # A leaf's last bit may be lost in the sum, and some branches are reached by few rows.
    assert noticed >= 20


def test_the_sigmoid_is_xgboost_s_own_for_any_margin() -> None:
    chance = np.random.default_rng(5)
    count = 100_000 if SOAK else 5_000
    wanted = np.concatenate(
        [
            chance.normal(0, 4, count),
            chance.uniform(-200, 200, count),
            [0.0, -0.0, 88.7, -88.7, 88.8, -88.8, 1e30, -1e30, 1e-40, np.inf, -np.inf],
        ]
    ).astype(np.float32)
    model = trained({"objective": "binary:logistic"}, rounds=1)
    features = np.zeros((len(wanted), WIDTH), np.float32)
    base = wanted - model.inplace_predict(features[:1], predict_type="margin")
    shifted = {"base_margin": base, "validate_features": False}
    margins = model.inplace_predict(features, predict_type="margin", **shifted)
    expected = model.inplace_predict(features, predict_type="value", **shifted)
    found = [
        Trees(
            nodes=np.empty(0, NODE),
            roots=np.empty((0, LANES), np.uint32),
            depths=np.empty(0, np.uint32),
            even=None,
            width=1,
            base=margin,
            logistic=True,
        ).bind((ctypes.c_float * 1)())()[1]
        for margin in margins.tolist()
    ]
    assert np.array_equal(bits(np.array(found, np.float32)), bits(expected))
