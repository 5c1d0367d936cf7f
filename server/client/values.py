"""From Python values to the wire, exactly.

Guarantee: a value arrives as the very value it is here, or is refused here. A `datetime` with a
zone is an instant, one without is wall-clock time, and a model's column takes only one of them.
"""

from __future__ import annotations

import datetime as dt
import numbers
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from dagrun.engine.errors import DagrunError
from dagrun.proto.dagrun_v1_pb2 import PredictRequest, Value

_EPOCH: Final = dt.datetime(1970, 1, 1)
_EPOCH_UTC: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_EPOCH_DAY: Final = _EPOCH.toordinal()
_MICROSECOND: Final = dt.timedelta(microseconds=1)


class ValueUnsupported(DagrunError):
    """A value that cannot be sent as it is."""

    def __init__(self, row: int, column: object, value: object) -> None:
        self.row, self.column, self.value = row, column, value
        kind = type(value)
        shown = repr(value)[:60]
        super().__init__(
            f"rows[{row}][{column!r}] is {shown} ({kind.__module__}.{kind.__qualname__}), which "
            "cannot be sent exactly. Send None, float, int (64 bits), str, bool, datetime or "
            "date, under column names that are str"
        )


def request(model: str, rows: Iterable[Mapping[str, object]], *, features: bool) -> PredictRequest:
    """Return the request for rows of Python values. Raises `ValueUnsupported`."""
    built = PredictRequest(model=model, include_features=features)
    for number, row in enumerate(rows):
        values = built.rows.add().values
        for column, value in row.items():
            try:
                _put(values[column], value)
            except (TypeError, ValueError):
                raise ValueUnsupported(number, column, value) from None
    return built


def _put(cell: Value, value: object) -> None:
    """Set the one field of `cell` that holds `value`. Raises `TypeError` or `ValueError`."""
    put = _BY_TYPE.get(type(value))
    if put is not None:
        put(cell, value)
    elif isinstance(value, str):
        cell.string_value = value
    elif isinstance(value, dt.datetime):
        _put_datetime(cell, value)
    elif isinstance(value, numbers.Integral):  # NumPy's integers among them
        cell.int64_value = int(value)
    elif isinstance(value, numbers.Real) and not isinstance(value, numbers.Rational):
        cell.double_value = float(value)
    else:
        raise TypeError


def _put_double(cell: Value, value: Any) -> None:
    cell.double_value = value


def _put_integer(cell: Value, value: Any) -> None:
    cell.int64_value = value


def _put_string(cell: Value, value: Any) -> None:
    cell.string_value = value


def _put_bool(cell: Value, value: Any) -> None:
    cell.bool_value = value


def _put_datetime(cell: Value, value: dt.datetime) -> None:
    if getattr(value, "nanosecond", 0):  # pandas has finer ones
        raise ValueError
    if value.tzinfo is None:
        cell.wall_clock_micros = (value - _EPOCH) // _MICROSECOND
    else:
        cell.timestamp_micros = (value - _EPOCH_UTC) // _MICROSECOND


def _put_date(cell: Value, value: Any) -> None:
    cell.date_days = value.toordinal() - _EPOCH_DAY


_BY_TYPE: Final[Mapping[type, Callable[[Value, Any], None]]] = {
    type(None): lambda cell, value: None,  # noqa: ARG005
    float: _put_double,
    int: _put_integer,
    str: _put_string,
    bool: _put_bool,
    dt.datetime: _put_datetime,
    dt.date: _put_date,
}
