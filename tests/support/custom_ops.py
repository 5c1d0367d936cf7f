"""Ops as a user would write them: one that is right, and some that are not."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import polars as pl

from dagrun.stages.features import Features, Names, Op, Source, Training, each

SLOPE = 2.0


def twice(value: float) -> float:
    return value * SLOPE


@dataclass(frozen=True, slots=True, kw_only=True)
class Capped(Op):
    """Twice the least of x and the cap; null stays null."""

    op = "capped"
    cap: float

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        return pl.when(x[0] > self.cap).then(self.cap).otherwise(x[0]) * SLOPE

    def row(self, x: Names) -> str:
        twin = x.bind(twice, "twice")
        return f"{twin}({self.cap!r} if {x[0]} > {self.cap!r} else {x[0]})"


def capped(*columns: Source, cap: float, name: str | None = None) -> Features:
    return each(Capped(cap=cap), columns, name, "capped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sloppy(Op):
    """Whatever should be refused, in fit and in both twins."""

    op = "sloppy"
    mean: float = 1.0

    def fit(self, train: Training) -> Self:
        random.random()
        return replace(self, mean=sum(train.finite()) + train.columns[0].mean())

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        return (x[0] / 3.0).log(10) - x[0].mean()

    def row(self, x: Names) -> str:
        exp, log = x.bind(np.exp, "exp"), x.bind(math.log10, "log")
        return f"round({exp}({log}({x[0]})), 2) ** 2 + unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched(Op):
    """The whole part of x / 3; the remainder of a finite double is what it is in both."""

    op = "vouched"
    vouched = (("divide-by-literal", "only for this test"),)

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        return x[0] / 3.0

    def row(self, x: Names) -> str:
        return f"{x[0]} / 3.0"


class Undecorated(Op):
    """Not a dataclass."""

    op = "undecorated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken(Op):
    """Named like an op of dagrun."""

    op = "cast"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding(Op):
    """Holds what a document cannot."""

    op = "holding"
    settings: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Undocumented(Op):
    op = "undocumented"
