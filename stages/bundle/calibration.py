"""Calibrated probabilities: another model's margins, read off a curve.

The curve is one of two, and stands in full in the bundle's manifest:

    platt      probability = 1 / (1 + exp(-(slope * margin + offset)))     (Platt 1999)
    isotonic   a line through points (margin, probability), never falling  (Zadrozny, Elkan 2002)

Guarantee: the curve is computed in float64 by the same few operations for one row and for many,
from the float32 margin, and rounded to float32 once; so probabilities have the golden rows' bits
wherever the margins have them. `exp` is that of the host's C library.
Where it ends: margins stay those of the model, and so do the contributions of features to them.
"""

from __future__ import annotations

import ctypes
import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from dagrun.engine import canonical
from dagrun.stages.bundle.model import Bound, Float32s, Model, Prediction, Task

if TYPE_CHECKING:
    from dagrun.stages.bundle.booster import Booster


@dataclass(frozen=True, slots=True, kw_only=True)
class Platt:
    """A sigmoid of the margin. See the module's text for the formula."""

    slope: float
    offset: float

    def __call__(self, margin: float) -> float:
        """Return the probability of a margin."""
        exponent = -(self.slope * margin + self.offset)
        return 1.0 / (1.0 + math.exp(exponent)) if exponent < 700.0 else 0.0

    def describe(self) -> dict[str, Any]:
        """Return the JSON form that `read_curve` reads."""
        return {"how": "platt", "offset": self.offset.hex(), "slope": self.slope.hex()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Isotonic:
    """A line through points; before the first and after the last it is level.

    Attributes:
        margins: of the points, rising.
        probabilities: of the points, never falling.
    """

    margins: tuple[float, ...]
    probabilities: tuple[float, ...]

    def __call__(self, margin: float) -> float:
        """Return the probability of a margin."""
        after = bisect_right(self.margins, margin)
        if after == 0:
            return self.probabilities[0]
        if after == len(self.margins):
            return self.probabilities[-1]
        left, low = self.margins[after - 1], self.probabilities[after - 1]
        right, high = self.margins[after], self.probabilities[after]
        return low + (high - low) * ((margin - left) / (right - left))

    def describe(self) -> dict[str, Any]:
        """Return the JSON form that `read_curve` reads."""
        points = zip(self.margins, self.probabilities, strict=True)
        return {"how": "isotonic", "points": [[x.hex(), y.hex()] for x, y in points]}


Curve = Platt | Isotonic


def read_curve(described: Any) -> Curve:
    """Return the curve whose `describe` this is.

    Raises `KeyError`, `TypeError` or `ValueError` for one of another shape, or that falls.
    """
    if described["how"] == "platt":
        platt = Platt(
            slope=float.fromhex(described["slope"]), offset=float.fromhex(described["offset"])
        )
        if not (0.0 < platt.slope < math.inf and math.isfinite(platt.offset)):
            raise ValueError(f"a curve that does not rise: {platt}")
        return platt
    if described["how"] != "isotonic":
        raise ValueError(f"a curve of kind {described['how']!r}")
    points = [(float.fromhex(x), float.fromhex(y)) for x, y in described["points"]]
    rising = all(x < u and y <= v for (x, y), (u, v) in pairwise(points))
    within = all(math.isfinite(x) and 0.0 <= y <= 1.0 for x, y in points)
    if not (points and rising and within):
        raise ValueError("an isotonic curve that does not rise from 0 to 1")
    margins, probabilities = zip(*points, strict=True)
    return Isotonic(margins=margins, probabilities=probabilities)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated(Model):
    """A classifier with other probabilities; its margins and features are the model's.

    Attributes:
        model: what gives the margins.
        curve: what makes probabilities of them.
    """

    model: Model
    curve: Curve

    __dagrun_codec__: ClassVar[str] = "dagrun.stages.bundle.codec:MODEL"

    @property
    def features(self) -> tuple[str, ...]:  # type: ignore[override]  # read only, as a field is
        """Names of the feature columns, in order."""
        return self.model.features

    @property
    def task(self) -> Task:
        """`"binary"`: only a classifier is calibrated."""
        return "binary"

    @property
    def members(self) -> Mapping[str, bytes]:
        """The files of the model."""
        return self.model.members

    @property
    def boosted(self) -> Booster | None:
        """The trees of XGBoost in the model, if it has them."""
        return self.model.boosted

    @property
    def digest(self) -> str:
        """Digest of the model and the curve."""
        form = {"curve": self.curve.describe(), "model": self.model.digest}
        return canonical.digest("calibrated", form)

    def describe(self) -> dict[str, Any]:
        """Return the curve, and what the model says of itself."""
        inner = self.model.describe()
        if self.model.boosted is self.model:
            inner = {"kind": "xgboost", "model": inner}
        return {"curve": self.curve.describe(), "kind": "calibrated", "model": inner}

    def facts(self) -> dict[str, Any]:
        """Return what people want to know of it."""
        return {"calibrated": self.curve.describe()["how"], **self.model.facts()}

    def predict_values(self, values: Float32s, *, nthread: int | None = None) -> Prediction:
        """Predict features given as a C-ordered float32 array of shape `(rows, features)`."""
        margins = self.model.predict_values(values, nthread=nthread).margins
        return self.corrected(margins)

    def corrected(self, margins: Float32s) -> Prediction:
        """Return float32 margins with the probabilities of the curve."""
        found = np.fromiter(map(self.curve, margins.tolist()), np.float64, len(margins))
        return Prediction(margins, found.astype(np.float32))

    def after(self, predict: Bound) -> Bound:
        """Return `predict`, which says margin and prediction, with the curve's probability."""
        curve, single = self.curve, ctypes.c_float()

        def calibrated() -> tuple[float, float]:
            margin, _ = predict()
            single.value = curve(margin)
            return margin, single.value

        return calibrated
