"""A model that scikit-learn has trained, as numbers that anybody can read, and our own score of it.

    margin = (base + coefficient * feature, of each feature + leaf, of each tree) / divisor

Everything between features and prediction is written down: `model.json` has the base, the divisor,
the coefficients and what stands for a missing feature, with every bit of every float64;
`model.parquet` has the nodes of the trees, one row each:

    tree         int32    number of the tree, from 0; a tree's first row is its root
    feature      int32    number of the feature that is tested, -1 for a leaf
    value        float64  the threshold (a feature at most as great goes left), or the leaf's value
    missing_left bool     whether a missing feature goes left
    left, right  int32    rows of the branches, counted from the tree's first; -1 for a leaf

There is no pickle, and nothing of scikit-learn is needed to score.

Guarantee: predictions depend on these numbers and the float32 features alone; sums are float64 in
the order above, rounded to float32 once, with the same bits for one row and for many. The numbers
are checked when a bundle is read: branches lead forward, features exist, everything is finite.
Where it ends: scikit-learn adds trees in the same order, and its answers, rounded to float32, had
equal bits wherever they were compared; a dot product it may add in another order, which can show
in the last bit of a float32.
"""

from __future__ import annotations

import ctypes
import functools
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import polars as pl

from dagrun.engine import canonical
from dagrun.stages.bundle.double_trees import Laid, lay_out
from dagrun.stages.bundle.double_walk import Sum, compiled
from dagrun.stages.bundle.model import (
    Bound,
    Float32s,
    Model,
    Params,
    Prediction,
    Row,
    Task,
    read_params,
    write_params,
)

KIND = "estimator"
_NUMBERS, _TREES = "model.json", "model.parquet"
_MODELS_KEPT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimator(Model):
    """What scikit-learn has trained, cut loose from it.

    Attributes:
        numbers: `model.json`, see the module's text.
        trees: `model.parquet`, b"" for a model without trees.
        features: names of the feature columns, in order.
        family: `"logistic"`, `"forest"` or `"boosting"`.
        made_by: the class that trained it and the library's version.
        answers: its task.
        rounds: number of trees; 0 for a model without.
        params: training parameters as `(name, value)` pairs, sorted by name.
    """

    numbers: bytes
    trees: bytes = b""
    features: tuple[str, ...]
    family: str
    made_by: str
    answers: Task
    rounds: int = 0
    params: Params = ()

    __dagrun_codec__: ClassVar[str] = "dagrun.stages.bundle.codec:MODEL"

    @property
    def task(self) -> Task:
        """What the model answers: a probability (`"binary"`) or a number (`"regression"`)."""
        return self.answers

    @property
    def members(self) -> Mapping[str, bytes]:
        """The numbers, and the trees if there are any."""
        return {_NUMBERS: self.numbers, **({_TREES: self.trees} if self.trees else {})}

    @property
    def digest(self) -> str:
        """Digest of the numbers, the trees and the description."""
        files = {name: canonical.digest_bytes(data) for name, data in self.members.items()}
        return canonical.digest("estimator", {"about": self.describe(), "files": files})

    def describe(self) -> dict[str, Any]:
        """Return everything but the files, as a JSON form that `rebuild` reads."""
        return {
            "family": self.family,
            "features": list(self.features),
            "kind": KIND,
            "made_by": self.made_by,
            "params": write_params(self.params),
            "rounds": self.rounds,
            "task": self.answers,
        }

    @classmethod
    def rebuild(cls, described: Any, members: Mapping[str, bytes]) -> Estimator:
        """Return the model whose `describe` and files these are, after checking its numbers.

        Raises `KeyError`, `TypeError` or `ValueError` for anything of another shape.
        """
        if described["task"] not in ("binary", "regression"):
            raise ValueError(f"task {described['task']!r}")
        model = cls(
            numbers=members[_NUMBERS],
            trees=members.get(_TREES, b""),
            features=tuple(described["features"]),
            family=described["family"],
            made_by=described["made_by"],
            answers=described["task"],
            rounds=described["rounds"],
            params=read_params(described["params"]),
        )
        score_of(model.numbers, model.trees, len(model.features))
        return model

    def facts(self) -> dict[str, Any]:
        """Return what people want to know of it."""
        return {
            "family": self.family,
            "made by": self.made_by,
            **({"rounds": self.rounds} if self.rounds else {}),
            "params": dict(self.params),
            "features": list(self.features),
        }

    def predict_values(
        self,
        values: Float32s,
        *,
        nthread: int | None = None,  # noqa: ARG002 - one thread, whatever is asked for
    ) -> Prediction:
        """Predict features given as a C-ordered float32 array of shape `(rows, features)`."""
        return score_of(self.numbers, self.trees, len(self.features)).predict(values)

    def bind(self, row: Row) -> Bound:
        """Return a function that says margin and prediction of what stands in `row`."""
        return score_of(self.numbers, self.trees, len(self.features)).bind(row)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Score:
    """A model's numbers, laid out to be summed. It may be shared between threads.

    Attributes:
        coefficients, fills: float64, one for each feature, or none at all.
        laid: the trees.
        width: number of features.
        base, divisor, logistic: see `dagrun.stages.bundle.double_walk`.
    """

    coefficients: npt.NDArray[np.float64]
    fills: npt.NDArray[np.float64]
    laid: Laid
    width: int
    base: float
    divisor: float
    logistic: bool

    def bind(self, row: Row) -> Bound:
        """Return a function that says margin and prediction of what stands in `row`."""
        result = (ctypes.c_float * 2)()
        spread = np.empty(2 * self.width + 1)
        margin = ctypes.addressof(result)
        given = self._sum(ctypes.addressof(row), spread, 1, margin, margin + 4)
        call = functools.partial(compiled().score, ctypes.addressof(given))

        def score(_kept: object = (self, row, spread, given)) -> tuple[float, float]:
            call()
            return result[0], result[1]

        return score

    def predict(self, rows: Float32s) -> Prediction:
        """Predict a C-ordered array of shape `(rows, features)` on one thread."""
        margins, values = np.empty(len(rows), np.float32), np.empty(len(rows), np.float32)
        spread = np.empty(2 * self.width + 1)
        answers = margins.ctypes.data, values.ctypes.data
        given = self._sum(rows.ctypes.data, spread, len(rows), *answers)
        compiled().score_many(ctypes.addressof(given))
        return Prediction(margins, values)

    def _sum(self, rows: int, spread: np.ndarray, count: int, margins: int, values: int) -> Sum:
        return Sum(
            nodes=self.laid.nodes.ctypes.data,
            roots=self.laid.roots.ctypes.data,
            depths=self.laid.depths.ctypes.data,
            coefficients=self.coefficients.ctypes.data,
            fills=self.fills.ctypes.data,
            rows=rows,
            spread=spread.ctypes.data,
            margins=margins,
            values=values,
            blocks=len(self.laid.roots),
            count=count,
            width=self.width,
            weighted=len(self.coefficients),
            base=self.base,
            divisor=self.divisor,
            logistic=self.logistic,
        )


