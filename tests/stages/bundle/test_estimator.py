"""Models of scikit-learn answer as scikit-learn does, and are served with the bits of the batch."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import ensemble
from tests_bundles import FEATURES, flights, redigested

from dagrun.stages.bundle import (
    Bundle,
    BundleDamaged,
    Estimator,
    Isotonic,
    Model,
    NotBoosted,
    Platt,
    RowScorer,
    check,
    explain,
    make_bundle,
    score,
)
from dagrun.stages.bundle.calibration import read_curve
from dagrun.stages.bundle.codec import MODEL
from dagrun.stages.bundle.estimator import write_numbers, write_trees
from dagrun.stages.bundle.golden_rows import bits
from dagrun.stages.bundle.profile import profile
from dagrun.stages.features import FeatureSpec
from dagrun.stages.train import Candidate, calibrate, fit

CANDIDATES = (
    Candidate.logistic(C=0.3),
    Candidate.forest(n_estimators=21, max_depth=7),
    Candidate.boosting(max_iter=40),
)
Fitted = tuple[FeatureSpec, pl.DataFrame, pl.DataFrame, pl.DataFrame]


@pytest.fixture(scope="module")
def parts() -> Fitted:
    sample = flights(2000)
    spec, matrix = FEATURES.fit_transform(sample, label="late")
    return spec, sample, matrix, spec.transform(flights(500, seed=1))


@pytest.fixture(scope="module", params=CANDIDATES, ids=lambda candidate: candidate.name)
def model(parts: Fitted, request: pytest.FixtureRequest) -> Model:
    _, _, matrix, valid = parts
    return fit(request.param, matrix, valid, seed=3)


def bundled(parts: Fitted, model: Model) -> Bundle:
    spec, sample, _, _ = parts
    return make_bundle(None, name="flights", spec=spec, booster=model, sample=sample)


def same_bits_row_by_row(bundle: Bundle, rows: pl.DataFrame) -> None:
    """Score a table at once and row by row, and compare every bit."""
    scorer = RowScorer(bundle)
    answers = [scorer.score(row) for row in bundle.spec.rows_of(rows)]
    together = score(bundle, rows).select("margin", "probability").to_numpy()
    assert np.array_equal(bits(np.array(answers, np.float32)), bits(np.ascontiguousarray(together)))


def test_it_is_served_with_the_bits_of_the_batch(parts: Fitted, model: Model) -> None:
    bundle = bundled(parts, model)
    assert check(bundle).different == 0
    same_bits_row_by_row(bundle, flights(300, seed=9).drop("late"))


def test_a_bundle_comes_back_from_its_bytes(parts: Fitted, model: Model) -> None:
    bundle = bundled(parts, calibrate(model, parts[3]))
    again = Bundle.from_bytes(bundle.to_bytes())
    assert again.booster == bundle.booster
    assert again.digest == bundle.digest
    assert check(again).different == 0


def test_a_model_comes_back_from_the_store(model: Model, tmp_path: Path) -> None:
    assert MODEL.dump(model, tmp_path / "model").logical == model.digest
    assert MODEL.load(tmp_path / "model", Model) == model


def test_equal_training_gives_an_equal_digest(parts: Fitted, model: Model) -> None:
    _, _, matrix, valid = parts
    candidate = next(each for each in CANDIDATES if each.family == model.facts()["family"])
    assert fit(candidate, matrix, valid, seed=3, nthread=2).digest == model.digest


@pytest.mark.parametrize("how", ["platt", "isotonic"])
@pytest.mark.parametrize(
    "candidate", [*CANDIDATES, Candidate.xgboost(rounds=20)], ids=lambda each: each.name
)
def test_calibrated_probabilities_are_served_with_the_same_bits(
    parts: Fitted, candidate: Candidate, how: Any
) -> None:
    _, _, matrix, valid = parts
    plain = fit(candidate, matrix, valid, seed=3)
    model = calibrate(plain, valid, how=how)
    bundle = bundled(parts, model)
    assert check(bundle).different == 0
    assert RowScorer(bundle).left_to_xgboost == ""
    rows = flights(300, seed=9).drop("late")
    same_bits_row_by_row(bundle, rows)
    matrix = bundle.spec.transform(rows)
    assert np.array_equal(model.predict(matrix).margins, plain.predict(matrix).margins)
    assert Bundle.from_bytes(bundle.to_bytes()).booster == model


def test_what_only_xgboost_can_tell_is_refused_with_the_reason(parts: Fitted, model: Model) -> None:
    bundle = bundled(parts, model)
    with pytest.raises(NotBoosted, match="no contributions for a model of scikit-learn"):
        explain(bundle, bundle.golden.rows)
    assert profile(bundle.spec, bundle.golden.rows, model).features[0].gain is None


FILES = {
    "forest": ("model.parquet", "nodes that lead nowhere or back"),
    "logistic": ("model.json", "not all of them finite"),
}


def _spoilt(member: str, data: bytes) -> bytes:
    if member == "model.json":
        form = json.loads(data)
        return json.dumps({**form, "coefficients": ["nan"] * len(form["coefficients"])}).encode()
    nodes = pl.read_parquet(data)
    spoilt = pl.when(pl.col("left") > 0).then(0).otherwise(pl.col("left")).cast(pl.Int32)
    return write_trees(nodes.with_columns(spoilt.alias("left")))


@pytest.mark.parametrize("candidate", CANDIDATES[:2], ids=lambda each: each.name)
def test_a_bundle_from_anyone_cannot_lead_astray(parts: Fitted, candidate: Candidate) -> None:
    _, _, matrix, valid = parts
    bundle = bundled(parts, fit(candidate, matrix, valid, seed=3))
    member, problem = FILES[candidate.family]
    data = redigested(bundle, member, lambda found: _spoilt(member, found))
    with pytest.raises(BundleDamaged, match=problem):
        Bundle.from_bytes(data)


def made(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers of which one in ten is missing, and a 0/1 label."""
    chance = np.random.default_rng(seed)
    values = chance.normal(0, 3, (rows, 4)).astype(np.float32)
    values[:, 3] = chance.integers(0, 3, rows)
    label = (values[:, 0] * values[:, 1] > chance.normal(0, 1, rows)).astype(np.float32)
    values[chance.random(values.shape) < 0.1] = np.nan
    return values, label


