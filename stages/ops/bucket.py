"""Ops that turn a number into the index of its bucket: bucket_fixed and bucket_quantile.

The index is the number of edges at or below x, as by `numpy.digitize(x, edges)`.
"""

# ruff: noqa: D102 - the twins are documented at `Op`

from __future__ import annotations

import operator
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Self

import polars as pl

from dagrun.stages.ops.arguments import checked
from dagrun.stages.ops.define import Features, Source, each, number, whole
from dagrun.stages.ops.errors import FeatureDefinitionError
from dagrun.stages.ops.op import Names, Op
from dagrun.stages.ops.training import Training

MOST_COMPARED = 32
"""Edges that a batch is compared with one by one; searching among more is faster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucketed(Op):
    """The number of `edges` (ascending) at or below x."""

    integer = True
    edges: tuple[float, ...] = ()

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        known = pl.when(x[0].is_not_null())
        if len(self.edges) > MOST_COMPARED:
            edges = pl.lit(pl.Series(self.edges, dtype=pl.Float64))
            return known.then(edges.search_sorted(x[0], side="right")).cast(pl.Int32)
        one, zero = pl.lit(1, pl.Int8), pl.lit(0, pl.Int8)
        reached = (pl.when(x[0] >= edge).then(one).otherwise(zero) for edge in self.edges)
        return known.then(reduce(operator.add, reached, zero)).cast(pl.Int32)

    def row(self, x: Names) -> str:
        bisect, edges = x.bind(bisect_right, "bisect"), x.bind(self.edges, "edges")
        places = x.bind(tuple(map(float, range(len(self.edges) + 1))), "places")
        return f"{places}[{bisect}({edges}, {x[0]})] if {x[0]} == {x[0]} else nan"


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketFixed(Bucketed):
    """The bucket between given edges.

    Twin: `numpy.digitize`, `tft.apply_buckets`, feature-engine `ArbitraryDiscretiser`.
    """

    op = "bucket_fixed"


@checked
def bucket_fixed(*columns: Source, edges: Sequence[float], name: str | None = None) -> Features:
    """Number the buckets between ascending `edges`: 0 below the first, len(edges) at the end."""
    made = tuple(number("bucket_fixed", "an edge", edge) for edge in edges)
    if not made or list(made) != sorted(set(made)):
        raise FeatureDefinitionError("bucket_fixed", f"edges must ascend, got {list(edges)}")
    return each(BucketFixed(edges=made), columns, name, "bucket")


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketQuantile(Bucketed):
    """The bucket between inner quantiles of the training rows; equal edges are one edge.

    Twin: scikit-learn `KBinsDiscretizer(strategy="quantile")`, `tft.bucketize`, feature-engine
    `EqualFrequencyDiscretiser`. Quantiles by linear interpolation.
    """

    op = "bucket_quantile"
    buckets: int

    def fit(self, train: Training) -> Self:
        shares = [place / self.buckets for place in range(1, self.buckets)]
        edges = {train.quantile(share) for share in shares}
        return replace(self, edges=tuple(sorted(edges)))


@checked
def bucket_quantile(*columns: Source, buckets: int = 10, name: str | None = None) -> Features:
    """Number `buckets` buckets that hold about equally many training rows."""
    whole("bucket_quantile", "buckets", buckets, 2, 10_000)
    return each(BucketQuantile(buckets=buckets), columns, name, "bucket")
