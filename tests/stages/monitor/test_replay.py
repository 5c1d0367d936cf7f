"""Replayed rows: equal bits from the same bundle, counted differences from another."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from tests_bundles import FEATURES, flights

from dagrun.stages.bundle import Bundle, make_bundle, score
from dagrun.stages.bundle.logged import OWN, folder_of, open_log
from dagrun.stages.features import feature_set
from dagrun.stages.monitor import CannotReplay, read_prediction_log, replay
from dagrun.stages.train import fit_xgboost

NOON = dt.datetime(2013, 7, 1, 12, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    raw = flights(500)
    spec, matrix = FEATURES.fit_transform(raw, label="late")
    booster = fit_xgboost(matrix, matrix, seed=1, rounds=5, early_stopping=5)
    return make_bundle(None, name="flights", spec=spec, booster=booster, sample=raw)


@pytest.fixture(scope="module")
def other() -> Bundle:
    """The same features fitted on other rows, but for a word that is not among them."""
    raw = flights(500, 2)
    spec, matrix = FEATURES.fit_transform(raw, label="late")
    booster = fit_xgboost(matrix, matrix, seed=1, rounds=5, early_stopping=5)
    return make_bundle(None, name="flights", spec=spec, booster=booster, sample=raw)


@pytest.fixture
def log(bundle: Bundle, tmp_path: Path) -> Path:
    """What a server would have logged for 300 rows."""
    rows = flights(300, 7).select([column.name for column in bundle.spec.inputs])
    answered = score(bundle, rows)
    own = {name: pl.Series([None] * rows.height, dtype=dtype) for name, dtype in OWN.items()}
    own |= {"time": pl.repeat(NOON, rows.height, dtype=OWN["time"], eager=True)}
    own |= {"margin": answered["margin"], "prediction": answered["probability"]}
    raw = {f"raw_{name}": rows[name] for name in rows.columns}
    open_log(tmp_path / "log")
    folder = folder_of(tmp_path / "log", "flights", bundle.digest, NOON.date())
    folder.mkdir(parents=True)
    pl.DataFrame({**own, **raw}).write_parquet(folder / "1.parquet")
    return tmp_path / "log"


def test_the_bundle_that_answered_gives_the_same_bits(bundle: Bundle, log: Path) -> None:
    (found,) = replay(read_prediction_log(log), bundle, lambda _: None)
    assert (found.rows, found.margins, found.labels, found.unfaithful) == (300, 0, 0, 0)
    assert found.moved == (0.0, 0.0, 0.0, 0.0)
    assert found.features is not None
    assert set(found.features.values()) == {0}


def test_another_bundle_differs_where_it_differs(bundle: Bundle, other: Bundle, log: Path) -> None:
    (found,) = replay(read_prediction_log(log), other, lambda _: bundle)
    assert found.unfaithful == 0
    assert found.features is not None
    assert found.features["sched_dep_hour"] == 0
    assert found.features["distance_standardized"] > 290
    ours, theirs = set(bundle.spec.names), set(other.spec.names)
    assert (set(found.added), set(found.removed)) == (theirs - ours, ours - theirs)
    assert found.margins > 0
    assert 0 < found.moved[0] <= found.moved[-1]
    (blind,) = replay(read_prediction_log(log), other, lambda _: None)
    assert (blind.margins, blind.moved) == (found.margins, found.moved)
    assert (blind.features, blind.unfaithful) == (None, None)


def test_a_log_that_was_written_elsewhere_is_told(bundle: Bundle, log: Path) -> None:
    (path,) = log.glob("model=*/*/*/*.parquet")
    changed = pl.read_parquet(path).with_columns(
        margin=pl.when(pl.int_range(pl.len()) < 2).then(pl.col("margin") + 1).otherwise("margin")
    )
    changed.write_parquet(path)
    (found,) = replay(read_prediction_log(log), bundle, lambda _: None)
    assert (found.margins, found.unfaithful) == (2, 2)


def test_a_column_that_was_not_logged_is_named(log: Path) -> None:
    raw = flights(300).with_columns(gusts=pl.col("distance"))
    spec, matrix = feature_set("gusts", "distance").fit_transform(raw, label="late")
    booster = fit_xgboost(matrix, matrix, seed=1, rounds=2, early_stopping=2)
    wider = make_bundle(None, name="flights", spec=spec, booster=booster, sample=raw)
    with pytest.raises(CannotReplay, match="gusts"):
        replay(read_prediction_log(log), wider, lambda _: None)


def test_the_command_says_so_and_ends_with_5_when_bits_differ(bundle: Bundle, log: Path) -> None:
    file = log.parent / "flights.bundle"
    file.write_bytes(bundle.to_bytes())

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-P", "-m", "dagrun", "replay", str(log), str(file), *more]
        return subprocess.run(
            command, cwd=log.parent, env=os.environ, capture_output=True, text=True, check=False
        )

    found = run()
    assert found.returncode == 0, found.stderr
    assert "300 of 300 here" in found.stdout
    assert json.loads(run("--json").stdout)["replayed"][0]["rows"] == 300
    assert "no row was logged" in run("--until", "2013-07-01").stdout
    (path,) = log.glob("model=*/*/*/*.parquet")
    pl.read_parquet(path).with_columns(pl.col("margin") + 1).write_parquet(path)
    broken = run()
    assert broken.returncode == 5
    assert "300 rows" in broken.stderr