def frame_of(values: np.ndarray, label: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame(values, schema=list("abcd")).with_columns(pl.Series("y", label))


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**16), depth=st.integers(1, 9), numbers=st.booleans())
def test_forest_and_boosting_have_the_bits_of_scikit_learn(
    seed: int, depth: int, numbers: bool
) -> None:
    values, label = made(400, seed)
    later, later_label = made(200, seed + 1)
    if numbers:
        label, later_label = label + np.abs(np.nan_to_num(values[:, 0])), later_label + 1
    objective = "reg:squarederror" if numbers else "binary:logistic"
    parts = frame_of(values, label), frame_of(later, later_label)
    rows = np.concatenate([later, np.full((1, 4), np.nan, np.float32)])

    ours = fit(
        Candidate.forest(n_estimators=9, max_depth=depth), *parts, seed=seed, objective=objective
    )
    kinds = ensemble.RandomForestClassifier, ensemble.RandomForestRegressor
    settings = {"n_estimators": 9, "max_depth": depth, "min_samples_leaf": 5}
    theirs = kinds[numbers](**settings, random_state=seed, n_jobs=1).fit(values, label)
    expected = theirs.predict(rows) if numbers else theirs.predict_proba(rows)[:, 1]
    assert np.array_equal(ours.predict_values(rows).values, expected.astype(np.float32))

    ours = fit(
        Candidate.boosting(max_iter=30, n_iter_no_change=5, max_depth=depth),
        *parts,
        seed=seed,
        objective=objective,
    )
    kinds = ensemble.HistGradientBoostingClassifier, ensemble.HistGradientBoostingRegressor
    theirs = kinds[numbers](
        max_iter=30, n_iter_no_change=5, max_depth=depth, early_stopping=True, random_state=seed
    ).fit(values, label, X_val=later, y_val=later_label)
    staged = theirs.staged_predict(rows) if numbers else theirs.staged_predict_proba(rows)
    answers = list(staged)[ours.facts()["rounds"] - 1]
    expected = answers if numbers else answers[:, 1]
    assert np.array_equal(ours.predict_values(rows).values, expected.astype(np.float32))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=8, unique=True),
    st.lists(st.floats(0, 1), min_size=8, max_size=8),
    st.floats(-20, 20, width=32),
)
def test_an_isotonic_curve_rises_and_stays_within_its_points(
    margins: list[float], probabilities: list[float], at: float
) -> None:
    points = sorted(margins), sorted(probabilities[: len(margins)])
    curve = Isotonic(margins=tuple(points[0]), probabilities=tuple(points[1]))
    assert read_curve(curve.describe()) == curve
    found = curve(at)
    assert points[1][0] <= found <= points[1][-1] + 1e-12
    assert found == pytest.approx(float(np.interp(at, *points)), abs=1e-9)


@pytest.mark.parametrize(
    "curve",
    [
        Platt(slope=-1.0, offset=0.0),
        Isotonic(margins=(0.0, 1.0), probabilities=(0.6, 0.5)),
        Isotonic(margins=(1.0, 1.0), probabilities=(0.5, 0.5)),
        Isotonic(margins=(0.0,), probabilities=(1.5,)),
    ],
)
def test_a_curve_that_falls_is_no_calibration(curve: Platt | Isotonic) -> None:
    with pytest.raises(ValueError, match="rise"):
        read_curve(curve.describe())


def test_the_sum_is_what_the_formula_says() -> None:
    numbers = write_numbers(
        base=0.5,
        divisor=2.0,
        link="identity",
        coefficients=np.array([3.0, -1.0]),
        fills=np.array([10.0, 20.0]),
    )
    model = Estimator(
        numbers=numbers, features=("a", "b"), family="logistic", made_by="", answers="regression"
    )
    rows = np.array([[1.0, 2.0], [np.nan, np.nan]], np.float32)
    assert model.predict_values(rows).margins.tolist() == [0.75, 5.25]
    assert replace(model, features=("a",)).digest != model.digest


def test_margins_far_out_have_a_probability() -> None:
    platt = Platt(slope=1000.0, offset=0.0)
    assert [platt(margin) for margin in (-3e38, 0.0, 3e38)] == [0.0, 0.5, 1.0]
