"""Steps: ops in a fixed order over numbered values, and how the batch twins of all are run.

Values are numbered: the inputs first, then one per step. A step reads earlier numbers only. The
work frame has a column `v<number>` per value, or `v<number>.<part>` for a step with parts.
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

    `targets` are the fit-only columns that it was fitted on, for fitting it again.
    """

    name: str
    op: Op
    reads: tuple[int, ...]
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One feature: its name, the value (and its part) that it shows, and its dtype."""

    name: str
    value: int
    part: int | None = None
    integer: bool = False

    def expression(self) -> pl.Expr:
        """Return the feature's column, rounded to its output dtype."""
        dtype = pl.Int32 if self.integer else pl.Float32
        return pl.col(column_name(self.value, self.part)).cast(dtype).alias(self.name)


def column_name(value: int, part: int | None = None) -> str:
    """Return the work frame's column of a value."""
    return f"v{value}" if part is None else f"v{value}.{part}"


def kinds_of(inputs: Sequence[Kind], steps: Sequence[Step]) -> list[Kind]:
    """Return the kind of every value."""
    kinds = list(inputs)
    for step in steps:
        kinds.append(step.op.result([kinds[place] for place in step.reads]))
    return kinds


def expressions(step: Step, value: int) -> list[pl.Expr]:
    """Return the batch twin of a step as columns of the work frame."""
    made = step.op.batch([pl.col(column_name(place)) for place in step.reads])
    if isinstance(made, pl.Expr):
        return [made.alias(column_name(value))]
    return [one.alias(column_name(value, part)) for part, one in enumerate(made)]


def layers(steps: Sequence[Step], inputs: int) -> list[list[pl.Expr]]:
    """Return all batch twins, grouped so that a group reads only inputs and earlier groups."""
    depth = [0] * inputs
    made: dict[int, list[pl.Expr]] = {}
    for value, step in enumerate(steps, start=inputs):
        depth.append(1 + max(depth[place] for place in step.reads))
        made.setdefault(depth[-1], []).extend(expressions(step, value))
    return [made[layer] for layer in sorted(made)]


def run_layers(made: Sequence[Sequence[pl.Expr]], inputs: Sequence[pl.Series]) -> pl.LazyFrame:
    """Return the lazy work frame of all values over admitted input columns."""
    frame = work_frame(inputs).lazy()
    for layer in made:
        frame = frame.with_columns(layer)
    return frame


def work_frame(inputs: Sequence[pl.Series]) -> pl.DataFrame:
    """Return the work frame that holds only the input values."""
    return pl.DataFrame([series.alias(column_name(i)) for i, series in enumerate(inputs)])
