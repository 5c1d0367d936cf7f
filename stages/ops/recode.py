"""Ops that replace declared or rare values: null_if, map_values and rare_group.

Values are compared exactly: strings code point by code point, doubles as numbers.
"""

# ruff: noqa: D102 - the twins are documented at `Op`

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import polars as pl

from dagrun.stages.ops.arguments import checked
from dagrun.stages.ops.define import Features, Source, each, number
from dagrun.stages.ops.errors import FeatureDefinitionError
from dagrun.stages.ops.kind import NAN_IS_NULL, TEXT, Kind
from dagrun.stages.ops.op import Names, Op
from dagrun.stages.ops.training import Training

_LIMIT = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class NullIf(Op):
    """Null where x is one of `values`, else x. Nothing is fitted.

    For sentinels such as -999 or "n/a"; NaN needs none, being null at the door.
    Twin: SQL `NULLIF`, dplyr `na_if`, pandas `read_csv(na_values=...)`, scikit-learn
    `SimpleImputer(missing_values=-999)`.
    """

    op = "null_if"
    takes = (frozenset[Kind](("double", "int64", "string")),)
    values: tuple[float | str, ...]

    def result(self, kinds: Sequence[Kind]) -> Kind:
        return kinds[0]

    def settle(self, name: str, kinds: Sequence[Kind]) -> Self:
        texts = {isinstance(value, str) for value in self.values}
        if texts != {kinds[0] == "string"}:
            words = "strings" if kinds[0] == "string" else "numbers"
            raise FeatureDefinitionError(
                name, f"its column is {kinds[0]}, so values must be {words}: {list(self.values)}"
            )
        if kinds[0] == "string":
            return self
        to, fits = (int, _whole) if kinds[0] == "int64" else (float, _exact)
        if odd := [value for value in self.values if not fits(value)]:
            raise FeatureDefinitionError(name, f"an {kinds[0]} column never holds {odd}")
        return replace(self, values=tuple(to(value) for value in self.values))

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        return pl.when(*(x[0] != value for value in self.values)).then(x[0])

    def row(self, x: Names) -> str:
        null = "nan" if x.kind(0) in NAN_IS_NULL else "None"
        return f"{null} if {x[0]} in {x.bind(frozenset(self.values), 'sentinels')} else {x[0]}"


def _whole(value: float | str) -> bool:
    return not isinstance(value, str) and value % 1 == 0 and -_LIMIT <= value < _LIMIT


def _exact(value: float | str) -> bool:
    return not isinstance(value, str) and abs(value) < _LIMIT and float(value) == value


@checked
def null_if(
    *columns: Source, values: float | str | Sequence[float | str], name: str | None = None
) -> Features:
    """Turn sentinels into null: `null_if("age", values=-999)`, `values=("", "n/a")`."""
    given = [values] if isinstance(values, str | int | float) else list(values)
    if not given:
        raise FeatureDefinitionError("null_if", "give at least one value")
    made: list[float | str] = []
    for value in given:
        exact = isinstance(value, int) and not isinstance(value, bool)
        made.append(
            value if isinstance(value, str) or exact else number("null_if", "a value", value)
        )
    return each(NullIf(values=tuple(dict.fromkeys(made))), columns, name, "known")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped(Op):
    """The new value for each old one; null stays null. Nothing is fitted."""

    takes = (TEXT,)
    old: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MapText(Mapped):
    """Strings for strings; others stay as they are where `keep`, else become null.

    Twin: pandas `Series.replace(dict)`, Polars `Expr.replace`, dplyr `recode`.
    """

    op = "map_text"
    gives = "string"
    new: tuple[str | None, ...]
    keep: bool

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        return x[0].replace_strict(
            pl.Series(self.old, dtype=pl.String),
            pl.Series(self.new, dtype=pl.String),
            default=x[0] if self.keep else pl.lit(None, pl.String),
            return_dtype=pl.String,
        )

    def row(self, x: Names) -> str:
        table = dict(zip(self.old, self.new, strict=True))
        return f"{x.bind(table.get, f'{x[0]}_map')}({x[0]}{f', {x[0]}' if self.keep else ''})"


