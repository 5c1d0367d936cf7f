"""Every candidate trains by one function; what it cannot do is refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from tests_bundles import FEATURES, flights

from dagrun.engine.documents import from_form, to_form
from dagrun.stages.bundle import Booster, RowScorer, check, make_bundle, score
from dagrun.stages.features import feature_set, ordinal, standardize
from dagrun.stages.train import Candidate, Model, TrainingInvalid, calibrate, fit
from dagrun.stages.train.fit import prepared
from dagrun.stages.train.threads import idle_cores

FAMILIES = (
    Candidate.xgboost(rounds=15),
    Candidate.logistic(),
    Candidate.forest(n_estimators=10),
    Candidate.boosting(max_iter=15),
)


def rows(count: int, seed: int) -> pl.DataFrame:
    """Return two features and a label that one row in ten has."""
    chance = np.random.default_rng(seed)
    a, b = chance.normal(size=count), chance.normal(size=count)
    late = (a + chance.normal(size=count) > 1.9).astype(np.int64)
    return pl.DataFrame({"a": a, "b": b, "late": late})


TRAIN, VALID = rows(1500, 1), rows(800, 2)


def mean(model: Model) -> float:
    return float(model.predict(VALID).values.mean())


def test_a_candidate_is_a_document() -> None:
    candidate = Candidate.xgboost("trees", max_depth=3, monotone={"a": 1}, categorical=["b"])
    assert from_form(to_form(candidate), Candidate) == candidate


@pytest.mark.parametrize("candidate", FAMILIES, ids=lambda each: each.name)
@pytest.mark.parametrize(
    "settings",
    [{"positive_weight": "balanced"}, {"resample": "over"}, {"resample": "under"},
     {"resample": "smote"}],
    ids=lambda settings: next(iter(settings.values())),
)  # fmt: skip
def test_the_rarer_class_weighs_as_much_as_the_other(
    candidate: Candidate, settings: dict[str, Any]
) -> None:
    params: dict[str, Any] = dict(candidate.params)
    balanced = getattr(Candidate, candidate.family)(**settings, **params)
    plain, model = (fit(each, TRAIN, VALID, seed=1) for each in (candidate, balanced))
    rate = float(VALID["late"].mean())  # type: ignore[arg-type]
    assert mean(model) > 2 * rate
    assert abs(mean(plain) - rate) < 0.03
    assert abs(mean(calibrate(model, VALID)) - rate) < 0.02
    assert fit(balanced, TRAIN, VALID, seed=1).digest == model.digest


def test_resampling_draws_until_the_classes_are_equal() -> None:
    drawn = {
        how: prepared(
            Candidate.logistic(resample=how),  # type: ignore[arg-type]
            TRAIN,
            label="late",
            objective="binary:logistic",
            seed=1,
            more=None,
        )
        for how in ("over", "under", "smote")
    }
    counts = {
        how: frame["late"].value_counts(sort=True)["count"].to_list()
        for how, frame in drawn.items()
    }
    negative = int((TRAIN["late"] == 0).sum())
    assert counts["over"] == counts["smote"] == [negative, negative]
    assert counts["under"] == [len(TRAIN) - negative] * 2
    assert drawn["over"].join(TRAIN, on=TRAIN.columns, how="anti").is_empty()


def test_smote_names_the_columns_with_gaps() -> None:
    gaps = TRAIN.with_columns(pl.when(pl.col("a") > 1).then("a"))
    with pytest.raises(TrainingInvalid, match="missing values, which a have; impute them"):
        fit(Candidate.logistic(resample="smote"), gaps, VALID, seed=1)


def test_added_rows_are_learnt_from_and_no_others() -> None:
    def mirrored(matrix: pl.DataFrame, seed: int) -> pl.DataFrame:
        assert seed == 1
        return matrix.with_columns(-pl.col("a"))

    model = fit(Candidate.logistic(), TRAIN, VALID, seed=1, augment=mirrored)
    spread = model.predict(VALID).margins
    assert (
        float(np.ptp(spread))
        < 2.0
        < float(np.ptp(fit(FAMILIES[1], TRAIN, VALID, seed=1).predict(VALID).margins))
    )
    with pytest.raises(TrainingInvalid, match="the added rows have columns late"):
        fit(FAMILIES[1], TRAIN, VALID, seed=1, augment=lambda matrix, _: matrix.select("late"))


@pytest.mark.parametrize("family", ["xgboost", "forest", "boosting"])
def test_a_monotone_effect_never_turns(family: str) -> None:
    params = {"n_estimators": 10} if family == "forest" else {}
    candidate = getattr(Candidate, family)(monotone={"a": -1}, **params)
    model = fit(candidate, TRAIN, VALID, seed=1)
    line = pl.DataFrame({"a": np.linspace(-3, 3, 200), "b": np.zeros(200)})
    assert (np.diff(model.predict(line).values) <= 0).all()


def test_categorical_codes_are_served_by_xgboost_with_equal_bits() -> None:
    sample = flights(1200).select("carrier", "wind", "late")
    features = feature_set(ordinal("carrier"), standardize("wind"))
    spec, matrix = features.fit_transform(sample, label="late")
    candidate = Candidate.xgboost(categorical=[spec.names[0]], rounds=20, max_depth=3)
    model = fit(candidate, matrix, spec.transform(flights(400, seed=1)), seed=1)
    assert isinstance(model, Booster)
    bundle = make_bundle(None, name="codes", spec=spec, booster=model, sample=sample)
    scorer = RowScorer(bundle)
    assert scorer.left_to_xgboost == "a model with categorical splits"
    assert check(bundle).different == 0
    one_by_one = [scorer.score(row).value for row in spec.rows_of(sample.drop("late"))]
    assert np.array_equal(score(bundle, sample)["probability"], np.array(one_by_one, np.float32))


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: Candidate.logistic(resample="double"), "resample='double'; there is over"),  # type: ignore[arg-type]
        (lambda: Candidate.forest(positive_weight=-1.0), "positive_weight=-1.0"),
        (lambda: Candidate.forest(positive_weight=2.0, resample="over"), "both a positive_weight"),
        (lambda: Candidate.xgboost(monotone={"a": 2}), "give 1 or -1"),
        (lambda: Candidate(name="f", family="forest", categorical=("a",)), "only XGBoost learns"),
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(make: Any, problem: str) -> None:
    with pytest.raises(TrainingInvalid, match=problem):
        make()


@pytest.mark.parametrize(
    ("candidate", "options", "problem"),
    [
        (Candidate.forest(n_estimator=3), {}, "no param 'n_estimator' to set. Did you mean"),
        (Candidate.logistic(random_state=3), {}, "no param 'random_state' to set"),
        (Candidate.boosting(monotone={"c": 1}), {}, "no feature 'c' to constrain"),
        (Candidate.xgboost(monotone={"c": 1}), {}, "no feature 'c' to constrain"),
        (Candidate.logistic(), {"objective": "reg:squarederror"}, "learns binary:logistic, not"),
        (Candidate.forest(), {"device": "cuda"}, "trains on the CPU, not on 'cuda'"),
        (Candidate.logistic(max_iter=1), {}, "scikit-learn says: lbfgs failed to converge"),
        (
            Candidate.xgboost(resample="over"),
            {"objective": "reg:squarederror"},
            "only rows with a 0/1 label",
        ),
    ],
)
def test_what_a_candidate_cannot_do_is_refused(
    candidate: Candidate, options: dict[str, Any], problem: str
) -> None:
    with pytest.raises(TrainingInvalid, match=problem):
        fit(candidate, TRAIN, VALID, seed=1, **options)


@pytest.mark.parametrize("candidate", FAMILIES, ids=lambda each: each.name)
def test_one_class_alone_teaches_no_candidate_of_scikit_learn(candidate: Candidate) -> None:
    if candidate.family == "xgboost":
        pytest.skip("XGBoost learns a constant")
    with pytest.raises(TrainingInvalid, match="class"):
        fit(candidate, TRAIN.with_columns(late=pl.lit(0)), VALID, seed=1)


def test_a_model_that_ranks_backwards_is_not_calibrated() -> None:
    model = fit(FAMILIES[1], TRAIN, VALID, seed=1)
    with pytest.raises(TrainingInvalid, match="not more often positive"):
        calibrate(model, VALID.with_columns(late=1 - pl.col("late")))
    with pytest.raises(TrainingInvalid, match="of one class"):
        calibrate(model, VALID.filter(late=1))


def test_a_regression_is_not_calibrated() -> None:
    model = fit(
        Candidate.forest(n_estimators=3), TRAIN, VALID, seed=1, objective="reg:squarederror"
    )
    assert model.task == "regression"
    with pytest.raises(TrainingInvalid, match="only a classifier"):
        calibrate(model, VALID)


def test_at_least_one_core_is_idle() -> None:
    assert idle_cores() >= 1


def test_features_of_a_spec_train_every_family() -> None:
    spec, matrix = FEATURES.fit_transform(flights(800), label="late")
    valid = spec.transform(flights(300, seed=1))
    for candidate in FAMILIES:
        model = fit(candidate, matrix, valid, seed=1)
        assert model.features == spec.names
        assert 0.0 < float(model.predict(valid).values.mean()) < 1.0
