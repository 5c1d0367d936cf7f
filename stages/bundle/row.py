"""The single-row path: raw values to a prediction without a data frame.

Guarantee: features, margin and prediction have the bits that `score` gives for the same row.
One `RowScorer` belongs to one thread: it owns the memory that the model reads. Building one is
cheap, so make one per thread.
Where it ends: XGBoost's trees are walked by `dagrun.stages.bundle.trees` only if that reproduces
every golden margin and prediction of the bundle; else XGBoost is asked, which takes more than ten
times as long.
"""

from __future__ import annotations

import ctypes
import functools
import json
import struct
import weakref
from collections.abc import Sequence
from typing import Any, NamedTuple

from dagrun.engine.errors import DagrunError
from dagrun.stages.bundle.booster import boosted, loaded
from dagrun.stages.bundle.bundle import Bundle
from dagrun.stages.bundle.calibration import Calibrated
from dagrun.stages.bundle.estimator import Estimator
from dagrun.stages.bundle.model import Bound, Model, Row
from dagrun.stages.bundle.trees import NotWalkable, walker

_MARGIN, _VALUE = 1, 0


class PredictionFailed(DagrunError):
    """XGBoost refused a row; its own message says why."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(f"XGBoost could not predict: {message}")


class RowScore(NamedTuple):
    """What the model says about one row; both are float32 values held in Python floats.

    Attributes:
        margin: what the model adds up, such as the sum of the trees' leaves.
        value: what it means: a classifier's probability, or the very margin of a regression.
    """

    margin: float
    value: float


class RowScorer:
    """Scores single rows of one bundle, with the bits of the batch path.

    Attributes:
        predict: returns margin and probability of the row that was prepared last.
        left_to_xgboost: why the trees are not walked here; "" when they are.
    """

    def __init__(self, bundle: Bundle, like: RowScorer | None = None) -> None:
        """Make one; what `like`, one of the same bundle, has proved is not proved again."""
        self._row = bundle.spec.row_function()
        width = len(bundle.booster.features)
        self._buffer = (ctypes.c_float * width)()
        self._pack = functools.partial(struct.Struct(f"{width}f").pack_into, self._buffer, 0)
        self.left_to_xgboost = ""
        try:
            self.predict = _proven_walk(bundle, self._buffer, like)
        except NotWalkable as error:
            self.left_to_xgboost = str(error)
            self.predict = _asking(bundle.booster, self._buffer)

    @property
    def features(self) -> tuple[float, ...]:
        """The float32 features of the row scored last, in the spec's order; missing is NaN."""
        return tuple(self._buffer)

    def score(self, values: Sequence[object]) -> RowScore:
        """Score one raw row, given in the order of the spec's inputs.

        Values are float, int, str, bool or None; a timestamp is its microseconds since the
        epoch, a date its days.
        """
        self.prepare(values)
        return RowScore(*self.predict())

    def prepare(self, values: Sequence[object]) -> None:
        """Compute the features of one raw row, given as to `score`, for `predict`."""
        self._pack(*self._row(values))


def _proven_walk(bundle: Bundle, row: Row, like: RowScorer | None) -> Bound:
    """Return a walk over `row` that gives the golden predictions. Raises `NotWalkable`."""
    walk, golden = _bound(bundle.booster, row), bundle.golden
    if bundle.booster.boosted is None:
        return walk  # there is nobody else to ask
    if like is not None:
        if like.left_to_xgboost:
            raise NotWalkable(like.left_to_xgboost)
        return walk
    recorded = zip(golden.margins.tolist(), golden.values.tolist(), strict=True)
    for features, expected in zip(golden.features, recorded, strict=True):
        ctypes.memmove(row, features.ctypes.data, ctypes.sizeof(row))
        if walk() != expected:
            raise NotWalkable("the golden rows have other bits")
    return walk


def _bound(model: Model, row: Row) -> Bound:
    if isinstance(model, Calibrated):
        return model.after(_bound(model.model, row))
    if isinstance(model, Estimator):
        return model.bind(row)
    trees = walker(boosted(model).ubj)
    if isinstance(trees, NotWalkable):
        raise trees
    return trees.bind(row)


def _asking(model: Model, row: Row) -> Bound:
    """Return a function that asks XGBoost for margin and prediction of what stands in `row`."""
    if isinstance(model, Calibrated):
        return model.after(_asking(model.model, row))
    return _Predictor(loaded(boosted(model).ubj, 1), row).predict


class _Predictor:
    """`XGBoosterPredictFromDense` on one fixed row buffer.

    Everything that does not change from row to row is made once: the two JSON documents, the
    output pointers, and the proxy matrix (which spares XGBoost a third of the call).
    """

    def __init__(self, model: Any, buffer: ctypes.Array[ctypes.c_float]) -> None:
        from xgboost import core

        self._model = model  # keeps the handle alive
        self._library = core._LIB
        self._call = self._library.XGBoosterPredictFromDense
        self._shape = ctypes.POINTER(ctypes.c_uint64)()
        self._dimensions = ctypes.c_uint64()
        self._out = ctypes.POINTER(ctypes.c_float)()
        proxy = ctypes.c_void_p()
        if self._library.XGProxyDMatrixCreate(ctypes.byref(proxy)):
            raise PredictionFailed(self._last_error())
        weakref.finalize(self, self._library.XGDMatrixFree, proxy)
        row = {
            "data": [ctypes.addressof(buffer), True],
            "shape": [1, len(buffer)],
            "typestr": "<f4",
            "version": 3,
        }
        results = (self._shape, self._dimensions, self._out)
        self._arguments = {
            kind: (
                model.handle,
                json.dumps(row).encode(),
                json.dumps(_config(kind)).encode(),
                proxy,
                *map(ctypes.byref, results),
            )
            for kind in (_MARGIN, _VALUE)
        }

    def predict(self) -> tuple[float, float]:
        """Return margin and value of the row in the buffer."""
        return self._run(self._arguments[_MARGIN]), self._run(self._arguments[_VALUE])

    def _run(self, arguments: tuple[Any, ...]) -> float:
        if self._call(*arguments):
            raise PredictionFailed(self._last_error())
        result: float = self._out[0]
        return result

    def _last_error(self) -> str:
        self._library.XGBGetLastError.restype = ctypes.c_char_p
        return str(self._library.XGBGetLastError().decode())


def _config(kind: int) -> dict[str, Any]:
    return {
        "type": kind,
        "training": False,
        "iteration_begin": 0,
        "iteration_end": 0,
        "strict_shape": False,
        "missing": float("nan"),
        "cache_id": 0,
    }
