"""How two frozen tables differ, key by key, and when two values are exactly the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dagrun.stages.ops.table import Scalar, Table
from dagrun.stages.ops.vectors import Vectors

LARGEST = 5
"""Entries of a table that are told, the most changed ones."""


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


def exactly(value: Any) -> Any:
    """Return what two values share exactly if they are the same: -0.0 is not 0.0, nor 1 True."""
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, tuple):
        return tuple(map(exactly, value))
    return type(value), value


def compare_tables(before: Table | Vectors, after: Table | Vectors) -> TableChange:
    """Return how two tables differ, key by key."""
    old, new = _entries(before), _entries(after)
    shared = [key for key in new if key in old and exactly(old[key]) != exactly(new[key])]
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
