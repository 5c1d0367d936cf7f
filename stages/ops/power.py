"""The op that makes skewed numbers more symmetric by a fitted power: yeo_johnson.

Guarantee: the fitted power is the same for the same rows in any order and on any number of
threads, since all sums run over the sorted values. The limit: it is found through the host's libm
and rounded to six decimals, which hides an ulp of libm nearly always, not always.
"""

# ruff: noqa: D102 - the twins are documented at `Op`

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import polars as pl

from dagrun.stages.ops.arguments import checked
from dagrun.stages.ops.define import Features, Source, each
from dagrun.stages.ops.op import Names, Op
from dagrun.stages.ops.training import Training

LEAST, MOST = -5.0, 5.0
"""The powers searched, as by `step_YeoJohnson(limits = c(-5, 5))` of R's recipes."""
_DECIMALS = 6
_TINY = 10.0**-_DECIMALS
_TOP = 709.0
"""exp and sinh are finite up to here. Beyond, Python raises where Polars gives infinity."""
_REACH = 700.0
_SMALL = 1e-300
_NARROW = 2.0**-12
_SAMPLE, _AROUND = 4096, 0.05
"""A first search is on about so many of the sorted values, the second this near to its result."""


def stretched(log: pl.Expr, power: float) -> pl.Expr:
    """Return expm1(power * log) / power, or its limit `log` for power 0, where log >= 0.

    By sinh or tanh of half the argument, since Polars has no expm1 and its pow is another
    function than libm's for the exponents 0.5, 2 and 3.
    """
    if power == 0.0:
        return log
    half = log * (0.5 * power)
    if power > 0.0:
        return half.exp() * half.sinh() * (2.0 / power)
    return half.tanh() / (1.0 - half.tanh()) * (2.0 / power)


def stretched_row(log: str, power: float, x: Names) -> str:
    """Return the row twin of `stretched`."""
    if power == 0.0:
        return log
    half, rate = f"(q := {log} * {0.5 * power!r})", 2.0 / power
    if power > 0.0:
        exp, sinh = x.bind(math.exp, "exp"), x.bind(math.sinh, "sinh")
        beyond = f"q * {x.bind(math.inf, 'inf')}"
        return f"({exp}(q) * {sinh}(q) * {rate!r} if {half} <= {_TOP!r} else {beyond})"
    return f"((q := {x.bind(math.tanh, 'tanh')}({half})) / (1.0 - q) * {rate!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class YeoJohnson(Op):
    """((x + 1)**power - 1) / power for x >= 0, -((1 - x)**(2 - power) - 1) / (2 - power) below.

    Their limits are log1p(x) for power 0 and -log1p(-x) for power 2. The power is that of the
    largest likelihood, between -5 and 5; a constant column has power 1, which changes
    nothing, and so has one without a value of 1e-300 or more.
    Source: Yeo and Johnson, "A new family of power transformations", 2000; the likelihood has
    one maximum, found where its slope is zero: Marchand et al., "SecureFedYJ", 2022.
    Twin: scikit-learn `PowerTransformer(method="yeo-johnson", standardize=False)`,
    feature-engine `YeoJohnsonTransformer`.
    """

    op = "yeo_johnson"
    vouched = (("float-sum", "they run over sorted values, in one order on one thread"),)
    power: float = 1.0

    def fit(self, train: Training) -> Self:
        values = pl.Series("x", train.finite()).sort()
        if values[0] == values[-1] or max(-values[0], values[-1]) < _SMALL:
            return self
        return replace(self, power=likeliest_power(values, train))

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        below = -stretched((-x[0]).log1p(), 2.0 - self.power)
        above = stretched(x[0].log1p(), self.power)
        return pl.when(x[0] < 0.0).then(below).otherwise(above)

    def row(self, x: Names) -> str:
        log1p = x.bind(math.log1p, "log1p")
        below = stretched_row(f"{log1p}(-{x[0]})", 2.0 - self.power, x)
        above = stretched_row(f"{log1p}({x[0]})", self.power, x)
        return f"-{below} if {x[0]} < 0.0 else {above}"


