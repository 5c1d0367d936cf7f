"""Ops that look up what the training rows say about a key: group_agg and target_mean.

Both freeze a table when fitted; serving is a lookup. Their value column is fit-only: it is not
part of the spec's input schema. Sums are correctly rounded, so no row order shows in them.
"""

# ruff: noqa: D102 - the twins are documented at `Op`

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
import polars as pl

from dagrun.stages.ops.arguments import checked
from dagrun.stages.ops.define import (
    Feature,
    Features,
    Source,
    flatten,
    name_of,
    number,
    only,
    whole,
)
from dagrun.stages.ops.errors import FeatureDefinitionError
from dagrun.stages.ops.groups import Groups
from dagrun.stages.ops.kind import KEY
from dagrun.stages.ops.op import Names, Op
from dagrun.stages.ops.past import past_aggregates, past_smoothed, span_numbers
from dagrun.stages.ops.table import Table, make_table
from dagrun.stages.ops.timing import Scheme, timing
from dagrun.stages.ops.training import Training

MOST_FOLDS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouped(Op):
    """A number per key from a frozen table; a null in the key gives null, an unseen key `other`.

    `other` is None for null.
    """

    takes = (KEY,)
    vouched = (("integer-overflow", "codes of several keys are below the product of their levels"),)
    targets = 1
    table: Table | None = None
    other: float | None = None

    def renewable(self) -> Table | None:
        return self.table

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        assert self.table is not None
        return self.table.batch(x, self.other)

    def row(self, x: Names) -> str:
        assert self.table is not None
        found, other = self.table.row(), "nan" if self.other is None else repr(self.other)
        if len(x) == 1:
            codes = {**found, None: math.nan}
            return f"{x.bind(codes.get, f'{x[0]}_groups')}({x[0]}, {other})"
        key, missing = ", ".join(x), " or ".join(x.null(place) for place in range(len(x)))
        return f"nan if {missing} else {x.bind(found.get, 'groups')}(({key}), {other})"


