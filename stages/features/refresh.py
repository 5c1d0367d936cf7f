"""Renewing a spec: its frozen tables fitted on other rows, everything else left as it is.

Guarantee: which tables those are, the ops say (`Op.renewable`); a table of the new spec is what
fitting on these rows would have made of it, and names the last moment that they know, if rows have
a time; rows from before a feature was available stay out. So the rows that a spec was fitted on
give the same spec again. The rest of the state, the features and their order stay. The limit: all
rows count, whatever moment (`as_of`) the old tables were held to, or since when a feature is
available that is no column of the matrix but read by another; whether a model can live with the
new values is not known here, but measured by `dagrun.stages.bundle.refresh`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from dagrun.engine.errors import DagrunError
from dagrun.stages.features.column import admit
from dagrun.stages.features.knowledge import read_clock, see
from dagrun.stages.features.plan import computed
from dagrun.stages.features.spec import FeatureSpec
from dagrun.stages.features.step import column_name
from dagrun.stages.ops.errors import DtypeMismatch, UnknownColumn
from dagrun.stages.ops.timing import UNTIMED, Timing
from dagrun.stages.ops.training import Training


class NothingToRefresh(DagrunError):
    """A spec cannot be refreshed; the problem says why."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"the spec cannot be refreshed: {problem}")


def renewable_steps(spec: FeatureSpec) -> tuple[int, ...]:
    """Return the places of the steps whose table may be renewed."""
    return tuple(place for place, step in enumerate(spec.steps) if step.op.renewable() is not None)


def refresh_spec(spec: FeatureSpec, rows: pl.DataFrame | pl.LazyFrame) -> FeatureSpec:
    """Return the spec with its renewable tables fitted on `rows`.

    The rows need the input columns that the tables are looked up by, the fit-only columns
    (targets) that they were made of, and their time if the spec reads one.

    Raises:
        NothingToRefresh: no op has a renewable table, or the spec does not name its targets.
        UnknownColumn, DtypeMismatch, BadValue: the rows lack a column, or cannot be admitted.
        CannotFit: the rows do not determine a table.
    """
    renewed = renewable_steps(spec)
    _check(spec, renewed)
    count = len(spec.inputs)
    needed = _inputs_below(spec, renewed)
    columns = [spec.inputs[place] for place in needed]
    targets = [name for place in renewed for name in spec.steps[place].targets]
    time = None if spec.time is None else replace(spec.time, as_of=None)
    timed = [] if time is None else [time.column]
    frame = _columns(rows, [*(column.name for column in columns), *targets, *timed])
    clock, admitted = read_clock(time, frame), admit(columns, frame)
    values = admitted if clock is None else clock.masked(columns, admitted)
    known = dict(zip(needed, values, strict=True))
    steps = dict(enumerate(spec.steps, start=count))
    since = {output.value: output.available_since for output in spec.outputs}
    for value in (count + place for place in renewed):
        step = steps[value]
        keys = computed(steps, known, step.reads)
        training = Training(
            name=step.name,
            columns=tuple(keys[column_name(read)] for read in step.reads),
            targets=tuple(_target(frame[name]) for name in step.targets),
        )
        timing = Timing(available_since=since.get(value)) if clock else UNTIMED
        seen = see(clock, step.op, training, step.targets, timing)
        steps[value] = replace(step, op=step.op.fit(seen.fit), as_of=seen.as_of)
    return replace(spec, steps=tuple(steps.values()), time=time)


def _check(spec: FeatureSpec, renewed: Sequence[int]) -> None:
    if not renewed:
        raise NothingToRefresh("no op of it has a table that could be renewed without training")
    for step in (spec.steps[place] for place in renewed):
        if len(step.targets) < step.op.targets:
            raise NothingToRefresh(
                f"it does not say which column {step.name!r} was made of; fit it once more with "
                "this dagrun"
            )


def _inputs_below(spec: FeatureSpec, places: Sequence[int]) -> list[int]:
    count = len(spec.inputs)
    needed = {count + place for place in places}
    for place in range(len(spec.steps) - 1, -1, -1):
        if count + place in needed:
            needed.update(spec.steps[place].reads)
    return [value for value in sorted(needed) if value < count]


def _columns(rows: pl.DataFrame | pl.LazyFrame, names: Sequence[str]) -> pl.DataFrame:
    schema = rows.collect_schema()
    if missing := [name for name in dict.fromkeys(names) if name not in schema]:
        raise UnknownColumn(missing, schema.names())
    return rows.lazy().select(list(dict.fromkeys(names))).collect(engine="in-memory")


def _target(series: pl.Series) -> pl.Series:
    if not (series.dtype.is_numeric() or isinstance(series.dtype, pl.Boolean)):
        raise DtypeMismatch(series.name, str(series.dtype), "a number or bool", "a fit-only target")
    return series.cast(pl.Float64).fill_nan(None)