@functools.lru_cache(maxsize=_MODELS_KEPT)
def score_of(numbers: bytes, trees: bytes, width: int) -> Score:
    """Return the score of a model's files. Raises `KeyError`, `TypeError` or `ValueError`."""
    form = json.loads(numbers)
    terms = {name: _doubles(form[name], width) for name in ("coefficients", "fills")}
    if len(terms["coefficients"]) != len(terms["fills"]):
        raise ValueError("as many fills as coefficients are needed")
    base, divisor = float.fromhex(form["base"]), float.fromhex(form["divisor"])
    if not (math.isfinite(base) and math.isfinite(divisor) and divisor > 0):
        raise ValueError(f"base {base!r} and divisor {divisor!r}")
    return Score(
        **terms,
        laid=lay_out(pl.read_parquet(io.BytesIO(trees)) if trees else None, width),
        width=width,
        base=base,
        divisor=divisor,
        logistic=form["link"] == "logistic",
    )


def write_numbers(
    *,
    base: float = 0.0,
    divisor: float = 1.0,
    link: str,
    coefficients: npt.NDArray[np.float64] | None = None,
    fills: npt.NDArray[np.float64] | None = None,
) -> bytes:
    """Return `model.json`; `link` is `"logistic"` or `"identity"`."""
    lists = {"coefficients": coefficients, "fills": fills}
    form = {
        "base": float(base).hex(),
        "divisor": float(divisor).hex(),
        "link": link,
        **{k: [] if v is None else [x.hex() for x in v.tolist()] for k, v in lists.items()},
    }
    return canonical.to_bytes(form)


def write_trees(nodes: pl.DataFrame) -> bytes:
    """Return `model.parquet` of rows with the columns that the module's text names."""
    buffer = io.BytesIO()
    # One chunk and one row group, so that equal rows give equal bytes.
    nodes.rechunk().write_parquet(
        buffer, compression="zstd", compression_level=3, row_group_size=max(1, nodes.height)
    )
    return buffer.getvalue()


def _doubles(forms: list[str], width: int) -> npt.NDArray[np.float64]:
    found = np.array([float.fromhex(form) for form in forms], np.float64)
    if len(found) not in (0, width) or not np.isfinite(found).all():
        raise ValueError(f"{len(found)} numbers, not all of them finite, for {width} features")
    return found
