"""A small classifier of made-up flights, and the judge's word on it."""

from __future__ import annotations

import functools

from tests_bundles import FEATURES, flights

from dagrun.stages.bundle import Bundle, make_bundle, score
from dagrun.stages.evaluate import Gates, Judgement, Outcome, Report, evaluate, judge
from dagrun.stages.train import fit_xgboost

ROWS = flights(1500, seed=5)
FAST = "\n[bootstrap]\nresamples = 200\n"


@functools.cache
def trained(rounds: int = 30) -> Bundle:
    train = flights(2500)
    spec, matrix = FEATURES.fit_transform(train, label="late")
    valid = spec.transform(flights(400, seed=1))
    booster = fit_xgboost(matrix, valid, seed=1, rounds=rounds, max_depth=3, nthread=1)
    return make_bundle(None, name="late", spec=spec, booster=booster, sample=train, threshold=0.35)


@functools.cache
def reported(bundle: Bundle) -> Report:
    probability = score(bundle, ROWS)["probability"]
    assert bundle.threshold
    return evaluate(ROWS["late"], probability, threshold=bundle.threshold, train_base_rate=0.3)


def judged(text: str, bundle: Bundle | None = None, **given: object) -> Judgement:
    bundle = bundle or trained()
    return judge(
        reported(bundle),
        Gates.parse(text + FAST),
        bundle=bundle,
        rows=ROWS,
        label="late",
        **given,  # type: ignore[arg-type]
    )


def only(text: str, **given: object) -> Outcome:
    (outcome,) = judged(text, **given).outcomes  # type: ignore[arg-type]
    return outcome
