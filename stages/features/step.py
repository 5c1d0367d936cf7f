"""Steps: ops in a fixed order over numbered values, and the outputs that show them.

Values are numbered: the inputs first, then one per step. A step reads earlier numbers only. A
frame of values has a column `v<number>` per value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from dagrun.stages.ops.kind import Kind
from dagrun.stages.ops.op import Op


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One fitted op; `name` is for readers, `reads` are value numbers.

    `targets` are the fit-only columns that it was fitted on, for fitting it again. `as_of` is the
    last moment at which one of the rows that it was fitted on became known (ISO 8601), or None when
    there is no fit or the rows had no time.
    """

    name: str
    op: Op
    reads: tuple[int, ...]
    targets: tuple[str, ...] = ()
    as_of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One feature: its name, the value (and its part) that it shows, and its dtype.

    `available_since` is the moment (ISO 8601) before which training rows had none, if declared.
    """

    name: str
    value: int
    part: int | None = None
    integer: bool = False
    available_since: str | None = None

    def expression(self, value: pl.Expr) -> pl.Expr:
        """Return the feature's column, rounded to its output dtype."""
        return value.cast(pl.Int32 if self.integer else pl.Float32).alias(self.name)


def column_name(value: int) -> str:
    """Return the column of a value in a frame of values."""
    return f"v{value}"


def kinds_of(inputs: Sequence[Kind], steps: Sequence[Step]) -> list[Kind]:
    """Return the kind of every value."""
    kinds = list(inputs)
    for step in steps:
        kinds.append(step.op.result([kinds[place] for place in step.reads]))
    return kinds
