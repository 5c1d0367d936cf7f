"""Ops on categories (string, int64, bool or date): one_hot, ordinal, frequency, cross.

Categories come from the training rows in sorted order, and are compared exactly, code point by
code point. Null is no category.
"""

# ruff: noqa: D102 - the twins are documented at `Op`

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import polars as pl

from dagrun.stages.ops.arguments import checked
from dagrun.stages.ops.define import Feature, Features, Source, each, name_of, only
from dagrun.stages.ops.errors import FeatureDefinitionError
from dagrun.stages.ops.kind import KEY, Kind
from dagrun.stages.ops.op import Names, Op, indicator
from dagrun.stages.ops.past import past_shares
from dagrun.stages.ops.table import Scalar, Table, make_table, places
from dagrun.stages.ops.timing import Scheme, timing
from dagrun.stages.ops.training import Training

MOST_COLUMNS = 10_000
"""The most categories that one_hot turns into columns."""
_MOST_CODES = 2**24
MOST_COMPARED = 16
"""Strings that a batch is compared with one by one; numbering more of them first is faster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OneHot(Op):
    """One 0/1 column per category; all 0 for null, unseen and rare values.

    A category is rare when its share of the non-null training rows is below `rare_below`.
    Twin: scikit-learn `OneHotEncoder(handle_unknown="ignore", min_frequency=...)`, whose
    infrequent column is dropped here.
    """

    op = "one_hot"
    takes = (KEY,)
    integer = True
    several = True
    rare_below: float
    first: int
    categories: tuple[Scalar, ...] = ()

    def fit(self, train: Training) -> Self:
        counts = train.counts()
        least = self.rare_below * counts.total()
        kept = sorted(value for value, count in counts.items() if count >= least)[self.first :]
        if not 0 < len(kept) <= MOST_COLUMNS:
            raise train.error(
                f"{len(kept)} of {len(counts)} categories would be columns; 1 to {MOST_COLUMNS} "
                "can be. Change rare_below, or use ordinal, frequency or target_mean",
            )
        return replace(self, categories=tuple(kept))

    def parts(self) -> tuple[str, ...]:
        # XGBoost refuses these characters in feature names.
        return tuple(re.sub(r"[\[\]<]", "_", str(value)) for value in self.categories)

    def batch(self, x: Sequence[pl.Expr]) -> list[pl.Expr]:
        if len(self.categories) <= MOST_COMPARED or not isinstance(self.categories[0], str):
            return [indicator(x[0] == value) for value in self.categories]
        place = places(x[0], self.categories)
        return [indicator(place == number) for number in range(len(self.categories))]

    def row(self, x: Names) -> str:
        count = len(self.categories)
        units = {
            value: (0.0,) * place + (1.0,) + (0.0,) * (count - place - 1)
            for place, value in enumerate(self.categories)
        }
        return f"{x.bind(units.get, f'{x[0]}_units')}({x[0]}, {x.bind((0.0,) * count, 'zeros')})"


@checked
def one_hot(
    *columns: Source,
    rare_below: float = 0.0,
    drop_first: bool = False,
    name: str | None = None,
) -> Features:
    """Make a 0/1 column per category, named `column=category`; unseen ones are all zeros."""
    if not 0.0 <= rare_below < 1.0:
        raise FeatureDefinitionError("one_hot", f"rare_below is in [0, 1), got {rare_below!r}")
    op = OneHot(rare_below=float(rare_below), first=int(drop_first))
    return each(op, columns, name or "{}", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Coded(Op):
    """A number per category from a frozen table, `unseen` for others."""

    takes = (KEY,)
    table: Table | None = None

    def unseen(self) -> float:
        """Return the value for categories that the training rows lack."""
        raise NotImplementedError

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        assert self.table is not None
        return self.table.batch(x, self.unseen(), pl.Int32() if self.integer else pl.Float64())

    def row(self, x: Names) -> str:
        assert self.table is not None
        codes = {**self.table.row(), None: math.nan}
        return f"{x.bind(codes.get, f'{x[0]}_codes')}({x[0]}, {self.unseen()!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordinal(Coded):
    """The category's place in sorted order, from 0; -1 for unseen categories.

    Twin: scikit-learn `OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)`.
    """

    op = "ordinal"
    integer = True

    def unseen(self) -> float:
        return -1.0

    def fit(self, train: Training) -> Self:
        values = sorted(train.counts())
        if len(values) > _MOST_CODES:
            raise train.error(f"{len(values)} categories exceed what float32 can tell apart")
        entries: dict[tuple[Scalar, ...], float] = {
            (value,): float(place) for place, value in enumerate(values)
        }
        return replace(self, table=make_table(entries))


@checked
def ordinal(*columns: Source, name: str | None = None) -> Features:
    """Number the categories in sorted order; unseen ones are -1."""
    return each(Ordinal(), columns, name, "ordinal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Frequency(Coded):
    """The category's share of the non-null training rows; 0 for unseen categories.

    Twin: feature-engine `CountFrequencyEncoder(encoding_method="frequency", unseen="encode")`.
    """

    op = "frequency"

    def renewable(self) -> Table | None:
        return self.table

    def unseen(self) -> float:
        return 0.0

    def fit(self, train: Training) -> Self:
        counts = train.counts()
        rows = counts.total()
        return replace(
            self, table=make_table({(value,): count / rows for value, count in counts.items()})
        )

    def past(self, train: Training) -> pl.Series:
        return past_shares(train)


@checked
def frequency(
    *columns: Source,
    training: Scheme = "all",
    as_of: str | None = None,
    name: str | None = None,
) -> Features:
    """Replace a category by its share of the training rows.

    `training` says what the training matrix shows: `"all"` the frozen table itself, `"past"` for
    each row the share among the rows strictly before it, which needs a feature set with a `time`.
    The table is made of rows known by `as_of`, an ISO 8601 moment, or of all.
    """
    when = timing("frequency", as_of=as_of, scheme=training, allowed=("all", "past"))
    made = each(Frequency(), columns, name, "frequency")
    return tuple(replace(one, timing=when) for one in made)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cross(Op):
    """Two or more categories as one string, joined by U+001F; null where one of them is null.

    Twin: `tf.feature_column.crossed_column` before hashing, `tft.sparse_tensor_to...` crosses.
    """

    op = "cross"
    takes = (frozenset[Kind](("string", "int64")),)
    gives = "string"

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        return pl.concat_str([one.cast(pl.String) for one in x], separator="\x1f")

    def row(self, x: Names) -> str:
        missing = " or ".join(x.null(place) for place in range(len(x)))
        joined = "\\x1f".join(f"{{{one}}}" for one in x)
        return f"None if {missing} else f'{joined}'"


@checked
def cross(*columns: Source, name: str | None = None) -> Features:
    """Join categories into one, to be read by one_hot, ordinal, frequency or a group op."""
    inputs = tuple(only(column, "cross") for column in columns)
    if len(inputs) < 2:
        raise FeatureDefinitionError("cross", "takes two or more columns")
    derived = "_x_".join(name_of(one) for one in inputs)
    return (Feature(name=name or derived, op=Cross(), inputs=inputs),)
