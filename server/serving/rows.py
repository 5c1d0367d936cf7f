"""From the wire to a row: the values of one request row, in the order of the model's columns.

Guarantee: what is read is exactly what was sent; nothing is coerced, with one exception, which
loses nothing: an int64 in a double column, within plus or minus 2**53. The same rows pass here
as pass the feature spec's door for tables. Where it ends: values are not judged by range or set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from dagrun.engine.errors import DagrunError, listing, nearest
from dagrun.proto.dagrun_v1_pb2 import ColumnType, ExplainRequest, PredictRequest, Value
from dagrun.server.serving.refusals import Violation, shortened
from dagrun.stages.features import Column

_EXACT = 2**53

Rows = PredictRequest | ExplainRequest
"""The requests that hold rows."""
Scalar = float | int | str | bool | None


class Wire(NamedTuple):
    """How a column's values travel: the field of `Value`, the type in `Model.columns`."""

    field: str
    type: ColumnType
    called: str


_WIRES: Final[Mapping[str, Wire]] = {
    "double": Wire("double_value", ColumnType.COLUMN_TYPE_DOUBLE, "a double"),
    "int64": Wire("int64_value", ColumnType.COLUMN_TYPE_INT64, "an int64"),
    "string": Wire("string_value", ColumnType.COLUMN_TYPE_STRING, "a string"),
    "bool": Wire("bool_value", ColumnType.COLUMN_TYPE_BOOL, "a bool"),
    "instant": Wire(
        "timestamp_micros",
        ColumnType.COLUMN_TYPE_TIMESTAMP,
        "a timestamp (an instant, in UTC microseconds)",
    ),
    "timestamp": Wire(
        "wall_clock_micros",
        ColumnType.COLUMN_TYPE_WALL_CLOCK,
        "a wall-clock time (without a zone)",
    ),
    "date": Wire("date_days", ColumnType.COLUMN_TYPE_DATE, "a date"),
}
_CALLED: Final = {wire.field: wire.called for wire in _WIRES.values()}


def wire(column: Column) -> Wire:
    """Return how a column's values travel."""
    return _WIRES[column.kind]


class NotAdmitted(DagrunError):
    """A row does not fit the columns; `RowReader.violations` says where."""


class RowReader:
    """Reads rows of one schema. It holds no state and may be used from any thread."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = {column.name: column for column in columns}
        self._plan = tuple(
            (column.name, wire(column).field, column.nullable, column.dtype == "double")
            for column in columns
        )
        self._never_nan = tuple(
            place
            for place, column in enumerate(columns)
            if column.dtype == "double" and not column.nullable
        )

    def read(self, values: Mapping[str, Value]) -> list[Scalar]:
        """Return the values in the order of the columns.

        It adds missing columns to `values`, as a protobuf map does; so parse the request again
        before asking for `violations`. Raises `NotAdmitted`.
        """
        if len(values) != len(self._plan):
            raise NotAdmitted
        row: list[Scalar] = []
        for name, field, nullable, double in self._plan:
            value = values[name]
            cell = getattr(value, field)
            # A value that is not the field's default was set; only a default needs a closer look.
            if not cell and not value.HasField(field):
                cell = _other(value, nullable, double)
            row.append(cell)
        # A missing column has been added by now: there was another one in its place.
        if len(values) != len(row):
            raise NotAdmitted
        for place in self._never_nan:
            if row[place] != row[place]:
                raise NotAdmitted
        return row

    def violations(self, request: Rows) -> Iterator[Violation]:
        """Yield everything that `read` would refuse in the rows of a freshly parsed request."""
        for number, row in enumerate(request.rows):
            values = row.values
            for name in sorted(set(values) - set(self._columns)):
                yield no_column(f"rows[{number}]", name, list(self._columns))
            for column in self._columns.values():
                if problem := _problem(column, values):
                    yield Violation(f"rows[{number}].{column.name}", problem)


def _other(value: Value, nullable: bool, double: bool) -> Scalar:
    """Return the value of a cell that is not of the column's own kind."""
    kind = value.WhichOneof("kind")
    if kind is None and nullable:
        return None
    if double and kind == "int64_value" and -_EXACT <= value.int64_value <= _EXACT:
        return float(value.int64_value)
    raise NotAdmitted


def _problem(column: Column, values: Mapping[str, Value]) -> str:
    """Return what is wrong with a column's value, "" when nothing is."""
    if column.name not in values:
        return "is missing; send a null if it is unknown" if column.nullable else "is missing"
    value = values[column.name]
    kind, expected = value.WhichOneof("kind"), wire(column)
    if kind is None:
        return "" if column.nullable else f"is null; the model needs {expected.called}"
    if kind == expected.field:
        if column.nullable or value.double_value == value.double_value:
            return ""
        return "is NaN, which means null; the model needs a number"
    if column.dtype == "double" and kind == "int64_value":
        exact = -_EXACT <= value.int64_value <= _EXACT
        return "" if exact else f"{value.int64_value} is beyond 2**53 and does not fit a double"
    return f"is {_CALLED[kind]}; the model needs {expected.called}"


def drop(columns: Iterable[str], request: Rows) -> None:
    """Remove columns from the rows of a request."""
    for row in request.rows:
        values = row.values
        for column in columns:
            if column in values:
                del values[column]


def no_column(place: str, name: str, known: Sequence[str]) -> Violation:
    """Return what is wrong with a column that the model does not have."""
    hint = nearest(name[:80], known) or f" Columns: {listing(known)}"
    return Violation(f"{place}.{shortened(name)}", f"the model has no such column.{hint}")