def likeliest_power(values: pl.Series, train: Training) -> float:
    """Return the power under which sorted `values` look most normal, rounded to six decimals.

    Raises `CannotFit` when the values are too large, or too close to each other for their size.
    """
    if not _resolved(values):
        raise train.error(
            "its values are so close to each other, for their size, that any power would blur "
            "them; centre them first: yeo_johnson(standardize(...))"
        )
    logs = (-values.filter(values < 0.0)).log1p(), values.filter(values >= 0.0).log1p()
    below, above = (float(side.max() or 0.0) for side in logs)  # type: ignore[arg-type]
    # Beyond these powers the largest values overflow.
    least = max(LEAST, 2.0 - _REACH / below) if below else LEAST
    most = min(MOST, _REACH / above) if above else MOST
    if least > most:
        raise train.error("its values are too large on both sides of 0; use clip first")
    every = max(1, len(values) // _SAMPLE)
    near = _root([log.gather_every(every) for log in logs], least, most)
    ends = max(least, near - _AROUND), min(most, near + _AROUND)
    power = _root(logs, *ends)
    if power in ends and power not in (least, most):
        power = _root(logs, least, most)
    return round(power, _DECIMALS) + 0.0


def _resolved(values: pl.Series) -> bool:
    """Return whether sorted values are far enough apart to be told apart."""
    first, last = values[0], values[-1]
    return bool(last - first > _NARROW * max(abs(first), abs(last)))


def _bent(logs: Sequence[pl.Series], power: float) -> pl.Series:
    """Return the transformed values, negative ones first."""
    low, high = (
        log.to_frame("x").select(stretched(pl.col("x"), rate)).to_series()
        for log, rate in zip(logs, (2.0 - power, power), strict=True)
    )
    return pl.concat([-low, high], rechunk=True)


def _slope(logs: Sequence[pl.Series], power: float) -> float:
    """Return the slope of the log likelihood over the power, divided by the number of values."""
    bent = _bent(logs, power)
    if not _resolved(bent):
        # Rounding blurs the values: back towards power 1, where it does not.
        return 1.0 - power
    turned = pl.concat(
        [
            (log * log * 0.5 if abs(rate) < _TINY else log * side + (log - side) * (1.0 / rate))
            for log, side, rate in (
                (logs[0], -bent[: len(logs[0])], 2.0 - power),
                (logs[1], bent[len(logs[0]) :], power),
            )
        ],
        rechunk=True,
    )
    scale = 1.0 / max(abs(bent[0]), abs(bent[-1]))
    bent, turned = bent * scale, turned * scale
    centred = bent - float(bent.sum()) / len(bent)
    spread = float((centred * centred).sum())
    shift = float(logs[1].sum()) - float(logs[0].sum())
    return shift / len(bent) - float((centred * turned).sum()) / spread


def _root(logs: Sequence[pl.Series], low: float, high: float) -> float:
    """Return the power between `low` and `high` where the slope is 0, else the nearer of them.

    By the Illinois variant of false position: Dowell and Jarratt, 1971.
    """
    at_low, at_high = _slope(logs, low), _slope(logs, high)
    if at_low <= 0.0:
        return low
    if at_high >= 0.0:
        return high
    guess, side = low, 0
    for _ in range(200):
        previous, guess = guess, (low * at_high - high * at_low) / (at_high - at_low)
        found = _slope(logs, round(guess, 9))
        if found == 0.0 or abs(guess - previous) < _TINY * 0.01:
            break
        if found > 0.0:
            low, at_low, at_high = guess, found, at_high * (0.5 if side > 0 else 1.0)
            side = 1
        else:
            high, at_high, at_low = guess, found, at_low * (0.5 if side < 0 else 1.0)
            side = -1
    return guess


@checked
def yeo_johnson(*columns: Source, name: str | None = None) -> Features:
    """Make skewed numbers of either sign more symmetric, by a power fitted to the rows."""
    return each(YeoJohnson(), columns, name, "yeo_johnson")
