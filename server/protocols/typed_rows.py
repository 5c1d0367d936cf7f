"""From a typed row to the values of a model's columns, in their order.

Guarantee: what is read is exactly what was sent, and the same rows pass here as pass as a map of
values: a field that is not set is null, NaN is null, nothing is coerced. A number that none of the
fields has, or that came in another form than its field's, is refused. Where it ends: a row without
a nullable field cannot be told from one whose sender does not know the field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.unknown_fields import UnknownFieldSet

from dagrun.server.serving.refusals import Violation
from dagrun.server.serving.rows import NotAdmitted, Scalar, wire
from dagrun.stages.bundle import Field
from dagrun.stages.features import Column

_LEAST, _MOST = -(2**63), 2**63 - 1


class TypedReader:
    """Reads typed rows for one bundle. It holds no state and may be used from any thread."""

    def __init__(self, columns: Sequence[Column], fields: Sequence[Field]) -> None:
        """Read `columns`, each of which has a field; `fields` are all that the model ever had."""
        by_column = {(field.column, field.kind): field for field in fields}
        self._fields = {field.number: field for field in fields}
        self._columns = tuple(
            (by_column[column.name, column.kind].name, column) for column in columns
        )
        self._names = tuple(name for name, _ in self._columns)
        self._get = _getter(self._names)
        self._required = frozenset(n for n, (_, c) in enumerate(self._columns) if not c.nullable)
        self._instants = tuple(n for n, (_, c) in enumerate(self._columns) if c.kind == "instant")
        self._never_nan = tuple(
            n for n in sorted(self._required) if self._columns[n][1].dtype == "double"
        )

    def read(self, row: Any) -> list[Scalar]:
        """Return the values in the order of the columns. Raises `NotAdmitted`."""
        if len(UnknownFieldSet(row)):
            raise NotAdmitted
        values: list[Any] = list(self._get(row))
        names, has = self._names, row.HasField
        for place in self._instants:
            values[place] = _micros(values[place]) if has(names[place]) else None
        for place, value in enumerate(values):
            # A value that is not the field's default was set; only a default needs a closer look.
            if not value and (value is None or not has(names[place])):
                if place in self._required:
                    raise NotAdmitted
                values[place] = None
        for place in self._never_nan:
            if values[place] != values[place]:
                raise NotAdmitted
        return values

    def violations(self, rows: Sequence[Any], live: Mapping[int, str]) -> Iterator[Violation]:
        """Yield everything that `read` would refuse.

        `live` has the name of each field that rows may have, by number.
        """
        for number, row in enumerate(rows):
            found = UnknownFieldSet(row)
            for unknown in map(found.__getitem__, range(len(found))):
                name = live.get(unknown.field_number, f"[{unknown.field_number}]")
                yield Violation(f"rows[{number}].{name}", self._unknown(unknown.field_number, live))
            for name, column in self._columns:
                if problem := _problem(row, name, column):
                    yield Violation(f"rows[{number}].{name}", problem)

    def _unknown(self, number: int, live: Mapping[int, str]) -> str:
        if number in live:
            return f"came in another form than that of field {number}"
        if field := self._fields.get(number):
            return f"no live version of the model has the column {field.column!r} in this form"
        return "the model never had such a field; is this the right .proto file?"


def _getter(names: Sequence[str]) -> Callable[[Any], Sequence[Any]]:
    if len(names) > 1:
        return attrgetter(*names)
    return lambda row: [getattr(row, name) for name in names]


def _micros(moment: Timestamp) -> int:
    """Return an instant in microseconds since 1970. Raises `NotAdmitted` for what is none."""
    nanos = moment.nanos
    micros = moment.seconds * 1_000_000 + nanos // 1000
    if nanos % 1000 or not 0 <= nanos < 1_000_000_000 or not _LEAST <= micros <= _MOST:
        raise NotAdmitted
    return micros


def _problem(row: Message, name: str, column: Column) -> str:
    """Return what is wrong with a field, "" when nothing is."""
    if not row.HasField(name):
        return "" if column.nullable else f"is missing; the model needs {wire(column).called}"
    value = getattr(row, name)
    if column.kind == "instant":
        try:
            _micros(value)
        except NotAdmitted:
            return "is no instant of whole microseconds that 64 bits can count"
    if not column.nullable and value != value:
        return "is NaN, which means null; the model needs a number"
    return ""
