"""A trained tree model as a value: its bytes, the features it expects, and its predictions.

Guarantee: predictions depend on the model's bytes and the float32 features alone; they have the
same bits for one row and for many, and for every thread count. The matrix is checked by name, so
permuted or missing columns are an error, never a wrong answer.
Where it ends: another XGBoost release or another CPU may round differently; the golden rows of
the bundle show it (`dagrun.stages.bundle.golden`).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from dagrun.engine import canonical
from dagrun.engine.errors import DagrunError
from dagrun.stages.bundle.model import (
    FeatureMismatch,
    Float32s,
    Model,
    Param,
    Prediction,
    Task,
    float32_values,
    read_params,
    write_params,
)

__all__ = [
    "BINARY",
    "REGRESSIONS",
    "Booster",
    "FeatureMismatch",
    "Float32s",
    "NotBoosted",
    "Param",
    "Prediction",
    "Task",
    "boosted",
    "float32_values",
    "loaded",
]

BINARY = "binary:logistic"
REGRESSIONS = {
    "reg:squarederror": "rmse",
    "reg:absoluteerror": "mae",
    "reg:pseudohubererror": "mphe",
}
"""Objectives whose prediction is the margin itself, in the label's unit, each with its metric.
Source: https://xgboost.readthedocs.io/en/release_3.2.0/parameter.html#learning-task-parameters"""

_MODELS_KEPT_LOADED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Booster(Model):
    """A gradient boosted tree model, cut to its best iteration.

    Attributes:
        ubj: the model in XGBoost's UBJSON format.
        features: names of the feature columns, in order.
        objective: XGBoost's name of the objective, such as `binary:logistic`.
        rounds: number of boosting rounds kept.
        params: training parameters as `(name, value)` pairs, sorted by name.
        history: `(metric, value)` pairs at the best iteration, such as `("valid-logloss", 0.41)`.
    """

    ubj: bytes
    features: tuple[str, ...]
    objective: str
    rounds: int
    params: tuple[tuple[str, Param], ...] = ()
    history: tuple[tuple[str, float], ...] = ()

    __dagrun_codec__: ClassVar[str] = "dagrun.stages.bundle.codec:BOOSTER"

    def describe(self) -> dict[str, Any]:
        """Return everything but the model's bytes, as a JSON form that `rebuild` reads."""
        return {
            "features": list(self.features),
            "history": [[metric, value.hex()] for metric, value in self.history],
            "objective": self.objective,
            "params": write_params(self.params),
            "rounds": self.rounds,
        }

    @classmethod
    def rebuild(cls, described: Any, ubj: bytes) -> Booster:
        """Return the booster whose `describe` and bytes these are.

        Raises `KeyError`, `TypeError` or `ValueError` for a description of another shape.
        """
        return cls(
            ubj=ubj,
            features=tuple(described["features"]),
            objective=described["objective"],
            rounds=described["rounds"],
            params=read_params(described["params"]),
            history=tuple((metric, float.fromhex(x)) for metric, x in described["history"]),
        )

    @property
    def task(self) -> Task:
        """What the model answers: a probability (`"binary"`) or a number (`"regression"`)."""
        return "regression" if self.objective in REGRESSIONS else "binary"

    @property
    def digest(self) -> str:
        """Digest of the model's bytes and its description."""
        form = {"about": self.describe(), "ubj": canonical.digest_bytes(self.ubj)}
        return canonical.digest("booster", form)

    def predict_values(self, values: Float32s, *, nthread: int | None = None) -> Prediction:
        """Predict features given as a C-ordered float32 array of shape `(rows, features)`."""
        if not len(values):
            return Prediction(np.empty(0, np.float32), np.empty(0, np.float32))
        model = loaded(self.ubj, nthread)
        return Prediction(
            model.inplace_predict(values, predict_type="margin"),
            model.inplace_predict(values, predict_type="value"),
        )

    @property
    def boosted(self) -> Booster:
        """The booster itself."""
        return self

    @property
    def members(self) -> Mapping[str, bytes]:
        """The model's file, by its name in a bundle."""
        return {"model.ubj": self.ubj}

    def facts(self) -> dict[str, Any]:
        """Return what people want to know of it."""
        return {
            "objective": self.objective,
            "rounds": self.rounds,
            "at the best round": dict(self.history),
            "params": dict(self.params),
            "features": list(self.features),
        }


class NotBoosted(DagrunError):
    """Something was asked of a model that only XGBoost's trees can tell."""

    def __init__(self, what: str, model: Model) -> None:
        self.what = what
        kind = str(model.facts().get("made by", type(model).__name__))
        super().__init__(
            f"there are no {what} for a model of {kind}: they are computed by XGBoost, from its "
            "own trees. Train the candidate with XGBoost to have them"
        )


def boosted(model: Model, what: str = "trees to ask XGBoost for") -> Booster:
    """Return the trees of XGBoost in a model. Raises `NotBoosted`, which names `what` is missed."""
    if model.boosted is None:
        raise NotBoosted(what, model)
    return model.boosted


@functools.lru_cache(maxsize=_MODELS_KEPT_LOADED)
def loaded(ubj: bytes, nthread: int | None) -> Any:
    """Return the `xgboost.Booster` of these bytes; it may be shared between threads to predict."""
    import xgboost

    model = xgboost.Booster({} if nthread is None else {"nthread": nthread})
    model.load_model(bytearray(ubj))
    return model
