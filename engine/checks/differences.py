"""Where an artifact that was made again differs from the one that is stored.

Guarantee: nothing is read while the logical digests are equal, and then nothing differs. The limit:
where tables differ, both are loaded into memory to say how.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from dagrun.engine.events import Difference, Output
from dagrun.engine.lists import describe_lists, is_list
from dagrun.engine.store.store import Store

MOST_FIELDS = 10
"""How many differing fields of one document are named."""
ANOTHER_ORDER = "the same rows in another order"


def compare_outputs(
    name: str, store: Store, stored: Output, scratch: Store, made: Output
) -> list[Difference]:
    """Say where what was made differs from what is stored; empty when their digests are equal."""
    if made.logical == stored.logical:
        return []
    if is_list(stored) and is_list(made):
        return [Difference(output=name, what=describe_lists(stored, made))]
    if stored.columns and made.columns:
        return _compare_tables(name, store, stored, scratch, made)
    if stored.codec == made.codec and stored.codec.endswith(":DOCUMENT"):
        fields = list(_fields(store.load(stored), scratch.load(made), ""))
        more = len(fields) - MOST_FIELDS
        found = [Difference(output=name, column=at, what=what) for at, what in fields[:MOST_FIELDS]]
        return [*found, Difference(output=name, what=f"and {more} more")] if more > 0 else found
    sizes = f"{made.size:,} bytes, stored are {stored.size:,}"
    return [Difference(output=name, what=f"another content ({sizes})")]


def _compare_tables(
    name: str, store: Store, stored: Output, scratch: Store, made: Output
) -> list[Difference]:
    unlike = [
        column
        for column in dict.fromkeys((*stored.columns, *made.columns))
        if tuple(stored.columns.get(column, ())) != tuple(made.columns.get(column, ()))
    ]
    if made.rows != stored.rows:
        what = f"{made.rows:,} rows, stored are {stored.rows:,}"
        return [Difference(output=name, what=what)] + [
            Difference(output=name, column=column, what="other values") for column in unlike
        ]
    before, after = store.load(stored), scratch.load(made)
    if stored.columns.keys() == made.columns.keys() and _same_rows(scratch, before, after):
        return [Difference(output=name, column=column, what=ANOTHER_ORDER) for column in unlike]
    found = []
    for column in unlike:
        old, new = stored.columns.get(column), made.columns.get(column)
        if old is None or new is None:
            what = "a new column" if old is None else "the column is gone"
        elif old[0] != new[0]:
            what = f"{new[0]}, stored is {old[0]}"
        else:
            what = _values(before[column], after[column])
        found.append(Difference(output=name, column=column, what=what))
    return found or [Difference(output=name, what="the order of its columns")]


def _same_rows(scratch: Store, before: Any, after: Any) -> bool:
    """Tell whether two frames differ in nothing but the order of their rows."""
    columns = before.columns
    try:
        first, second = before.sort(columns), after.select(columns).sort(columns)
    except Exception:  # noqa: BLE001 - some dtypes have no order, and Polars has no one error for it
        return False
    return scratch.dump(first).logical == scratch.dump(second).logical


def _values(before: Any, after: Any) -> str:
    """Say in how many rows two columns of one dtype differ, and floats by how much."""
    try:
        unlike = before.ne_missing(after)
        count = unlike.sum()
        text = f"other values in {count:,} of {len(before):,} rows"
        if count and before.dtype.is_float():
            most = (before - after).abs().max()
            return text if most is None else f"{text}, by at most {most:.3g}"
    except Exception:  # noqa: BLE001 - nested columns are not compared value by value
        return "other values"
    return text if count else "values that differ in bits only"


def _fields(before: Any, after: Any, at: str) -> Iterator[tuple[str | None, str]]:
    """Yield the place of each difference between two documents, and both values."""
    if dataclasses.is_dataclass(before) and type(before) is type(after):
        for field in dataclasses.fields(before):
            old, new = getattr(before, field.name), getattr(after, field.name)
            yield from _fields(old, new, f"{at}.{field.name}" if at else field.name)
    elif isinstance(before, dict) and isinstance(after, dict) and before.keys() == after.keys():
        for name, old in before.items():
            yield from _fields(old, after[name], f"{at}.{name}" if at else str(name))
    elif isinstance(before, list | tuple) and type(before) is type(after):
        if len(before) != len(after):
            yield at or None, f"{len(after)} items, stored are {len(before)}"
            return
        for place, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from _fields(old, new, f"{at}[{place}]")
    elif repr(before) != repr(after):
        yield at or None, f"{_short(after)}, stored is {_short(before)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
