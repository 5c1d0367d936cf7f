"""Training gradient boosted trees for a 0/1 label or a number, the same model every time.

Guarantee: equal matrices (row order included), seed and params give a `Booster` of equal digest,
for every number of threads. Where it ends: another row order, XGBoost release or device may give
other trees.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import polars as pl

from dagrun.engine.errors import DagrunError, listing, nearest
from dagrun.stages.bundle.booster import (
    BINARY,
    REGRESSIONS,
    Booster,
    FeatureMismatch,
    Float32s,
    Param,
    float32_values,
)

OBJECTIVES = {BINARY: "logloss", **REGRESSIONS}
"""The metric of each objective: a 0/1 label by its log loss; numbers by their mean
(`reg:squarederror`), their median (`reg:absoluteerror`), or what lies between the two
(`reg:pseudohubererror`, with a `huber_slope` in the label's unit)."""
_TRACE = "\nStack trace"
_NOT_PARAMS = ("n_jobs", "random_state", "verbosity", "objective", "eval_metric", "tree_method")


class TrainingInvalid(DagrunError):
    """What is to be trained on, or how, makes no sense."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"cannot train: {problem}")


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
    **params: Param,
) -> Booster:
    """Train until the metric of the validation rows no longer improves; keep the best iteration.

    Args:
        matrix: training rows: feature columns in order, the label last.
        valid: validation rows with the same columns.
        label: its name; None means the last column. 0 and 1, or numbers rounded to float32.
        objective: one of `OBJECTIVES`, whose metric ends the training.
        seed: decides all chance (`subsample`, `colsample_bytree`).
        rounds: most boosting rounds.
        early_stopping: rounds without improvement after which training ends.
        max_depth: greatest depth of a tree.
        learning_rate: shrinkage of each tree.
        device: `"cpu"` or `"cuda"`.
        nthread: threads; None leaves the choice to XGBoost. The model does not depend on it.
        params: further parameters of XGBoost, such as `min_child_weight=5` or `subsample=0.8`.

    Raises:
        FeatureMismatch: `valid` has other columns than `matrix`.
        TrainingInvalid: no rows or features, a label unfit for the objective, an unknown param.
    """
    if objective not in OBJECTIVES:
        known = f"{nearest(objective, OBJECTIVES)} There is: {listing(list(OBJECTIVES))}"
        raise TrainingInvalid(f"there is no objective {objective!r}.{known}")
    label, features = _columns(matrix, valid, label)
    parts = {
        name: (float32_values(part.select(features)), _labels(part, label, name, objective))
        for name, part in (("train", matrix), ("valid", valid))
    }
    chosen: dict[str, Param] = {
        **_start(objective, parts["train"][1]),
        "device": device,
        "learning_rate": learning_rate,
        "max_depth": max_depth,
        "seed": seed,
        **params,
    }
    ubj, best, history = _train(parts, objective, chosen, params, rounds, early_stopping, nthread)
    return Booster(
        ubj=ubj,
        features=features,
        objective=objective,
        rounds=best + 1,
        params=tuple(sorted(chosen.items())),
        history=history,
    )


def _start(objective: str, labels: Float32s) -> dict[str, Param]:
    """Return where to begin if XGBoost's own guess would be far off: 4 million for house prices."""
    robust = objective == "reg:pseudohubererror"
    return {"base_score": float(np.median(labels))} if robust else {}


def _train(
    parts: Mapping[str, tuple[Float32s, Float32s]],
    objective: str,
    chosen: Mapping[str, Param],
    named: Iterable[str],
    rounds: int,
    early_stopping: int,
    nthread: int | None,
) -> tuple[bytes, int, tuple[tuple[str, float], ...]]:
    """Return the model cut to its best iteration, that iteration, and the metrics there."""
    import xgboost

    metric = OBJECTIVES[objective]
    fixed = {"objective": objective, "eval_metric": metric, "tree_method": "hist"}
    threads = {} if nthread is None else {"nthread": nthread}
    told: dict[str, dict[str, list[float]]] = {}
    try:
        data = {
            name: xgboost.DMatrix(values, label=labels, **threads)
            for name, (values, labels) in parts.items()
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
    history = tuple((f"{name}-{metric}", told[name][metric][best]) for name in data)
    return bytes(model[: best + 1].save_raw("ubj")), best, history


def _columns(
    matrix: pl.DataFrame, valid: pl.DataFrame, label: str | None
) -> tuple[str, tuple[str, ...]]:
    """Return the label and the features after checking both parts' columns."""
    label = label if label is not None else matrix.columns[-1]
    features = tuple(name for name in matrix.columns if name != label)
    if matrix.columns != [*features, label] or not features:
        raise TrainingInvalid(
            f"the matrix must be features and then the label {label!r}; it has "
            f"{listing(matrix.columns)}.{nearest(label, matrix.columns)}"
        )
    if valid.columns != matrix.columns:
        raise FeatureMismatch(matrix.columns, valid.columns)
    return label, features


def _labels(part: pl.DataFrame, label: str, name: str, objective: str) -> Float32s:
    """Return the label column. Raises `TrainingInvalid` for what the objective cannot learn."""
    column = part[label]
    if column.is_empty():
        raise TrainingInvalid(f"the {name} part has no rows")
    if nulls := column.null_count():
        raise TrainingInvalid(f"label {label!r} has {nulls:,} nulls in the {name} part; drop them")
    if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        wanted = "0/1 or Boolean" if objective == BINARY else "a number"
        raise TrainingInvalid(f"label {label!r} is {column.dtype}; it must be {wanted}")
    labels = column.cast(pl.Float64)
    rounded = labels.cast(pl.Float32)
    if objective == BINARY:
        bad, what = labels.filter((labels != 0.0) & (labels != 1.0)), "neither 0 nor 1"
    else:
        bad, what = labels.filter(~rounded.is_finite()), "no finite numbers of float32"
    if len(bad):
        raise TrainingInvalid(
            f"label {label!r} has {len(bad):,} values in the {name} part that are {what}, "
            f"such as {bad[0]!r}"
        )
    return rounded.to_numpy()


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
