"""How one fitted spec differs from another, and whether a row could get other bits.

Guarantee: `same_bits` is True only if every row that both specs take gets the same features, bit
for bit, in the same columns: the ops, their versions, settings and state, and the dtypes of what
they read are equal. The limit: False means that a row could differ, not that one does; two ops
that compute the same in different ways are told as different.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from dagrun.stages.features.column import Column
from dagrun.stages.features.facts import (
    FeatureFacts,
    features_of,
    formula,
    settings_of,
    state_of,
)
from dagrun.stages.features.knowledge import TimeRules
from dagrun.stages.features.spec import FeatureSpec
from dagrun.stages.ops.table import Scalar, Table
from dagrun.stages.ops.vectors import Vectors

Change = Literal["added", "removed", "changed"]
Kind = Literal["setting", "state", "time"]
LARGEST = 5
"""Entries of a table that are told, the most changed ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputChange:
    """An input column that differs; `fields` are `(attribute, before, after)`."""

    name: str
    change: Change
    fields: tuple[tuple[str, Any, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TableChange:
    """How two lookup tables differ.

    Attributes:
        keys: how many each has.
        added, removed, changed: keys that only the new one, only the old one, or both have, the
            last with another value.
        largest: the keys whose values changed most, as `(key, before, after)`; none of vectors.
    """

    keys: tuple[int, int]
    added: int
    removed: int
    changed: int
    largest: tuple[tuple[tuple[Scalar, ...], Any, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueChange:
    """A setting, a part of the state, or a moment that differs.

    Attributes:
        op: the op it is of; `field` is its name there.
        kind: whether it was set, fitted, or is what is known of its time, which changes no bit.
        before, after: the values; of tables None, as `table` tells more.
        relative: (after - before) / |before| of numbers, None where that says nothing.
    """

    op: str
    field: str
    kind: Kind
    before: Any
    after: Any
    relative: float | None = None
    table: TableChange | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureChange:
    """A feature that differs.

    Attributes:
        formulas: how it was and is computed, where that is not the same; None without it.
        columns: columns that only the old and only the new one has.
        values: settings and state that differ in ops that both have.
    """

    name: str
    change: Change
    formulas: tuple[str | None, str | None]
    columns: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    values: tuple[ValueChange, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecDifference:
    """All that differs between two specs.

    Attributes:
        identical: they have one digest.
        label, time: the label's name and the rules of time, where they differ.
        inputs, features: what is not the same, in the order of the new spec.
        moved: columns of the matrix that both have, in another order.
        reasons: why a row could get other bits; none means that no row can.
    """

    identical: bool
    label: tuple[str | None, str | None] | None
    time: tuple[TimeRules | None, TimeRules | None] | None
    inputs: tuple[InputChange, ...]
    features: tuple[FeatureChange, ...]
    moved: tuple[str, ...]
    reasons: tuple[str, ...]

    @property
    def same_bits(self) -> bool:
        """Whether every row that both take gets the same bits in the same columns."""
        return not self.reasons


def compare_specs(before: FeatureSpec, after: FeatureSpec) -> SpecDifference:
    """Return how the spec `after` differs from `before`."""
    inputs = tuple(_inputs(before.inputs, after.inputs))
    features = tuple(_features(before, after))
    moved = tuple(_moved(before.names, after.names))
    return SpecDifference(
        identical=before.digest == after.digest,
        label=(before.label, after.label) if before.label != after.label else None,
        time=(before.time, after.time) if before.time != after.time else None,
        inputs=inputs,
        features=features,
        moved=moved,
        reasons=tuple(_reasons(before, after, inputs, features, moved)),
    )


def _inputs(before: Sequence[Column], after: Sequence[Column]) -> Iterator[InputChange]:
    old, new = ({column.name: column for column in side} for side in (before, after))
    for name, column in new.items():
        if name not in old:
            yield InputChange(name=name, change="added")
        elif differing := tuple(_fields(asdict(old[name]), asdict(column))):
            yield InputChange(name=name, change="changed", fields=differing)
    for name in old:
        if name not in new:
            yield InputChange(name=name, change="removed")


def _fields(old: dict[str, Any], new: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    return ((name, old[name], new[name]) for name in new if old[name] != new[name])


def _features(before: FeatureSpec, after: FeatureSpec) -> Iterator[FeatureChange]:
    old = {feature.name: feature for feature in features_of(before)}
    new = {feature.name: feature for feature in features_of(after)}
    for name, feature in new.items():
        if name not in old:
            came = (None, formula(after, feature.value))
            yield FeatureChange(name=name, change="added", formulas=came)
        elif change := _feature(before, old[name], after, feature):
            yield change
    for name, feature in old.items():
        if name not in new:
            gone = (formula(before, feature.value), None)
            yield FeatureChange(name=name, change="removed", formulas=gone)


def _feature(
    before: FeatureSpec, old: FeatureFacts, after: FeatureSpec, new: FeatureFacts
) -> FeatureChange | None:
    values: dict[ValueChange, None] = {}
    same = _walk(before, old.value, after, new.value, values) and old.dtype == new.dtype
    since = (old.available_since, new.available_since)
    values.update(dict.fromkeys(_value("feature", "available_since", "time", *since)))
    columns = (
        tuple(name for name in old.columns if name not in new.columns),
        tuple(name for name in new.columns if name not in old.columns),
    )
    if same and not values and old.columns == new.columns:
        return None
    formulas = (formula(before, old.value), formula(after, new.value))
    return FeatureChange(
        name=new.name,
        change="changed",
        formulas=(None, None) if same else formulas,
        columns=columns,
        values=tuple(values),
    )


def _walk(
    before: FeatureSpec,
    old: int,
    after: FeatureSpec,
    new: int,
    found: dict[ValueChange, None],
) -> bool:
    """Collect what differs in ops that both values have; return whether they have the same ops."""
    steps = (old - len(before.inputs), new - len(after.inputs))
    if steps[0] < 0 or steps[1] < 0:
        same_kind = steps[0] < 0 and steps[1] < 0
        return same_kind and before.inputs[old].name == after.inputs[new].name
    first, second = before.steps[steps[0]], after.steps[steps[1]]
    same = first.op.op == second.op.op and first.op.version == second.op.version
    if not same or len(first.reads) != len(second.reads):
        return False
    for kind, read in _READ:
        values = read(first.op), read(second.op)
        for name in values[1]:
            found.update(
                dict.fromkeys(_value(first.op.op, name, kind, values[0].get(name), values[1][name]))
            )
    found.update(dict.fromkeys(_value(first.op.op, "as_of", "time", first.as_of, second.as_of)))
    pairs = zip(first.reads, second.reads, strict=True)
    below = [_walk(before, a, after, b, found) for a, b in pairs]
    return all(below) and first.targets == second.targets


_READ: tuple[tuple[Kind, Any], ...] = (
    ("setting", settings_of),
    ("state", state_of),
)


def _value(op: str, field: str, kind: Kind, before: Any, after: Any) -> Iterator[ValueChange]:
    if _exactly(before) == _exactly(after):
        return
    if isinstance(before, Table | Vectors) and isinstance(after, type(before)):
        table = compare_tables(before, after)
        yield ValueChange(op=op, field=field, kind=kind, before=None, after=None, table=table)
        return
    relative = None
    if isinstance(before, float) and isinstance(after, float) and before:
        relative = (after - before) / abs(before)
    yield ValueChange(op=op, field=field, kind=kind, before=before, after=after, relative=relative)


def _exactly(value: Any) -> Any:
    """Return what two values share exactly if they are the same: -0.0 is not 0.0, nor 1 True."""
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, tuple):
        return tuple(map(_exactly, value))
    return type(value), value


def compare_tables(before: Table | Vectors, after: Table | Vectors) -> TableChange:
    """Return how two tables differ, key by key."""
    old, new = _entries(before), _entries(after)
    shared = [key for key in new if key in old and _exactly(old[key]) != _exactly(new[key])]
    shared.sort(key=lambda key: -_distance(old[key], new[key]))
    told = [] if isinstance(after, Vectors) else shared[:LARGEST]
    return TableChange(
        keys=(len(old), len(new)),
        added=len(new.keys() - old.keys()),
        removed=len(old.keys() - new.keys()),
        changed=len(shared),
        largest=tuple((key, old[key], new[key]) for key in told),
    )


def _entries(table: Table | Vectors) -> dict[tuple[Scalar, ...], Any]:
    if isinstance(table, Table):
        return dict(zip(zip(*table.keys, strict=True), table.values, strict=True))
    vectors = (vector.tobytes() for vector in table.numbers())
    return {(key,): vector for key, vector in zip(table.keys, vectors, strict=True)}


def _distance(before: Any, after: Any) -> float:
    numbers = isinstance(before, float) and isinstance(after, float)
    return abs(after - before) if numbers else 0.0


def _moved(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    old = [name for name in before if name in set(after)]
    new = [name for name in after if name in set(before)]
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    kept = {
        name for block in matcher.get_matching_blocks() for name in new[block.b :][: block.size]
    }
    return (name for name in new if name not in kept)


def _reasons(
    before: FeatureSpec,
    after: FeatureSpec,
    inputs: Sequence[InputChange],
    features: Sequence[FeatureChange],
    moved: Sequence[str],
) -> Iterator[str]:
    if set(before.names) != set(after.names):
        yield "the matrix has other columns"
    if moved:
        yield "columns of the matrix are in another order"
    counts = {"rewritten": 0, "setting": 0, "state": 0}
    for feature in features:
        counts["rewritten"] += feature.change == "changed" and feature.formulas[1] is not None
        for kind in ("setting", "state"):
            counts[kind] += any(v.kind == kind for v in feature.values)
    words = {
        "rewritten": "other ops or inputs",
        "setting": "other settings",
        "state": "other state",
    }
    for kind, word in words.items():
        if counts[kind]:
            yield f"{counts[kind]} feature{'' if counts[kind] == 1 else 's'} with {word}"
    read = {name for change in inputs for name, *_ in change.fields if name in ("dtype", "aware")}
    if read:
        yield "an input column is read as another dtype"
