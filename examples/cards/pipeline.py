"""Is this card payment fraud, judged before it is answered?

A made-up world of 2,000 cards and 4,000 shops, from January to July (`world.py`). A fraud is
reported up to 45 days after it. The model is the one that could have been trained on 1 July: it
learns from payments until 15 April, stops early on those until 16 May, whose reports are all in by
then, and is judged on July.
"""

from __future__ import annotations

import polars as pl

from dagrun import Context, Files, Verdict, stage
from dagrun.stages.bundle import Booster, Bundle, make_bundle, register
from dagrun.stages.evaluate import Gates, Report, choose_threshold, evaluate, judge
from dagrun.stages.features import FeatureSpec
from dagrun.stages.split import split_by_time
from dagrun.stages.train import fit_xgboost
from dagrun.stages.validate import Contract, validate
from features import FEATURES
from history import PAYMENT, past_of, with_holder
from rules import base_rate, by_pace
from world import make_cards, make_payments

# --- simulate: the seed is a param, so it is recorded and part of every key


@stage
def cards(seed: int = 20, count: int = 2_000) -> pl.DataFrame:
    """Who holds each card, where they live since when, and since when the bank knows it."""
    return make_cards(seed, count)


@stage(outputs=("payments", "reports"))
def simulated(cards: pl.DataFrame, seed: int = 20) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Every payment, and apart from it what was reported of it later."""
    return make_payments(seed, cards)


# --- prepare: what is known when a payment is asked for


@stage
def admitted(
    payments: pl.DataFrame, contract: Files = Files("contracts/payments.toml")
) -> pl.DataFrame:
    """One row per payment, as it is asked for."""
    return validate(payments, Contract.read(contract), table="payments")


@stage
def known(
    admitted: pl.DataFrame, cards: pl.DataFrame, contract: Files = Files("contracts/known.toml")
) -> pl.DataFrame:
    """With the card's own past and what the bank knows of its holder; no other column gets in."""
    rows = with_holder(past_of(admitted), cards)
    return validate(rows, Contract.read(contract), table="known")


@stage(outputs=("train", "valid", "test"))
def split(
    known: pl.DataFrame,
    reports: pl.DataFrame,
    valid_from: str = "2025-04-16",
    unknown_from: str = "2025-05-17",
    test_from: str = "2025-07-01",
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """By time; what is not reported in full when the test begins is left out of training."""
    labels = reports.select(*PAYMENT, "fraud")
    rows = known.join(labels, on=PAYMENT, how="left", maintain_order="left", validate="1:1")
    train, valid, _ = split_by_time(rows, "at", valid_from=valid_from, test_from=unknown_from)
    _, _, test = split_by_time(rows, "at", valid_from=unknown_from, test_from=test_from)
    return train, valid, test


# --- learn: everything fitted is fitted on the training rows


@stage(outputs=("spec", "matrix"))
def features(train: pl.DataFrame) -> tuple[FeatureSpec, pl.DataFrame]:
    """The fitted features, and the training matrix, whose shops' past is each row's own past."""
    return FEATURES.fit_transform(train, label="fraud")


@stage
def model(
    ctx: Context,
    spec: FeatureSpec,
    matrix: pl.DataFrame,
    valid: pl.DataFrame,
    max_depth: int = 5,
    learning_rate: float = 0.05,
) -> Booster:
    """Boosted trees; the weeks before mid May decide when to stop."""
    return fit_xgboost(
        matrix,
        spec.transform(valid),
        seed=ctx.seed,
        max_depth=max_depth,
        learning_rate=learning_rate,
        nthread=1,
        min_child_weight=3,
        subsample=0.8,
        colsample_bytree=0.5,
    )


@stage
def report(
    model: Booster,
    spec: FeatureSpec,
    train: pl.DataFrame,
    valid: pl.DataFrame,
    test: pl.DataFrame,
) -> Report:
    """July, beside two naive forecasts: the base rate, and a rule of how fast a card pays."""
    chosen_on = model.predict(spec.transform(valid)).probabilities
    return evaluate(
        test["fraud"],
        model.predict(spec.transform(test)).probabilities,
        threshold=choose_threshold(valid["fraud"], chosen_on),
        train_base_rate=base_rate(train),
        baselines={"pace": by_pace(train, test)},
    )


# --- release: a refusal of the gate halts what comes after it


@stage(gate=True)
def verdict(report: Report, gates: Files = Files("gates.toml")) -> Verdict:
    """Whether the model may be published."""
    return judge(report, Gates.read(gates))


@stage
def bundle(
    ctx: Context,
    spec: FeatureSpec,
    model: Booster,
    report: Report,
    train: pl.DataFrame,
    test: pl.DataFrame,
    contract: Files = Files("contracts/known.toml"),
) -> Bundle:
    """Spec, model, limits of live rows and golden rows under one digest: what the server loads."""
    days = train["at"].dt.date()
    return make_bundle(
        ctx,
        name="cards",
        spec=spec,
        booster=model,
        sample=test,
        threshold=report.threshold,
        metrics=report.figures(),
        trained={"from": str(days.min()), "to": str(days.max())},
        contract=Contract.read(contract),
    )


@stage(effect=True)
def publish(bundle: Bundle, verdict: Verdict) -> None:
    """Make the bundle the champion of the registry."""
    reason = f"passed all {len(verdict.reasons)} gates"
    register("cards", bundle, alias="champion", reason=reason)
