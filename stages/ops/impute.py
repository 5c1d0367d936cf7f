"""Ops for missing values: impute_const, impute_stat and missing_flag."""

# ruff: noqa: D102 - the twins are documented at `Op`

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import polars as pl

from dagrun.stages.ops.arguments import checked
from dagrun.stages.ops.define import Features, Source, each, number
from dagrun.stages.ops.errors import FeatureDefinitionError
from dagrun.stages.ops.kind import ANY, NUMBER, TEXT, Kind
from dagrun.stages.ops.op import Names, Op, indicator
from dagrun.stages.ops.training import Training


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled(Op):
    """Null becomes the value; everything else stays."""

    value: float | str | None = None

    def result(self, kinds: Sequence[Kind]) -> Kind:
        return kinds[0]

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        return x[0].fill_null(pl.lit(self.value))

    def row(self, x: Names) -> str:
        return f"{self.value!r} if {x.null(0)} else {x[0]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImputeNumber(Filled):
    """Null becomes a given number. Twin: scikit-learn `SimpleImputer(strategy="constant")`."""

    op = "impute_number"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImputeText(Filled):
    """Null becomes a given string. Twin: feature-engine `CategoricalImputer`."""

    op = "impute_text"
    takes = (TEXT,)


@checked
def impute_const(*columns: Source, value: float | str, name: str | None = None) -> Features:
    """Replace null by a constant: a number in number columns, a string in string columns."""
    if isinstance(value, str):
        return each(ImputeText(value=value), columns, name, "imputed")
    return each(
        ImputeNumber(value=number("impute_const", "value", value)), columns, name, "imputed"
    )


Stat = Literal["mean", "median", "mode"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImputeStat(Filled):
    """Null becomes the training rows' mean, median or mode (the smallest of several modes).

    Twin: scikit-learn `SimpleImputer(strategy="mean" | "median" | "most_frequent")`. Numbers
    that are not finite are left out of the fit; strings have a mode only.
    """

    op = "impute_stat"
    takes = (NUMBER | TEXT,)
    stat: Stat

    def settle(self, name: str, kinds: Sequence[Kind]) -> Self:
        if kinds[0] == "string" and self.stat != "mode":
            raise FeatureDefinitionError(name, f"strings have no {self.stat}; use stat='mode'")
        return self

    def fit(self, train: Training) -> Self:
        if self.stat == "median":
            return replace(self, value=train.quantile(0.5))
        if self.stat == "mean":
            return replace(self, value=train.average())
        if train.columns[0].dtype != pl.String:
            return replace(self, value=train.sample.mode)
        counts = train.counts()
        most = max(counts.values())
        return replace(self, value=min(str(v) for v, rows in counts.items() if rows == most))


@checked
def impute_stat(*columns: Source, stat: Stat = "median", name: str | None = None) -> Features:
    """Replace null by the training rows' mean, median or mode."""
    return each(ImputeStat(stat=stat), columns, name, "imputed")


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingFlag(Op):
    """1 where the value is null, else 0; never null itself.

    Twin: scikit-learn `MissingIndicator`, feature-engine `AddMissingIndicator`.
    """

    op = "missing_flag"
    takes = (ANY,)
    integer = True

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        return indicator(x[0].is_null())

    def row(self, x: Names) -> str:
        return f"1.0 if {x.null(0)} else 0.0"


@checked
def missing_flag(*columns: Source, name: str | None = None) -> Features:
    """Say whether a value is missing."""
    return each(MissingFlag(), columns, name, "missing")
