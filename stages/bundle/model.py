"""What every model that can be bundled is: features in, margins and predictions out.

Guarantee: the matrix is checked by name, so permuted or missing columns are an error, never a wrong
answer; predictions have the same bits for one row and for many, and for every thread count. How
a kind of model keeps that, and where it ends, its own module says: `booster` for XGBoost,
`estimator` for what scikit-learn has trained, `calibration` for either with other probabilities.
"""

from __future__ import annotations

import abc
import ctypes
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from dagrun.engine import canonical
from dagrun.engine.errors import DagrunError, listing, nearest

if TYPE_CHECKING:
    from dagrun.stages.bundle.booster import Booster

Float32s = npt.NDArray[np.float32]
Param = bool | int | float | str | None
Params = tuple[tuple[str, Param], ...]
Task = Literal["binary", "regression"]
Row = ctypes.Array[ctypes.c_float]
Bound = Callable[[], tuple[float, float]]
"""Says margin and prediction of what stands in a row's memory; for one thread at a time."""


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
        margins: what the model adds up: the trees' leaves, or weighted features.
        values: what they mean: a classifier's probabilities, or the very margins of a regression.
    """

    margins: Float32s
    values: Float32s

    @property
    def probabilities(self) -> Float32s:
        """The values of a classifier."""
        return self.values


class Model(abc.ABC):
    """A trained model as a value."""

    __slots__ = ()
    features: tuple[str, ...]

    @property
    @abc.abstractmethod
    def task(self) -> Task:
        """What the model answers: a probability (`"binary"`) or a number (`"regression"`)."""

    @property
    @abc.abstractmethod
    def digest(self) -> str:
        """Digest of everything that the model is."""

    @property
    @abc.abstractmethod
    def members(self) -> Mapping[str, bytes]:
        """The model's files, by their names in a bundle."""

    @property
    def boosted(self) -> Booster | None:
        """The trees of XGBoost in it, if that is what it is made of."""
        return None

    @abc.abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return everything but the files, as a JSON form."""

    @abc.abstractmethod
    def facts(self) -> dict[str, Any]:
        """Return what people want to know of it."""

    @abc.abstractmethod
    def predict_values(self, values: Float32s, *, nthread: int | None = None) -> Prediction:
        """Predict features given as a C-ordered float32 array of shape `(rows, features)`."""

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

    def values(self, matrix: pl.DataFrame) -> Float32s:
        """Return the features of a matrix as a C-ordered array of shape `(rows, features)`.

        Raises `FeatureMismatch` when a feature column is missing or in another place.
        """
        found, wanted = matrix.columns, len(self.features)
        if tuple(found[:wanted]) != self.features:
            raise FeatureMismatch(self.features, found)
        return float32_values(matrix if len(found) == wanted else matrix.select(self.features))


def write_params(params: Params) -> list[Any]:
    """Return the JSON form of parameters; floats keep every bit."""
    return [[name, canonical.encode(value)] for name, value in params]


def read_params(forms: Iterable[tuple[str, Any]]) -> Params:
    """Return the parameters behind their JSON form."""
    return tuple((name, read_number(form)) for name, form in forms)


def read_number(form: Any) -> Any:
    """Return what stands behind the JSON form of a bool, int, str, None or float."""
    # Not `canonical.decode`, which may import what a document names: a bundle can be anyone's.
    return float.fromhex(form["$float"]) if isinstance(form, dict) else form


def float32_values(features: pl.DataFrame) -> Float32s:
    """Return feature columns as a C-ordered float32 array; null becomes NaN."""
    values = np.empty((features.width, features.height), np.float32)
    for row, column in zip(values, features.iter_columns(), strict=True):
        # NumPy rounds these two as Polars does, and is there without a plan.
        plain = column.dtype in (pl.Float32, pl.Int32)
        row[:] = (column if plain else column.cast(pl.Float32)).to_numpy()
    return np.ascontiguousarray(values.T)
