"""The bundle's file: deterministic, whole or refused by the name of what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests_bundles import flights

from dagrun.engine import canonical
from dagrun.engine.context import Context
from dagrun.engine.errors import DagrunError, UnknownVersion
from dagrun.engine.store.store import Store
from dagrun.stages.bundle import (
    Bundle,
    BundleDamaged,
    FeatureMismatch,
    ThresholdInvalid,
    archive,
    check,
    make_bundle,
    read_bundle,
)
from dagrun.stages.features import feature_set, frequency
from dagrun.stages.train import fit_xgboost

MEMBERS = ("golden.parquet", "manifest.json", "model.ubj", "spec.json")


def test_everything_comes_back_from_the_file(bundle: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "flights.bundle"
    path.write_bytes(bundle.to_bytes())
    again = read_bundle(path)
    assert again.to_bytes() == bundle.to_bytes()
    assert again.digest == bundle.digest
    assert again.spec.digest == bundle.spec.digest
    assert again.booster == bundle.booster
    assert (again.name, again.threshold, again.lineage) == ("flights", 0.3, bundle.lineage)
    assert (again.metrics, again.trained) == (bundle.metrics, bundle.trained)
    assert again.golden.rows.equals(bundle.golden.rows)
    assert again.golden.rows.schema == bundle.golden.rows.schema
    assert np.array_equal(again.golden.features, bundle.golden.features)
    assert np.array_equal(again.golden.margins, bundle.golden.margins)


def test_a_bundle_read_anew_writes_the_same_bytes_by_itself(bundle: Bundle) -> None:
    again = replace(Bundle.from_bytes(bundle.to_bytes()))
    assert again.to_bytes() == bundle.to_bytes()
    assert again.digest == bundle.digest


def test_another_process_makes_the_same_bytes(bundle: Bundle) -> None:
    code = """
from tests_bundles import FEATURES, flights
from dagrun.stages.bundle import make_bundle
from dagrun.stages.train import fit_xgboost
rows = flights(3000)
spec, matrix = FEATURES.fit_transform(rows, label="late")
valid = spec.transform(flights(500, seed=1))
booster = fit_xgboost(matrix, valid, seed=1, rounds=40, max_depth=4, nthread=1)
print(make_bundle(None, name="flights", spec=spec, booster=booster, sample=rows, threshold=0.3,
    metrics={"auc": 0.7, "rows": 3000.0},
    trained={"from": "2013-01-01", "to": "2013-12-14"}).digest)
"""
    paths = {"PYTHONPATH": str(Path(__file__).parents[2] / "support"), "PYTHONHASHSEED": "7"}
    threads = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=paths | threads, capture_output=True, check=True, text=True)
    assert done.stdout.strip() == bundle.digest


def test_the_engine_stores_it_by_its_digest(bundle: Bundle, tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    output = store.dump(bundle)
    assert output.logical == bundle.digest
    assert store.load(output, Bundle).digest == bundle.digest


def test_large_tables_of_the_spec_travel_along() -> None:
    rows = flights(3000).with_row_index("n").with_columns(tail="N" + (pl.col("n") % 700).cast(str))
    spec, matrix = feature_set(frequency("tail")).fit_transform(rows, label="late")
    assert len(spec.tables) == 1
    booster = fit_xgboost(matrix, matrix, seed=1, rounds=3, nthread=1)
    made = make_bundle(None, name="m", spec=spec, booster=booster, sample=rows)
    again = Bundle.from_bytes(made.to_bytes())
    assert again.spec.tables == spec.tables
    assert check(again).different == 0


def test_lineage_comes_from_the_context(sample, fitted, tmp_path: Path) -> None:
    context = Context(
        stage="bundle",
        key="k" * 64,
        run_id="7f3a",
        seed=0,
        inputs={"spec": "a" * 64, "model": "b" * 64},
        store=Store.open(tmp_path),
    )
    spec, booster = fitted
    made = make_bundle(context, name="m", spec=spec, booster=booster, sample=sample)
    assert made.lineage.key == context.key
    assert made.lineage.inputs == context.inputs
    assert b"7f3a" not in made.to_bytes()


@pytest.mark.parametrize("member", MEMBERS)
def test_a_damaged_member_is_named(bundle: Bundle, member: str) -> None:
    members = archive.unpack(bundle.to_bytes())
    members[member] = members[member][:-7] + b"_"
    with pytest.raises(BundleDamaged, match=member):
        Bundle.from_bytes(archive.pack(members))


@pytest.mark.parametrize("member", MEMBERS)
def test_a_missing_member_is_named(bundle: Bundle, member: str) -> None:
    members = archive.unpack(bundle.to_bytes())
    del members[member]
    with pytest.raises(BundleDamaged, match=member):
        Bundle.from_bytes(archive.pack(members))


def test_a_member_that_the_manifest_does_not_list_is_refused(bundle: Bundle) -> None:
    members = archive.unpack(bundle.to_bytes()) | {"extra.py": b"print()"}
    with pytest.raises(BundleDamaged, match=r"extra\.py is not listed"):
        Bundle.from_bytes(archive.pack(members))


@pytest.mark.parametrize("change", [{"threshold": "half"}, {"booster": {}}, {"lineage": None}])
def test_a_manifest_that_says_nonsense_is_refused(bundle: Bundle, change: dict) -> None:
    members = archive.unpack(bundle.to_bytes())
    manifest = json.loads(members["manifest.json"]) | change
    members["manifest.json"] = canonical.to_bytes(manifest)
    with pytest.raises(BundleDamaged, match=r"manifest\.json"):
        Bundle.from_bytes(archive.pack(members))


def test_another_format_is_refused(bundle: Bundle) -> None:
    members = archive.unpack(bundle.to_bytes())
    manifest = json.loads(members["manifest.json"]) | {"format": 99}
    members["manifest.json"] = canonical.to_bytes(manifest)
    with pytest.raises(UnknownVersion, match="99"):
        Bundle.from_bytes(archive.pack(members))


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_one_changed_byte_is_noticed_or_without_effect(bundle: Bundle, data) -> None:
    damaged = bytearray(bundle.to_bytes())
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found = Bundle.from_bytes(bytes(damaged))
    except DagrunError:
        return
    assert found.digest == bundle.digest


@given(data=st.binary(max_size=200))
@settings(max_examples=50, deadline=None)
def test_what_is_no_bundle_is_refused(data: bytes) -> None:
    with pytest.raises(BundleDamaged, match="the file is no archive"):
        Bundle.from_bytes(data)


def test_parts_that_do_not_belong_together_are_refused(sample, fitted) -> None:
    spec, booster = fitted
    fewer = replace(booster, features=booster.features[:-1])
    with pytest.raises(FeatureMismatch):
        make_bundle(None, name="m", spec=spec, booster=fewer, sample=sample)
    for threshold in (-0.1, 1.5, float("nan")):
        with pytest.raises(ThresholdInvalid):
            make_bundle(
                None, name="m", spec=spec, booster=booster, sample=sample, threshold=threshold
            )
