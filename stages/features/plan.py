"""The batch twin of many steps as one lazy plan.

A value that is read once is written into its reader's expression, so it never becomes a column;
one that is read more often is a column, computed once, in a layer that reads earlier layers only.
Columns that nothing further reads are dropped on the way. Guarantee: the plan's size is linear
in the number of steps, and its values are those of the steps run one after the other.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import polars as pl
from polars.io.plugins import register_io_source

from dagrun.stages.features.step import Step, column_name
from dagrun.stages.ops.op import Op


class Result(Protocol):
    """A value, or one part of it, and the form in which it is wanted."""

    @property
    def value(self) -> int:
        """The value's number."""
        ...

    @property
    def part(self) -> int | None:
        """The place among the value's parts, if it has parts."""
        ...

    def expression(self, value: pl.Expr, /) -> pl.Expr:
        """Return the result, under its name."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Layers of shared columns and the results over the last of them."""

    layers: tuple[tuple[pl.Expr, ...], ...]
    results: tuple[pl.Expr, ...]

    def over(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Return the results as a lazy frame, over a frame with a column per given value."""
        for layer in self.layers:
            frame = frame.select(layer)
        return frame.select(self.results)


class Ready(threading.local):
    """A plan that Polars has read already, in each thread that runs it.

    Reading it takes Polars a quarter of the time of 1,000 rows.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        # The source is called on a thread of Polars, which has a copy of its own of this object.
        self._given: list[pl.DataFrame] = []
        self._read: pl.LazyFrame | None = None

    def run(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the results over a frame. All frames have one schema: Polars refuses another."""
        given = self._given
        given.append(frame)
        try:
            if self._read is None:
                source = register_io_source(
                    lambda *_: iter(given), schema=frame.schema, validate_schema=True
                )
                read = self._plan.over(source)
                read.collect_schema()  # from then on Polars keeps what it has read
                self._read = read
            return collected(self._read)
        finally:
            given.clear()


def collected(plan: pl.LazyFrame) -> pl.DataFrame:
    """Run a plan as it is: it reads and computes nothing that is not needed.

    Looking for a better one takes longer than the features of 1,000 rows.
    """
    return plan.collect(engine="in-memory", optimizations=pl.QueryOptFlags.none())


def make_plan(steps: Mapping[int, Step], given: Collection[int], wanted: Sequence[Result]) -> Plan:
    """Return the plan of what is `wanted` over a frame with a column per value in `given`."""
    needed = reached(steps, given, [result.value for result in wanted])
    columns = {value: pl.col(column_name(value)) for value in {*given, *needed}}
    alone = {value: _written(steps, value, columns) for value in needed}
    uses = Counter(
        name for made in alone.values() for one in made for name in one.meta.root_names()
    )
    uses.update(column_name(result.value) for result in wanted if result.part is None)
    shared = {value for value in needed if uses[column_name(value)] > 1}
    written: dict[int, list[pl.Expr]] = {}
    depth = dict.fromkeys(given, 0)
    for value in needed:
        reads = steps[value].reads
        inner = {one: written[one][0] for one in reads if one in written and one not in shared}
        made = _written(steps, value, {**columns, **inner}) if inner else alone[value]
        written[value] = made
        depth[value] = max(depth[one] + (one in shared) for one in reads)
    shown = {value: [column] for value, column in columns.items()}
    shown.update((value, made) for value, made in written.items() if value not in shared)
    results = [result.expression(shown[result.value][result.part or 0]) for result in wanted]
    columns_of = {value: written[value][0].alias(column_name(value)) for value in sorted(shared)}
    return Plan(layers=_layers(columns_of, depth, results), results=tuple(results))


def _written(
    steps: Mapping[int, Step], value: int, columns: Mapping[int, pl.Expr]
) -> list[pl.Expr]:
    """Return a step's batch twin over `columns`, in which readers see whole numbers as Float64."""
    reads = [
        columns[one].cast(pl.Float64) if one in steps and _whole(steps[one].op) else columns[one]
        for one in steps[value].reads
    ]
    made = steps[value].op.batch(reads)
    return [made] if isinstance(made, pl.Expr) else made


def _whole(op: Op) -> bool:
    """Whether the batch twin of an op may give whole numbers that its readers take as doubles."""
    return op.integer and op.gives == "double"


def _layers(
    shared: Mapping[int, pl.Expr], depth: Mapping[int, int], results: Sequence[pl.Expr]
) -> tuple[tuple[pl.Expr, ...], ...]:
    """Return the shared columns by depth, each layer with the older columns still needed."""
    live = {name for one in results for name in one.meta.root_names()}
    layers: list[tuple[pl.Expr, ...]] = []
    for place in sorted({depth[value] for value in shared}, reverse=True):
        here = [column for value, column in shared.items() if depth[value] == place]
        live -= {column.meta.output_name() for column in here}
        layers.append((*(pl.col(name) for name in sorted(live)), *here))
        live |= {name for column in here for name in column.meta.root_names()}
    return tuple(reversed(layers))


def reached(
    steps: Mapping[int, Step], given: Collection[int], wanted: Collection[int]
) -> list[int]:
    """Return the steps that `wanted` values need, in order, as far as they are not given."""
    found: set[int] = set()
    pending = [value for value in wanted if value not in given]
    while pending:
        value = pending.pop()
        if value not in found:
            found.add(value)
            pending.extend(one for one in steps[value].reads if one not in given)
    return sorted(found)


def value_frame(values: Mapping[int, pl.Series]) -> pl.DataFrame:
    """Return the frame that a plan runs over: the values under their columns' names."""
    return pl.DataFrame([series.alias(column_name(value)) for value, series in values.items()])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Value:
    """A value as its readers see it: whole numbers as Float64."""

    value: int
    whole: bool
    part: None = None

    def expression(self, value: pl.Expr) -> pl.Expr:
        return (value.cast(pl.Float64) if self.whole else value).alias(column_name(self.value))


def computed(
    steps: Mapping[int, Step], given: Mapping[int, pl.Series], wanted: Sequence[int]
) -> pl.DataFrame:
    """Return the columns of `wanted` values, each once, as ops read them."""
    results = [
        _Value(value=value, whole=value in steps and _whole(steps[value].op))
        for value in dict.fromkeys(wanted)
    ]
    plan = make_plan(steps, given, results)
    return collected(plan.over(value_frame(given).lazy()))
