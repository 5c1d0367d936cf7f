"""Fits: independent of row order, threads and process; targets out of fold; labels kept apart."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys

import polars as pl
import pytest

from dagrun.engine.canonical import digest, encode
from dagrun.stages import features as f

SOURCE = """
import random, sys, json
import polars as pl
from dagrun.engine.canonical import digest_bytes
from dagrun.stages import features as f

def flights(rows, seed=1):
    pick = random.Random(seed)
    zone = "UTC"
    return pl.DataFrame({
        "distance": [pick.choice([None, pick.lognormvariate(6, 2)]) for _ in range(rows)],
        "wind": [pick.gauss(0, 1e-3) for _ in range(rows)],
        "carrier": [pick.choice(["UA", "AA", "é", None]) for _ in range(rows)],
        "dest": [f"D{pick.randrange(400)}" for _ in range(rows)],
        "at": pl.Series([pick.randrange(10**15, 14 * 10**14) for _ in range(rows)]
            ).cast(pl.Datetime("us", zone)),
        "delay": [pick.gauss(0.1, 30) for _ in range(rows)],
        "late": [pick.random() < 0.3 for _ in range(rows)],
    })

FEATURES = f.feature_set(
    f.standardize(f.log1p(f.impute_stat("distance", stat="mean"))),
    f.robust_scale("wind"), f.bucket_quantile("distance"), f.clip_iqr("wind"),
    f.one_hot("carrier", rare_below=0.01), f.frequency("dest"),
    f.date_parts("at", parts=("hour", "weekday", "month"), tz="America/New_York"),
    f.group_agg("delay", by=("carrier", "dest")), f.group_agg("delay", by="dest", how="median"),
    f.target_mean("late", by=("carrier", "dest"), prior=50), f.target_mean("delay", by="dest"),
)

def fingerprint():
    train = flights(5_000)
    spec, matrix = FEATURES.fit_transform(train, label="late")
    row = spec.row_function()
    rows = [[x.hex() for x in row(values)] for values in spec.rows_of(train[:50])]
    batch, folds = (
        [digest_bytes(column.to_numpy().tobytes()) for column in frame.cast(pl.Float32)]
        for frame in (spec.transform(train), matrix)
    )
    return {"spec": spec.digest, "rows": rows, "batch": batch, "folds": folds}
"""
space: dict[str, object] = {}
exec(SOURCE, space)
flights, FEATURES, fingerprint = space["flights"], space["FEATURES"], space["fingerprint"]


@pytest.mark.parametrize("threads", ["1", "3"])
def test_another_process_with_other_threads_gives_the_same_bits(threads: str) -> None:
    environment = {**os.environ, "POLARS_MAX_THREADS": threads, "PYTHONHASHSEED": threads}
    script = SOURCE + "\nprint(json.dumps(fingerprint()))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", script], env=environment, capture_output=True, check=True
    )
    assert json.loads(done.stdout) == fingerprint()


def test_the_order_of_training_rows_does_not_show_in_the_spec() -> None:
    train = flights(2_000)
    order = list(range(len(train)))
    random.Random(7).shuffle(order)
    spec, again = FEATURES.fit(train), FEATURES.fit(train[order])
    assert spec.digest == again.digest


def test_fit_takes_lazy_frames_and_equals_fit_transform() -> None:
    train = flights(500)
    spec, matrix = FEATURES.fit_transform(train.lazy(), label="late")
    assert FEATURES.fit(train, label="late") == spec
    assert spec.transform(train.lazy()).equals(spec.transform(train))
    assert matrix.columns == [*spec.names, "late"]
    assert spec.transform(train.drop("late", "delay")).columns == list(spec.names)


def test_training_rows_are_encoded_out_of_fold() -> None:
    """With one row per key, a row's own target must not reach its own encoding."""
    train = pl.DataFrame({"key": [f"k{i}" for i in range(200)], "y": [i % 2 for i in range(200)]})
    spec, matrix = f.feature_set(f.target_mean("y", by="key", prior=0)).fit_transform(
        train, label="y"
    )
    name = spec.names[0]
    assert matrix[name].is_between(0.4, 0.6).all()
    assert spec.transform(train)[name].to_list() == train["y"].to_list()


def test_a_key_may_be_named_twice() -> None:
    train = pl.DataFrame({"k": ["a", "b", "a", "b"] * 9, "y": [0, 1, 1, 1] * 9})
    once, twice = f.target_mean("y", by="k", name="once"), f.target_mean("y", by=("k", "k"))
    _, matrix = f.feature_set(once, twice).fit_transform(train, label="y")
    assert matrix["once"].equals(matrix["y_mean_by_k_k"])


def test_features_downstream_of_a_target_are_out_of_fold_too() -> None:
    train = pl.DataFrame({"key": [f"k{i}" for i in range(100)], "y": [i % 2 for i in range(100)]})
    encoded = f.target_mean("y", by="key", prior=0)
    spec, matrix = f.feature_set(f.affine(encoded, factor=10, name="ten")).fit_transform(train)
    assert matrix["ten"].is_between(3.0, 7.0).all()
    assert spec.transform(train)["ten"].is_in([0.0, 10.0]).all()


def test_rows_without_a_target_do_not_count() -> None:
    train = pl.DataFrame({"key": ["a", "a", "b", "a"], "y": [1.0, None, 0.0, float("nan")]})
    spec = f.feature_set(f.target_mean("y", by="key", prior=0)).fit(train)
    assert spec.transform(train)[:, 0].to_list() == [1.0, 1.0, 0.0, 1.0]


def test_signed_zeros_in_the_training_rows_leave_no_trace() -> None:
    one, other = pl.DataFrame({"x": [-0.0, 0.0, 1.0]}), pl.DataFrame({"x": [0.0, -0.0, 1.0]})
    features = f.feature_set(f.minmax("x"), f.impute_stat("x", stat="mode"), f.clip_iqr("x"))
    assert features.fit(one).digest == features.fit(other).digest


def test_values_that_are_not_finite_do_not_spoil_a_fit() -> None:
    train = pl.DataFrame({"x": [1.0, 3.0, float("inf"), float("-inf"), float("nan"), None]})
    spec = f.feature_set(f.standardize("x")).fit(train)
    values = [-1.0, 1.0, float("inf"), float("-inf"), None, None]
    assert spec.transform(train)[:, 0].to_list() == values


def test_a_feature_set_is_a_value_with_a_digest() -> None:
    form = encode(FEATURES)
    space_again: dict[str, object] = {}
    exec(SOURCE, space_again)
    assert form == encode(space_again["FEATURES"])
    assert space_again["FEATURES"] == FEATURES
    changed = f.feature_set(f.standardize("distance"))
    assert digest("test", form) != digest("test", encode(changed))


def test_declared_inputs() -> None:
    declared = f.Column(name="n", dtype="int64", nullable=False)
    train = pl.DataFrame({"n": [1, 2]}, schema={"n": pl.Int8})
    spec = f.feature_set("n", inputs=[declared]).fit(train)
    assert spec.inputs == (declared,)
    narrow = pl.DataFrame({"n": [7]}, schema={"n": pl.UInt16})
    assert spec.transform(narrow)["n"].to_list() == [7.0]
