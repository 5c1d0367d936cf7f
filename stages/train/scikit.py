"""Training with scikit-learn, and what it has learned as plain numbers.

Guarantee: equal rows (order included), seed and params give an `Estimator` of equal digest for
every number of threads. The model that leaves here holds numbers only; nothing is pickled.
Where it ends: another release of scikit-learn may learn something else.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import polars as pl

from dagrun.engine.errors import nearest
from dagrun.engine.extras import MissingExtra
from dagrun.stages.bundle.booster import BINARY
from dagrun.stages.bundle.double_trees import COLUMNS
from dagrun.stages.bundle.estimator import Estimator, write_numbers, write_trees
from dagrun.stages.bundle.model import Float32s, Param
from dagrun.stages.train.candidate import Candidate, Family
from dagrun.stages.train.errors import TrainingInvalid
from dagrun.stages.train.labelled import Labelled, constraints, take_apart
from dagrun.stages.train.threads import idle_cores

SQUARED = "reg:squarederror"
_OURS = ("random_state", "n_jobs", "class_weight", "monotonic_cst", "verbose", "warm_start")
_DEFAULTS: Mapping[str, Mapping[str, Param]] = {
    "logistic": {"max_iter": 1000},
    "forest": {"n_estimators": 300, "min_samples_leaf": 5},
    "boosting": {"max_iter": 500, "n_iter_no_change": 30},
}


def fit_estimator(
    candidate: Candidate,
    matrix: pl.DataFrame,
    valid: pl.DataFrame,
    *,
    label: str | None,
    objective: str,
    seed: int,
    nthread: int | None,
) -> Estimator:
    """Train a candidate of a family other than XGBoost's.

    Args:
        candidate: what to train.
        matrix: training rows: feature columns in order, the label last.
        valid: rows with the same columns, by which `"boosting"` ends its training.
        label: its name; None means the last column.
        objective: `"binary:logistic"` or `"reg:squarederror"`.
        seed: decides all chance.
        nthread: threads of a forest; None takes the cores that are idle.

    Raises:
        MissingExtra: scikit-learn is not installed.
        TrainingInvalid: an unknown param or objective, or scikit-learn refuses the rows.
    """
    weight = candidate.positive_weight
    features, parts = take_apart(
        matrix, valid, label=label, objective=objective, positive_weight=weight
    )
    steps = constraints(features, dict(candidate.monotone))
    kind = _kind(candidate.family, objective)
    chosen = {**_DEFAULTS[candidate.family], **dict(candidate.params)}
    settings: dict[str, Any] = {**chosen, "random_state": seed}
    if candidate.family == "forest":
        settings["n_jobs"] = nthread or idle_cores()
    if any(steps):
        settings["monotonic_cst"] = list(steps)
    _check_known(kind, candidate.params)
    export = _EXPORTS[candidate.family]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", _convergence())
            numbers, nodes = export(kind(**settings), parts, objective == BINARY)
    except (ValueError, Warning) as error:
        raise TrainingInvalid(f"scikit-learn says: {error}") from error
    if weight is not None:
        chosen["positive_weight"] = weight
    return Estimator(
        numbers=numbers,
        trees=b"" if nodes is None else write_trees(nodes),
        features=features,
        family=candidate.family,
        made_by=f"scikit-learn {_version()} {kind.__name__}",
        answers="binary" if objective == BINARY else "regression",
        rounds=0 if nodes is None else int(nodes["tree"].n_unique()),
        params=tuple(sorted({**chosen, "seed": seed}.items())),
    )


Parts = Mapping[str, Labelled]
Exported = tuple[bytes, pl.DataFrame | None]


def _logistic(model: Any, parts: Parts, _binary: bool) -> Exported:
    """Standardize, fit, and fold mean and scale into the coefficients."""
    train = parts["train"]
    values = train.features.astype(np.float64)
    present = ~np.isnan(values)
    rows = np.maximum(present.sum(axis=0), 1)
    means = np.where(present, values, 0.0).sum(axis=0) / rows
    filled = np.where(present, values, means)
    scales = filled.std(axis=0)
    scales[scales == 0.0] = 1.0
    model.fit((filled - means) / scales, train.labels, sample_weight=train.weights)
    coefficients = model.coef_[0] / scales
    base = float(model.intercept_[0] - (coefficients * means).sum())
    return (
        write_numbers(base=base, link="logistic", coefficients=coefficients, fills=means),
        None,
    )


def _forest(model: Any, parts: Parts, binary: bool) -> Exported:
    """Fit, and take the share of positive rows, or the mean, of every leaf."""
    train = parts["train"]
    model.fit(train.features, train.labels, sample_weight=train.weights)
    if binary and len(model.classes_) < 2:
        raise ValueError("the training rows are all of one class")
    trees = []
    for number, tree in enumerate(model.estimators_):
        grown = tree.tree_
        nodes = grown.__getstate__()["nodes"]
        ends = nodes["left_child"] < 0
        answers = grown.value[:, 0, 1 if binary else 0]
        trees.append(
            _nodes(
                number,
                feature=np.where(ends, -1, nodes["feature"]),
                value=np.where(ends, answers, nodes["threshold"]),
                missing_left=nodes["missing_go_to_left"].astype(bool) & ~ends,
                left=nodes["left_child"],
                right=nodes["right_child"],
            )
        )
    return write_numbers(divisor=len(trees), link="identity"), pl.concat(trees)


def _boosting(model: Any, parts: Parts, binary: bool) -> Exported:
    """Fit until the validation rows improve no longer, and keep the trees up to the best."""
    train, valid = parts["train"], parts["valid"]
    if binary and len(np.unique(train.labels)) < 2:
        raise ValueError("the training rows are all of one class")
    model.set_params(early_stopping=True)
    model.fit(
        train.features,
        train.labels,
        sample_weight=train.weights,
        X_val=valid.features,
        y_val=valid.labels,
        sample_weight_val=valid.weights,
    )
    best = max(1, int(np.argmax(model.validation_score_)))
    trees = []
    for number, (tree,) in enumerate(model._predictors[:best]):
        nodes = tree.nodes
        ends = nodes["is_leaf"].astype(bool)
        trees.append(
            _nodes(
                number,
                feature=np.where(ends, -1, nodes["feature_idx"]),
                value=np.where(ends, nodes["value"], nodes["num_threshold"]),
                missing_left=nodes["missing_go_to_left"].astype(bool) & ~ends,
                left=np.where(ends, -1, nodes["left"].astype(np.int64)),
                right=np.where(ends, -1, nodes["right"].astype(np.int64)),
            )
        )
    base = float(np.ravel(model._baseline_prediction)[0])
    link = "logistic" if binary else "identity"
    return write_numbers(base=base, link=link), pl.concat(trees)


_EXPORTS: Mapping[str, Callable[[Any, Parts, bool], Exported]] = {
    "logistic": _logistic,
    "forest": _forest,
    "boosting": _boosting,
}


def _nodes(number: int, **columns: Float32s | np.ndarray) -> pl.DataFrame:
    rows = len(columns["feature"])
    return pl.DataFrame({"tree": np.full(rows, number), **columns}).select(
        pl.col(name).cast(dtype) for name, dtype in COLUMNS.items()
    )


def _kind(family: Family, objective: str) -> type[Any]:
    """Return scikit-learn's class. Raises `MissingExtra` or `TrainingInvalid`."""
    try:
        from sklearn import ensemble, linear_model
    except ModuleNotFoundError as error:
        raise MissingExtra("scikit-learn", "train", f"a candidate of family {family!r}") from error
    kinds: dict[tuple[str, str], type[Any]] = {
        ("logistic", BINARY): linear_model.LogisticRegression,
        ("forest", BINARY): ensemble.RandomForestClassifier,
        ("forest", SQUARED): ensemble.RandomForestRegressor,
        ("boosting", BINARY): ensemble.HistGradientBoostingClassifier,
        ("boosting", SQUARED): ensemble.HistGradientBoostingRegressor,
    }
    if (family, objective) not in kinds:
        learnt = [goal for name, goal in kinds if name == family]
        raise TrainingInvalid(
            f"a candidate of family {family!r} learns {' or '.join(learnt)}, not {objective!r}"
        )
    return kinds[family, objective]


def _check_known(kind: type[Any], params: Iterable[tuple[str, Param]]) -> None:
    """Raise unless scikit-learn's class has every param, and it is not ours to set."""
    known = set(kind().get_params()) - set(_OURS)
    for name, _ in params:
        if name not in known:
            raise TrainingInvalid(
                f"{kind.__name__} has no param {name!r} to set.{nearest(name, known)}"
            )


def _convergence() -> type[Warning]:
    from sklearn.exceptions import ConvergenceWarning

    found: type[Warning] = ConvergenceWarning
    return found


def _version() -> str:
    import sklearn

    return str(sklearn.__version__)
