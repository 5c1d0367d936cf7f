"""Ops on single numbers: cast, affine, clip, logarithms, interactions and ratios."""

# ruff: noqa: D102 - the twins are documented at `Op`

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from dagrun.stages.ops.arguments import checked
from dagrun.stages.ops.define import Feature, Features, Source, each, name_of, number, only
from dagrun.stages.ops.errors import FeatureDefinitionError
from dagrun.stages.ops.kind import NUMBER, Kind
from dagrun.stages.ops.op import Names, Op


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast(Op):
    """The number itself as a double; bool as 0 and 1; int64 rounded to the nearest double.

    Twin: `tf.cast`, a column selected unchanged in scikit-learn's `ColumnTransformer`.
    """

    op = "cast"
    takes = (frozenset[Kind](("double", "int64", "bool")),)

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        return x[0].cast(pl.Float64)

    def row(self, x: Names) -> str:
        if x.kind(0) == "double":
            return x[0]
        return f"nan if {x[0]} is None else {x.bind(float, 'float')}({x[0]})"


@checked
def cast(*columns: Source, name: str | None = None) -> Features:
    """Take numbers as they are (double, int64 or bool), under their own names."""
    return each(Cast(), columns, name or "{}", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Affine(Op):
    """x * factor + offset, each operation rounded to a double.

    Twin: scikit-learn `FunctionTransformer`, `tft.scale_by...` with given numbers.
    """

    op = "affine"
    factor: float
    offset: float

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        scaled = x[0] * self.factor
        # Polars may skip adding 0.0, which would turn -0.0 into 0.0: so it is never added.
        return scaled + self.offset if self.offset else scaled

    def row(self, x: Names) -> str:
        return f"{x[0]} * {self.factor!r}" + (f" + {self.offset!r}" if self.offset else "")


@checked
def affine(
    *columns: Source, factor: float = 1.0, offset: float = 0.0, name: str | None = None
) -> Features:
    """x * factor + offset: unit changes, ages (`factor=-1, offset=2026`), shares."""
    op = Affine(
        factor=number("affine", "factor", factor), offset=number("affine", "offset", offset)
    )
    if op.factor == 0.0:
        raise FeatureDefinitionError("affine", "factor 0 would make a constant")
    return each(op, columns, name, "affine")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip(Op):
    """x held within [low, high].

    Twin: `numpy.clip`, feature-engine `ArbitraryOutlierCapper`.
    """

    op = "clip"
    low: float | None
    high: float | None

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        return clipped(x[0], self.low, self.high)

    def row(self, x: Names) -> str:
        return clipped_row(x[0], self.low, self.high)


def clipped(x: pl.Expr, low: float | None, high: float | None) -> pl.Expr:
    """Return the batch twin of clipping, by comparisons, so that signed zeros stay as they are."""
    if low is not None:
        x = pl.when(x < low).then(low).otherwise(x)
    return x if high is None else pl.when(x > high).then(high).otherwise(x)


def clipped_row(x: str, low: float | None, high: float | None) -> str:
    """Return the row twin of `clipped`."""
    below = "" if low is None else f"{low!r} if {x} < {low!r} else "
    above = "" if high is None else f"{high!r} if {x} > {high!r} else "
    return f"{below}{above}{x}"


@checked
def clip(
    *columns: Source,
    low: float | None = None,
    high: float | None = None,
    name: str | None = None,
) -> Features:
    """Hold numbers within fixed bounds; either may be left out."""
    floor = None if low is None else number("clip", "low", low)
    ceiling = None if high is None else number("clip", "high", high)
    if floor is None and ceiling is None:
        raise FeatureDefinitionError("clip", "give low, high or both")
    if floor is not None and ceiling is not None and floor > ceiling:
        raise FeatureDefinitionError("clip", f"low {floor} is above high {ceiling}")
    return each(Clip(low=floor, high=ceiling), columns, name, "clipped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Log1p(Op):
    """log(1 + x); null where x <= -1.

    Twin: `numpy.log1p`, `tft.log1p`, feature-engine `LogCpTransformer(C=1)`.
    """

    op = "log1p"

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        return pl.when(x[0] > -1.0).then(x[0].log1p())

    def row(self, x: Names) -> str:
        return f"{x.bind(math.log1p, 'log1p')}({x[0]}) if {x[0]} > -1.0 else nan"


@checked
def log1p(*columns: Source, name: str | None = None) -> Features:
    """log(1 + x), for skewed counts and amounts."""
    return each(Log1p(), columns, name, "log1p")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedLog(Op):
    """sign(x) * log(1 + |x|).

    Twin: the symmetric log of Webber, "A bi-symmetric log transformation", 2012, with C = 1.
    """

    op = "signed_log"

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        below = -((-x[0]).log1p())
        return pl.when(x[0] < 0.0).then(below).otherwise(x[0].log1p())

    def row(self, x: Names) -> str:
        log = x.bind(math.log1p, "log1p")
        return f"-{log}(-{x[0]}) if {x[0]} < 0.0 else {log}({x[0]})"


@checked
def signed_log(*columns: Source, name: str | None = None) -> Features:
    """sign(x) * log(1 + |x|), for skewed numbers of both signs."""
    return each(SignedLog(), columns, name, "signed_log")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio(Op):
    """a / b; null where b is 0 or the quotient is undefined (inf / inf).

    Twin: feature-engine `RelativeFeatures(func=["div"])`.
    """

    op = "ratio"
    takes = (NUMBER, NUMBER)

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        return pl.when(x[1] != 0.0).then(x[0] / x[1]).fill_nan(None)

    def row(self, x: Names) -> str:
        return f"q if {x[1]} != 0.0 and (q := {x[0]} / {x[1]}) == q else nan"


@checked
def ratio(numerator: Source, denominator: Source, *, name: str | None = None) -> Features:
    """numerator / denominator, null where the denominator is 0."""
    pair = (only(numerator, "ratio"), only(denominator, "ratio"))
    derived = f"{name_of(pair[0])}_per_{name_of(pair[1])}"
    return (Feature(name=name or derived, op=Ratio(), inputs=pair),)


How = Literal["sum", "difference", "product"]
_SIGNS = {"sum": "+", "difference": "-", "product": "*"}
_WORDS = {"sum": "plus", "difference": "minus", "product": "times"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Interact(Op):
    """a + b, a - b or a * b; null where undefined (inf - inf, 0 * inf).

    Twin: scikit-learn `PolynomialFeatures(interaction_only=True)`, feature-engine
    `MathFeatures` and `RelativeFeatures`.
    """

    op = "interact"
    takes = (NUMBER, NUMBER)
    how: How

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        a, b = x
        results = {"sum": a + b, "difference": a - b, "product": a * b}
        return results[self.how].fill_nan(None)

    def row(self, x: Names) -> str:
        return f"q if (q := {x[0]} {_SIGNS[self.how]} {x[1]}) == q else nan"


@checked
def interact(
    left: Source, right: Source, *, how: How = "product", name: str | None = None
) -> Features:
    """Combine two numbers by product, sum or difference."""
    pair = (only(left, "interact"), only(right, "interact"))
    derived = f"{name_of(pair[0])}_{_WORDS[how]}_{name_of(pair[1])}"
    return (Feature(name=name or derived, op=Interact(how=how), inputs=pair),)