Statistic = Literal["mean", "median", "min", "max", "count"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupAgg(Grouped):
    """An aggregate of a column's finite values per key over the training rows, frozen.

    Unseen keys, and keys without a finite value, get `default`, which None leaves null.
    Twin: feature-engine `MatchVariables` with a grouped mean, a join with an aggregate in SQL.
    """

    op = "group_agg"
    how: Statistic
    other: float | None

    def fit(self, train: Training) -> Self:
        found = Groups.of(train.columns, train.targets[0])
        if not len(found):
            raise train.error("no training row has both a key and a finite value")
        entries = train.taken(lambda: found.aggregates(self.how))
        settled = {key: train.settled(value, self.how) for key, value in entries.items()}
        return replace(self, table=make_table(settled))

    def past(self, train: Training) -> pl.Series:
        return past_aggregates(train, self.how, self.other)


@checked
def group_agg(
    value: str,
    *,
    by: Source,
    how: Statistic = "mean",
    default: float | None = None,
    training: Scheme = "all",
    as_of: str | None = None,
    name: str | None = None,
) -> Features:
    """Join a frozen aggregate (mean, median, min, max, count) of a column by key.

    `value` is read when fitting only. It cannot be the label, unless `training="past"`:
    `target_mean` aggregates that without leaking each training row's own label.

    `training` says what the training matrix shows: `"all"` the frozen table itself, `"past"` for
    each row the aggregate of the rows known strictly before it, which needs a feature set with a
    `time`. The table is made of rows known by `as_of`, an ISO 8601 moment, or of all.
    """
    when = timing("group_agg", as_of=as_of, scheme=training, allowed=("all", "past"))
    keys = tuple(only(key, "group_agg") for key in flatten([by], "group_agg"))
    other = None if default is None else number("group_agg", "default", default)
    derived = f"{value}_{how}_by_{'_'.join(name_of(key) for key in keys)}"
    op = GroupAgg(how=how, other=other)
    return (Feature(name=name or derived, op=op, inputs=keys, targets=(value,), timing=when),)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetMean(Grouped):
    """(sum of the target + prior * its overall mean) / (rows + prior), per key.

    Training rows get it from the folds they are not in, or from their past; everything else from
    the frozen table of all training rows, and an unseen key the overall mean. Rows without a
    finite target do not count. Formula: the m-estimate of Micci-Barreca, "A preprocessing scheme
    for high-cardinality categorical attributes", 2001. Twin: scikit-learn
    `TargetEncoder(smooth=prior, cv=folds)`, category_encoders `MEstimateEncoder(m=prior)`.
    """

    op = "target_mean"
    label_safe = True
    prior: float
    folds: int

    def fit(self, train: Training) -> Self:
        found = Groups.of(train.columns, train.targets[0])
        if not len(found):
            raise train.error("no training row has both a key and a target")
        overall, sums = train.mean(found.values), train.taken(found.sums)
        entries = {key: self._smooth(*pair, overall) for key, pair in sums.items()}
        return replace(self, table=make_table(entries), other=overall)

    def _smooth(self, total: float, rows: int, overall: float) -> float:
        weight = rows + self.prior
        return (total + self.prior * overall) / weight if weight > 0.0 else overall

    def out_of_fold(self, train: Training) -> pl.Series:
        rows = len(train.targets[0])
        fold = span_numbers(train, self.folds) if train.spans else fold_numbers(rows, self.folds)
        keys = [column.alias(f"k{place}") for place, column in enumerate(train.columns)]
        parts = []
        for place in range(self.folds):
            outside = Training(
                name=train.name,
                columns=tuple(column.filter(fold != place) for column in train.columns),
                targets=(train.targets[0].filter(fold != place),),
            )
            inside = pl.DataFrame(keys).with_row_index("row").filter(fold == place)
            twin = self.fit(outside).batch([pl.col(key.name) for key in keys])
            parts.append(inside.select("row", encoded=twin))
        return pl.concat(parts).sort("row")["encoded"]

    def past(self, train: Training) -> pl.Series:
        return past_smoothed(train, self._smooth)


def fold_numbers(rows: int, folds: int) -> pl.Series:
    """Return a fold for each row: a fixed scramble of its index, so no period can align.

    Knuth's multiplicative hash with 2**64 divided by the golden ratio.
    """
    index = np.arange(rows, dtype=np.uint64)
    scrambled = (index * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)
    return pl.Series(scrambled % np.uint64(folds))


@checked
def target_mean(
    target: str,
    *,
    by: Source,
    prior: float = 20.0,
    folds: int = 5,
    training: Scheme = "folds",
    as_of: str | None = None,
    name: str | None = None,
) -> Features:
    """Replace a key by the target's mean among its training rows, smoothed by `prior` rows.

    In the training matrix of `fit_transform` a row's own label does not leak into its value.
    `training` says where that comes from: `"folds"`, from the folds it is not in, which are
    scattered over the rows; `"spans"`, likewise, but a fold is a span of time, so that what
    happened at about the same time stays out too; `"past"`, from the rows known strictly before
    it. The last two need a feature set with a `time`. `target` is read when fitting only. The
    table is made of rows known by `as_of`, an ISO 8601 moment, or of all.
    """
    when = timing("target_mean", as_of=as_of, scheme=training, allowed=("folds", "spans", "past"))
    weight = number("target_mean", "prior", prior)
    if weight < 0.0:
        raise FeatureDefinitionError("target_mean", f"prior must not be negative, got {prior}")
    whole("target_mean", "folds", folds, 2, MOST_FOLDS)
    keys = tuple(only(key, "target_mean") for key in flatten([by], "target_mean"))
    derived = f"{target}_mean_by_{'_'.join(name_of(key) for key in keys)}"
    op = TargetMean(prior=weight, folds=folds)
    return (Feature(name=name or derived, op=op, inputs=keys, targets=(target,), timing=when),)
