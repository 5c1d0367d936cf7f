"""What ops share that read a value out of a string: what does not read is null, and counted.

Guarantee: what reads is decided by one written grammar per op, a regular expression of explicit
ASCII classes, which Python's `re` and Polars match alike. Neither Python's nor Polars' own idea
of a number or date enters: they differ on " 1.5", "1_000" and full-width digits.
"""

# ruff: noqa: D102 - the twins are documented at `Op`

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import polars as pl

from dagrun.stages.ops.kind import TEXT
from dagrun.stages.ops.op import Names, Op
from dagrun.stages.ops.training import Training


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed(Op):
    """A value read from a string; null stays null, and what does not read becomes null.

    Attributes:
        what: the word for such a string, in errors.
        strict: fitting refuses training rows with a string that does not read.
        unparsed: the training rows whose string did not read.
    """

    what: ClassVar[str]
    takes = (TEXT,)
    vouched: ClassVar[tuple[tuple[str, str], ...]] = (
        ("regex", "$ is the end, since the row twin matches whole strings only"),
        ("text-to-number", "of ASCII digits that the grammar has matched"),
    )
    strict: bool
    unparsed: int = 0

    def fit(self, train: Training) -> Self:
        texts = train.columns[0].drop_nulls()
        twin = self.batch([pl.col("text")])
        assert isinstance(twin, pl.Expr)
        failed = texts.filter(texts.to_frame("text").select(twin).to_series().is_null())
        if len(failed) and (self.strict or len(failed) == len(texts)):
            shown = ", ".join(repr(text) for text in failed.unique().sort()[:3].to_list())
            raise train.error(
                f"{len(failed):,} of {len(texts):,} strings do not read as {self.what}, such as "
                f"{shown}. Change its settings, turn sentinels into null by null_if"
                + (", or let strings be null that do not read: strict=False" if self.strict else "")
            )
        return replace(self, unparsed=len(failed))

    def reader(self) -> Callable[[str], object]:
        """Return the function by which the row twin reads a string; None or nan for null."""
        raise NotImplementedError

    def row(self, x: Names) -> str:
        null = "nan" if self.gives == "double" else "None"
        return f"{null} if {x[0]} is None else {x.bind(self.reader(), self.op)}({x[0]})"
