"""Renewing a spec: its frozen tables fitted on other rows, everything else left as it is.

Guarantee: which tables those are, the ops say (`Op.renewable`); a table of the new spec is what
fitting on these rows would have made of it, so that the rows a spec was fitted on give the same
spec again. The rest of the state, the features and their order stay. The limit: whether a model
can live with the new values is not known here; `dagrun.stages.bundle.refresh` measures it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from dagrun.engine.errors import DagrunError
from dagrun.stages.features.column import admit
from dagrun.stages.features.plan import computed
from dagrun.stages.features.spec import FeatureSpec
from dagrun.stages.features.step import column_name
from dagrun.stages.ops.errors import DtypeMismatch, UnknownColumn
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

    The rows need the input columns that the tables are looked up by, and the fit-only columns
    (targets) that they were made of.

    Raises:
        NothingToRefresh: no op has a renewable table, or the spec does not name its targets.
        UnknownColumn, DtypeMismatch, BadValue: the rows lack a column, or cannot be admitted.
        CannotFit: the rows do not determine a table.
    """
    renewed = set(renewable_steps(spec))
    if not renewed:
        raise NothingToRefresh("no op of it has a table that could be renewed without training")
    for step in (spec.steps[place] for place in renewed):
        if len(step.targets) < step.op.targets:
            raise NothingToRefresh(
                f"it does not say which column {step.name!r} was made of; fit it once more with "
                "this dagrun"
            )
    needed = _needed(spec, renewed)
    columns = [column for place, column in enumerate(spec.inputs) if place in needed]
    targets = list(
        dict.fromkeys(name for place in sorted(renewed) for name in spec.steps[place].targets)
    )
    frame = _columns(rows, [*(column.name for column in columns), *targets])
    admitted = iter(admit(columns, frame))
    count = len(spec.inputs)
    given = {place: next(admitted) for place in range(count) if place in needed}
    numbers = {name: _target(frame[name]) for name in targets}
    steps = dict(enumerate(spec.steps, start=count))
    for value in sorted(count + place for place in renewed):
        step = steps[value]
        values = computed(steps, given, step.reads)
        train = Training(
            name=step.name,
            columns=tuple(values[column_name(read)] for read in step.reads),
            targets=tuple(numbers[name] for name in step.targets),
        )
        steps[value] = replace(step, op=step.op.fit(train))
        special = steps[value].op.out_of_fold(train) if value in needed else None
        if special is not None:
            given[value] = special
    return replace(spec, steps=tuple(steps.values()))


def _needed(spec: FeatureSpec, renewed: set[int]) -> set[int]:
    """Return the numbers of the values that the renewed steps are fitted on."""
    count, needed = len(spec.inputs), set[int]()
    for place, step in reversed(list(enumerate(spec.steps))):
        if place in renewed or count + place in needed:
            needed.update(step.reads)
    return needed


def _columns(rows: pl.DataFrame | pl.LazyFrame, names: Sequence[str]) -> pl.DataFrame:
    schema = rows.collect_schema()
    if missing := [name for name in dict.fromkeys(names) if name not in schema]:
        raise UnknownColumn(missing, schema.names())
    return rows.lazy().select(list(dict.fromkeys(names))).collect(engine="in-memory")


def _target(series: pl.Series) -> pl.Series:
    if not (series.dtype.is_numeric() or isinstance(series.dtype, pl.Boolean)):
        raise DtypeMismatch(series.name, str(series.dtype), "a number or bool", "a fit-only target")
    return series.cast(pl.Float64).fill_nan(None)
