"""An op without a row twin, so that its spec falls back to Polars for single rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from dagrun.stages.features import TEXT, Op


@dataclass(frozen=True, slots=True, kw_only=True)
class Lower(Op):
    """The text in lower case. Null stays null."""

    op = "lower"
    takes = (TEXT,)
    gives = "string"
    row_exact = False
    vouched = (("case-folding", "there is no row twin that it could differ from"),)

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        return x[0].str.to_lowercase()
