"""The single-row path: raw values to probability without a data frame.

Guarantee: features, margin and probability have the bits that `score` gives for the same row.
One `RowScorer` belongs to one thread: it owns the buffers that XGBoost reads. Building one is
cheap, so make one per thread.
Where it ends: the sigmoid is computed here, in float32 as XGBoost computes it, only if that
reproduces every golden probability of the bundle; else XGBoost is asked a second time.
"""

from __future__ import annotations

import ctypes
import functools
import json
import struct
import weakref
from array import array
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from dagrun.engine.errors import DagrunError
from dagrun.stages.bundle.booster import loaded
from dagrun.stages.bundle.bundle import Bundle

_MARGIN, _VALUE = 1, 0
_SIGMOID_BOUND = array("f", [88.7])[0]
"""XGBoost clips `-margin` here, before the exponential (src/common/math.h, `Sigmoid`)."""


class PredictionFailed(DagrunError):
    """XGBoost refused a row; its own message says why."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(f"XGBoost could not predict: {message}")


class RowScore(NamedTuple):
    """What the model says about one row; both are float32 values held in Python floats."""

    margin: float
    probability: float


class RowScorer:
    """Scores single rows of one bundle, with the bits of the batch path."""

    def __init__(self, bundle: Bundle) -> None:
        self._row = bundle.spec.row_function()
        width = len(bundle.booster.features)
        self._pack = struct.Struct(f"{width}f").pack_into
        self._buffer = (ctypes.c_float * width)()
        self._predict = _Predictor(loaded(bundle.booster.ubj, 1), self._buffer)
        self._sigmoid = _proven_sigmoid(bundle)

    @property
    def features(self) -> tuple[float, ...]:
        """The float32 features of the row scored last, in the spec's order; missing is NaN."""
        return tuple(self._buffer)

    def score(self, values: Sequence[object]) -> RowScore:
        """Score one raw row, given in the order of the spec's inputs.

        Values are float, int, str, bool or None; a timestamp is its microseconds since the
        epoch, a date its days.
        """
        self._pack(self._buffer, 0, *self._row(values))
        margin = self._predict.margin()
        if self._sigmoid is None:
            return RowScore(margin, self._predict.value())
        return RowScore(margin, self._sigmoid(margin))


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
        self.margin = functools.partial(self._run, self._arguments[_MARGIN])
        self.value = functools.partial(self._run, self._arguments[_VALUE])

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


def _proven_sigmoid(bundle: Bundle) -> Callable[[float], float] | None:
    """Return a float32 sigmoid that gives the golden probabilities, or None."""
    if bundle.booster.objective != "binary:logistic":
        return None
    sigmoid = float32_sigmoid()
    if sigmoid is None:
        return None
    margins, probabilities = bundle.golden.margins, bundle.golden.probabilities
    same = all(sigmoid(float(m)) == p for m, p in zip(margins, probabilities, strict=True))
    return sigmoid if same else None


def float32_sigmoid() -> Callable[[float], float] | None:
    """Return `1 / (expf(min(-x, 88.7)) + 1)` in float32, or None without a C `expf`.

    Each operation is done in double and rounded to float32, which is what float32 arithmetic
    gives (53 bits are more than 2 * 24 + 2). XGBoost also adds 1e-16 to the denominator; it is
    at least 1, where float32 cannot tell.
    """
    try:
        expf = ctypes.PyDLL(None).expf
    except (AttributeError, OSError, TypeError):
        return None
    expf.argtypes, expf.restype = (ctypes.c_float,), ctypes.c_float
    cell = array("f", [0.0])

    def sigmoid(margin: float) -> float:
        cell[0] = expf(min(-margin, _SIGMOID_BOUND)) + 1.0
        cell[0] = 1.0 / cell[0]
        return cell[0]

    return sigmoid
