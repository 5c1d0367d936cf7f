"""Training gradient boosted trees for a 0/1 label or a number, the same model every time.

Guarantee: equal matrices (row order included), seed and params give a `Booster` of equal digest,
for every number of threads. Where it ends: another row order, XGBoost release or device may give
other trees.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from dagrun.engine.errors import listing, nearest
from dagrun.stages.bundle.booster import BINARY, REGRESSIONS, Booster, Float32s, Param
from dagrun.stages.train.errors import TrainingInvalid
from dagrun.stages.train.labelled import Labelled, Weight, constraints, take_apart
from dagrun.stages.train.threads import idle_cores

OBJECTIVES = {BINARY: "logloss", **REGRESSIONS}
"""The metric of each objective: a 0/1 label by its log loss; numbers by their mean
(`reg:squarederror`), their median (`reg:absoluteerror`), or what lies between the two
(`reg:pseudohubererror`, with a `huber_slope` in the label's unit)."""
_TRACE = "\nStack trace"
_NOT_PARAMS = ("n_jobs", "random_state", "verbosity", "objective", "eval_metric", "tree_method")


def fit_xgboost(
    matrix: pl.DataFrame,
    valid: pl.DataFrame,
    *,
    label: str | None = None,
    objective: str = BINARY,
    seed: int,
    rounds: int = 500,
    early_stopping: int = 30,
    max_depth: int = 6,
    learning_rate: float = 0.1,
    device: str = "cpu",
    nthread: int | None = None,
    positive_weight: Weight = None,
    monotone: Mapping[str, int] | None = None,
    categorical: Sequence[str] = (),
    **params: Param,
) -> Booster:
    """Train until the metric of the validation rows no longer improves; keep the best iteration.

    Args:
        matrix, valid: training and validation rows: features in order, the label last.
        label: its name; None means the last column. 0 and 1, or numbers rounded to float32.
        objective: one of `OBJECTIVES`, whose metric ends the training.
        seed: decides all chance (`subsample`, `colsample_bytree`).
        rounds: most boosting rounds.
        early_stopping: rounds without improvement after which training ends.
        max_depth, learning_rate: greatest depth of a tree, and its shrinkage.
        device: `"cpu"` or `"cuda"`.
        nthread: threads; None takes the cores that are idle. The model does not depend on it.
        positive_weight: rows that a positive one counts for, or `"balanced"`; in the metric too.
        monotone: features whose effect must not fall (1) or rise (-1).
        categorical: features that are codes (0, 1, ...) without order; XGBoost itself scores them.
        params: further parameters of XGBoost, such as `min_child_weight=5` or `subsample=0.8`.

    Raises:
        FeatureMismatch: `valid` has other columns than `matrix`.
        TrainingInvalid: no rows, a label unfit for the objective, an unknown param or feature.
    """
    _check_objective(objective)
    features, parts = take_apart(
        matrix, valid, label=label, objective=objective, positive_weight=positive_weight
    )
    steps = constraints(features, monotone or {}, tuple(categorical))
    chosen: dict[str, Param] = {
        **_start(objective, parts["train"].labels),
        **({"monotone_constraints": _written(steps)} if monotone else {}),
        "device": device,
        "learning_rate": learning_rate,
        "max_depth": max_depth,
        "seed": seed,
        **params,
    }
    booster = _train(
        parts, features, objective, chosen, params, rounds, early_stopping, nthread, categorical
    )
    if positive_weight is None:
        return booster
    told = (*booster.params, ("positive_weight", positive_weight))
    return replace(booster, params=tuple(sorted(told)))


def _check_objective(objective: str) -> None:
    if objective not in OBJECTIVES:
        known = f"{nearest(objective, OBJECTIVES)} There is: {listing(list(OBJECTIVES))}"
        raise TrainingInvalid(f"there is no objective {objective!r}.{known}")


def _start(objective: str, labels: Float32s) -> dict[str, Param]:
    """Return where to begin if XGBoost's own guess would be far off: 4 million for house prices."""
    robust = objective == "reg:pseudohubererror"
    return {"base_score": float(np.median(labels))} if robust else {}


def _written(steps: Sequence[int]) -> str:
    return f"({','.join(map(str, steps))})"


def _train(
    parts: Mapping[str, Labelled],
    features: tuple[str, ...],
    objective: str,
    chosen: Mapping[str, Param],
    named: Iterable[str],
    rounds: int,
    early_stopping: int,
    nthread: int | None,
    categorical: Sequence[str],
) -> Booster:
    """Return the model cut to its best iteration, with the metrics there."""
    import xgboost

    metric = OBJECTIVES[objective]
    fixed = {"objective": objective, "eval_metric": metric, "tree_method": "hist"}
    threads = {"nthread": nthread or idle_cores()}
    kinds = ["c" if name in categorical else "q" for name in features] if categorical else None
    told: dict[str, dict[str, list[float]]] = {}
    try:
        data = {
            name: xgboost.DMatrix(
                part.features,
                label=part.labels,
                weight=part.weights,
                feature_types=kinds,
                enable_categorical=kinds is not None,
                **threads,
            )
            for name, part in parts.items()
        }
        configured = xgboost.Booster(fixed, cache=[data["train"]])
        _check_known(named, json.loads(configured.save_config()))
        model = xgboost.train(
            {**fixed, **threads, **chosen},
            data["train"],
            num_boost_round=rounds,
            evals=[(part, name) for name, part in data.items()],
            evals_result=told,
            early_stopping_rounds=early_stopping,
            verbose_eval=False,
        )
    except xgboost.core.XGBoostError as error:
        raise TrainingInvalid(f"XGBoost says: {str(error).partition(_TRACE)[0]}") from error
    best = model.best_iteration
    return Booster(
        ubj=bytes(model[: best + 1].save_raw("ubj")),
        features=features,
        objective=objective,
        rounds=best + 1,
        params=tuple(sorted(chosen.items())),
        history=tuple((f"{name}-{metric}", told[name][metric][best]) for name in data),
    )


def _check_known(params: Iterable[str], config: Any) -> None:
    """Raise unless XGBoost's own configuration has every param; it would only warn."""
    known = _keys(config) - set(_NOT_PARAMS)
    for name in params:
        if name not in known:
            raise TrainingInvalid(f"XGBoost has no param {name!r} to set.{nearest(name, known)}")


def _keys(config: Any) -> set[str]:
    if not isinstance(config, dict):
        return set()
    return set(config).union(*map(_keys, config.values()))