@dataclass(frozen=True, slots=True, kw_only=True)
class MapNumber(Mapped):
    """Numbers for strings, the others null.

    Twin: pandas `Series.map(dict)`, category_encoders `OrdinalEncoder(mapping=...)`.
    """

    op = "map_number"
    new: tuple[float, ...]

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        return x[0].replace_strict(
            pl.Series(self.old, dtype=pl.String),
            pl.Series(self.new, dtype=pl.Float64),
            default=pl.lit(None, pl.Float64),
            return_dtype=pl.Float64,
        )

    def row(self, x: Names) -> str:
        table = dict(zip(self.old, self.new, strict=True))
        return f"{x.bind(table.get, f'{x[0]}_map')}({x[0]}, nan)"


@checked
def map_values(
    *columns: Source,
    values: Mapping[str, str | None] | Mapping[str, float],
    others: Literal["keep", "null"] | None = None,
    name: str | None = None,
) -> Features:
    """Replace strings by a table of yours: spellings by one (`{"N.Y.": "NY"}`), grades by numbers.

    All new values are strings (or None for null), or all are numbers. Strings that the table
    lacks are kept where it gives strings and null where it gives numbers, which `others` can
    turn to "null" for strings.
    """
    old, new = tuple(values), tuple(values.values())
    if not old:
        raise FeatureDefinitionError("map_values", "give a table from strings to new values")
    if all(value is None or isinstance(value, str) for value in new):
        text = MapText(old=old, new=new, keep=others != "null")  # type: ignore[arg-type]
        return each(text, columns, name, "mapped")
    if others not in ("null", None):
        raise FeatureDefinitionError("map_values", "a string cannot be kept among numbers")
    numbers = tuple(number("map_values", "a new value", value) for value in new)  # type: ignore[arg-type]
    return each(MapNumber(old=old, new=numbers), columns, name, "mapped")


@dataclass(frozen=True, slots=True, kw_only=True)
class RareGroup(Op):
    """The category, or `other` where the training rows hold it rarely or never.

    Rare is a share of the non-null training rows below `rare_below` when that is below 1, a
    number of rows below it otherwise. Null stays null. Twin: feature-engine `RareLabelEncoder`,
    scikit-learn `OneHotEncoder(min_frequency=...)`.
    """

    op = "rare_group"
    takes = (TEXT,)
    gives = "string"
    rare_below: float
    other: str
    kept: tuple[str, ...] = ()

    def fit(self, train: Training) -> Self:
        counts = train.counts()
        share = counts.total() if self.rare_below < 1.0 else 1
        least = self.rare_below * share
        kept = sorted(str(value) for value, count in counts.items() if count >= least)
        if not kept:
            raise train.error(
                f"all {len(counts)} categories are rare, so all would be {self.other!r}; "
                "lower rare_below"
            )
        return replace(self, kept=tuple(kept))

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        known = x[0].is_in(pl.Series(self.kept, dtype=pl.String).implode())
        return pl.when(known | x[0].is_null()).then(x[0]).otherwise(pl.lit(self.other))

    def row(self, x: Names) -> str:
        kept = x.bind({value: value for value in self.kept}.get, f"{x[0]}_kept")
        return f"None if {x[0]} is None else {kept}({x[0]}, {self.other!r})"


@checked
def rare_group(
    *columns: Source, rare_below: float = 0.01, other: str = "other", name: str | None = None
) -> Features:
    """Group rare and unseen categories: below a share (`0.01`) or a number of rows (`20`)."""
    least = number("rare_group", "rare_below", rare_below)
    if not (0.0 < least < 1.0 or (least >= 1.0 and least % 1.0 == 0.0)):
        raise FeatureDefinitionError(
            "rare_group", f"rare_below is a share in (0, 1) or a number of rows, got {rare_below!r}"
        )
    return each(RareGroup(rare_below=least, other=other), columns, name, "grouped")
