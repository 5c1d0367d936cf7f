"""A fitted feature spec on the terminal: its inputs, and each feature with op, settings and state.

Few features are a line each; many are a line for each op, and are listed on request.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from dagrun.stages.features.facts import (
    FeatureFacts,
    features_of,
    formula,
    setting_text,
    settings_of,
    state_of,
)
from dagrun.stages.ops.table import Table
from dagrun.stages.ops.vectors import Vectors
from dagrun.ui.columns import Cell, aligned
from dagrun.ui.quantities import counted, short
from dagrun.ui.terminal import paint

if TYPE_CHECKING:
    from dagrun.stages.features import Column, FeatureSpec
    from dagrun.stages.features.step import Step

MOST_FEATURES = 60
"""Features up to which each has a line of its own."""
_ITEMS, _LISTED = 6, 100
"""Items of a list that are shown, and the length from which none is."""
_EXAMPLES = 3


def specification_lines(
    spec: FeatureSpec, *, label: str, whole: FeatureSpec, listed: bool
) -> list[str]:
    """Return a spec as lines; `whole` is the one that `spec` is a part of, or the same."""
    features = features_of(spec)
    part = "" if spec is whole else f", of {len(features_of(whole))}"
    lines = [f"{paint('spec', 'bold')} {short(whole.digest)}  {label}"]
    lines += [f"  {line}" for line in aligned(_head(spec))]
    lines.append(f"{paint('inputs', 'bold')}  {counted(len(spec.inputs), 'column')}")
    lines += [f"  {line}" for line in _inputs(spec.inputs, listed=listed)]
    columns = counted(len(spec.outputs), "column")
    lines.append(f"{paint('features', 'bold')}  {len(features)}{part}, in {columns} of the matrix")
    if listed or len(features) <= MOST_FEATURES:
        return lines + [f"  {line}" for line in aligned([_feature(spec, f) for f in features])]
    lines += [f"  {line}" for line in aligned(_by_op(spec, features), right={1})]
    return [*lines, paint("see them with: --all, or --feature 'PATTERN'", "dim")]


def _head(spec: FeatureSpec) -> list[list[Cell]]:
    rows: list[list[Cell]] = []
    if spec.label is not None:
        rows.append(["label", spec.label])
    if spec.time is not None:
        known = [f"{name} known {after} later" for name, after in spec.time.known_after]
        as_of = [f"tables as of {spec.time.as_of}"] if spec.time.as_of else []
        rows.append(["time", ", ".join([f"read from {spec.time.column}", *as_of, *known])])
    if spec.row_exact:
        rows.append(["row path", "exact: one generated Python function (see: --row)"])
    else:
        why = ", ".join(spec.row_inexact)
        told = f"fallback: Polars on one row, since no exact row twin has: {why}"
        rows.append(["row path", (told, "warn")])
    tables = [table for step in spec.steps if (table := step.op.renewable()) is not None]
    if tables:
        keys = sum(map(len, tables))
        told = f"{counted(len(tables), 'table')} of {keys:,} keys in all"
        rows.append(["frozen", f"{told} (renew them with: dagrun bundle refresh)"])
    return rows


def _inputs(columns: Sequence[Column], *, listed: bool) -> list[str]:
    """Return a line for each column, or of many for each sort of them."""
    rows = [_input(column) for column in columns]
    if listed or len(columns) <= MOST_FEATURES:
        return aligned(rows)
    sorts: dict[tuple[Cell, ...], list[str]] = {}
    for column, row in zip(columns, rows, strict=True):
        sorts.setdefault(tuple(row[1:]), []).append(column.name)
    return aligned([[*sort, str(len(names)), _examples(names)] for sort, names in sorts.items()])


def _input(column: Column) -> list[Cell]:
    zone = {"timestamp": " (UTC)" if column.aware else " (wall clock)"}.get(column.dtype, "")
    since = f"since {column.available_since}" if column.available_since else ""
    return [column.name, f"{column.dtype}{zone}", "" if column.nullable else "never null", since]


def _feature(spec: FeatureSpec, feature: FeatureFacts) -> list[Cell]:
    several = f"={{{len(feature.columns)}}}" if feature.columns[0] != feature.name else ""
    return [
        feature.name + several,
        feature.dtype,
        formula(spec, feature.value),
        (state_text(spec, feature), "dim"),
    ]


def state_text(spec: FeatureSpec, feature: FeatureFacts) -> str:
    """Return the fitted state of all steps of a feature, in short."""
    told = []
    for place in feature.steps:
        op = spec.steps[place].op
        facts = ", ".join(_state(spec.steps[place]))
        if facts:
            told.append(facts if len(feature.steps) == 1 else f"{op.op}: {facts}")
    if feature.available_since is not None:
        told.append(f"since {feature.available_since}")
    return "; ".join(told)


def _state(step: Step) -> Iterator[str]:
    op = step.op
    usual = {field.name: field.default for field in fields(op)}
    state = {name: value for name, value in state_of(op).items() if value != usual[name]}
    for name, value in state.items():
        yield value_text(name, value)
    if step.as_of is not None:
        yield f"as of {step.as_of}"


def value_text(name: str, value: Any) -> str:
    """Return a part of a state in short: numbers as they are, of tables and lists their size."""
    if isinstance(value, float):
        return f"{name} {value:.6g}"
    if isinstance(value, tuple) and len(value) > _LISTED:
        return f"{len(value):,} {name}"
    if isinstance(value, tuple):
        shown = ", ".join(_item(item) for item in value[:_ITEMS])
        more = ", ..." if len(value) > _ITEMS else ""
        return f"{len(value)} {name}: {shown}{more}"
    if isinstance(value, Table | Vectors):
        numbers = [v for v in getattr(value, "values", ()) if isinstance(v, float)]
        span = f", values {min(numbers):.6g} to {max(numbers):.6g}" if numbers else ""
        return f"{counted(len(value), 'key')}{span}"
    return f"{name} {value}"


def _item(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _by_op(spec: FeatureSpec, features: Sequence[FeatureFacts]) -> list[list[Cell]]:
    """Return one row for each op and its settings, the most used first."""
    groups: dict[tuple[str, str], list[str]] = {}
    for feature in features:
        op = spec.steps[feature.steps[-1]].op
        settings = ", ".join(
            f"{name}={setting_text(v)}" for name, v in settings_of(op).items() if v
        )
        told = settings if len(settings) <= _LONGEST else ""
        groups.setdefault((op.op, told), []).append(feature.name)
    ordered = sorted(groups.items(), key=lambda item: -len(item[1]))
    return [[op, str(len(names)), told, _examples(names)] for (op, told), names in ordered]


_LONGEST = 60


def _examples(names: Sequence[str]) -> str:
    return ", ".join(names[:_EXAMPLES]) + (", ..." if len(names) > _EXAMPLES else "")
