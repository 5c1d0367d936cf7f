"""Field numbers of a model's typed message: one for each column and type, for ever.

Guarantee: a number once given means the same column and type to every client for as long as the
registry lives. A column that leaves keeps its number, one that comes back as it was has its old
one again, one that comes back with another type gets a new one. Processes that give numbers at
the same moment agree. Where it ends: the numbers belong to a model's name in one registry; a
bundle moved to another one is numbered there anew.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

from dagrun.engine.errors import UnknownVersion
from dagrun.engine.store.refs import Ref, RefConflict, Refs
from dagrun.stages.features import Column

_FORMAT = 1
_METHODS = {"hasfield"}
"""What readers of messages call in Python, where a field of that name would hide it."""
_KEPT_BY_PROTOBUF = range(19_000, 20_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a model's typed row.

    Attributes:
        number: its number on the wire, from 1.
        name: its name in a .proto file: the column's, as far as an identifier allows.
        column: the column's name.
        kind: the kind of the column's values (`Column.kind`).
    """

    number: int
    name: str
    column: str
    kind: str


def read_fields(refs: Refs, model: str) -> tuple[Field, ...]:
    """Return all fields that a model ever had, by number. Raises `UnknownVersion`."""
    return _read(refs, model)[1]


def give_fields(refs: Refs, model: str, columns: Sequence[Column]) -> tuple[Field, ...]:
    """Return all fields that a model ever had, by number, these columns' among them.

    What has no number yet is given one, in the order of the columns. Raises `UnknownVersion`.
    """
    while True:
        present, fields = _read(refs, model)
        known = {(field.column, field.kind) for field in fields}
        new = [column for column in columns if (column.name, column.kind) not in known]
        if not new:
            return fields
        fields = (*fields, *_numbered(fields, new))
        value = {"format": _FORMAT, "fields": [asdict(field) for field in fields]}
        names = ", ".join(column.name for column in new)
        try:
            refs.update(_ref(model), value, expect=present, reason=f"new columns: {names}"[:200])
        except RefConflict:
            continue
        return fields


def _read(refs: Refs, model: str) -> tuple[Ref | None, tuple[Field, ...]]:
    ref = refs.read(_ref(model))
    if ref is None:
        return None, ()
    if ref.value["format"] != _FORMAT:
        raise UnknownVersion(f"the field numbers of {model}", ref.value["format"], _FORMAT)
    return ref, tuple(Field(**field) for field in ref.value["fields"])


def _ref(model: str) -> str:
    return f"models/{model}/fields"


def _numbered(fields: Sequence[Field], columns: Iterable[Column]) -> Iterator[Field]:
    number = max((field.number for field in fields), default=0)
    taken = {_folded(field.name) for field in fields} | _METHODS
    for column in columns:
        number += 1
        if number in _KEPT_BY_PROTOBUF:
            number = _KEPT_BY_PROTOBUF.stop
        name = _name(column, number, taken)
        taken.add(_folded(name))
        yield Field(number=number, name=name, column=column.name, kind=column.kind)


def _name(column: Column, number: int, taken: Collection[str]) -> str:
    """Return an identifier of ASCII that no other field has, also not in camel case."""
    plain = re.sub(r"[^A-Za-z0-9]+", "_", column.name).strip("_")
    if not plain[:1].isalpha():
        plain = f"column_{plain}".strip("_")
    numbered = (f"{plain}_{n}" for n in itertools.count(number))
    ways = itertools.chain((plain, f"{plain}_{column.kind}"), numbered)
    return next(way for way in ways if _folded(way) not in taken)


def _folded(name: str) -> str:
    return name.replace("_", "").lower()
