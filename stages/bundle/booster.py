"""A trained tree model as a value: its bytes, the features it expects, and its predictions.

Guarantee: predictions depend on the model's bytes and the float32 features alone; they have the
same bits for one row and for many, and for every thread count. The matrix is checked by name, so
permuted or missing columns are an error, never a wrong answer.
Where it ends: another XGBoost release or another CPU may round differently; the golden rows of
the bundle show it (`dagrun.stages.bundle.golden`).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from dagrun.engine import canonical
from dagrun.engine.errors import DagrunError, listing, nearest

Float32s = npt.NDArray[np.float32]
Param = bool | int | float | str | None
Task = Literal["binary", "regression"]

BINARY = "binary:logistic"
REGRESSIONS = {
    "reg:squarederror": "rmse",
    "reg:absoluteerror": "mae",
    "reg:pseudohubererror": "mphe",
}
"""Objectives whose prediction is the margin itself, in the label's unit, each with its metric.
Source: https://xgboost.readthedocs.io/en/release_3.2.0/parameter.html#learning-task-parameters"""

_MODELS_KEPT_LOADED = 8


class FeatureMismatch(DagrunError):
    """A matrix does not have the columns, in the order, that a model was trained on."""

    def __init__(self, expected: Sequence[str], found: Sequence[str]) -> None:
        self.expected, self.found = tuple(expected), tuple(found)
        missing = [name for name in expected if name not in found]
        if missing:
            what = f"lacks {listing(missing)}.{nearest(missing[0], found)}"
        else:
            pairs = enumerate(zip_longest(expected, found), start=1)
            place, wanted, got = next((i, *pair) for i, pair in pairs if pair[0] != pair[1])
            what = f"has {got!r} as column {place}, the model {wanted!r}."
        super().__init__(
            f"the matrix does not fit the model: it {what} Make it with the transform of the "
            f"feature spec that the model was trained with (features: {listing(expected)})"
        )


class Prediction(NamedTuple):
    """What a model says about `n` rows: two float32 arrays of shape `(n,)`.

    Attributes:
        margins: the sums of the trees' leaves.
        values: what they mean: a classifier's probabilities, or the very margins of a regression.
    """

    margins: Float32s
    values: Float32s

    @property
    def probabilities(self) -> Float32s:
        """The values of a classifier."""
        return self.values


@dataclass(frozen=True, slots=True, kw_only=True)
class Booster:
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
            "params": [[name, canonical.encode(value)] for name, value in self.params],
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
            params=tuple((name, _param(form)) for name, form in described["params"]),
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

    def predict(self, matrix: pl.DataFrame, *, nthread: int | None = None) -> Prediction:
        """Predict every row of a matrix.

        Args:
            matrix: the feature columns in order; further columns behind them (a label) are
                ignored. Null and NaN both mean "missing".
            nthread: threads to use; None leaves the choice to XGBoost. The bits do not change.

        Raises:
            FeatureMismatch: a feature column is missing or in another place.
        """
        return self.predict_values(self.values(matrix), nthread=nthread)

    def predict_values(self, values: Float32s, *, nthread: int | None = None) -> Prediction:
        """Predict features given as a C-ordered float32 array of shape `(rows, features)`."""
        if not len(values):
            return Prediction(np.empty(0, np.float32), np.empty(0, np.float32))
        model = loaded(self.ubj, nthread)
        return Prediction(
            model.inplace_predict(values, predict_type="margin"),
            model.inplace_predict(values, predict_type="value"),
        )

    def values(self, matrix: pl.DataFrame) -> Float32s:
        """Return the features of a matrix as a C-ordered array of shape `(rows, features)`.

        Raises `FeatureMismatch` when a feature column is missing or in another place.
        """
        found, wanted = matrix.columns, len(self.features)
        if tuple(found[:wanted]) != self.features:
            raise FeatureMismatch(self.features, found)
        return float32_values(matrix if len(found) == wanted else matrix.select(self.features))


def _param(form: Any) -> Param:
    # Not `canonical.decode`, which may import what a document names: a bundle can be anyone's.
    return float.fromhex(form["$float"]) if isinstance(form, dict) else form


def float32_values(features: pl.DataFrame) -> Float32s:
    """Return feature columns as a C-ordered float32 array; null becomes NaN."""
    columns = features.select(pl.all().cast(pl.Float32))
    return np.ascontiguousarray(columns.to_numpy(), np.float32)


@functools.lru_cache(maxsize=_MODELS_KEPT_LOADED)
def loaded(ubj: bytes, nthread: int | None) -> Any:
    """Return the `xgboost.Booster` of these bytes; it may be shared between threads to predict."""
    import xgboost

    model = xgboost.Booster({} if nthread is None else {"nthread": nthread})
    model.load_model(bytearray(ubj))
    return model
