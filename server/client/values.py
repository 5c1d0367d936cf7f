"""From Python values to the wire, exactly.

Guarantee: a value arrives as the very value it is here, or is refused here. A `datetime` with a
zone is an instant, one without is wall-clock time, and a model's column takes only one of them.
"""

from __future__ import annotations

import datetime as dt
import numbers
from collections.abc import Callable, Iterable, Mapping, Sequence
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


class KeysUnmatched(DagrunError):
    """There is not one key for each row."""

    def __init__(self, rows: int, keys: int) -> None:
        self.rows, self.keys = rows, keys
        super().__init__(f"{keys} keys for {rows} rows: give one for each, in their order, or none")


def named(data: bytes, request_id: str) -> bytes:
    """Return the bytes of a request with its id, which goes into the prediction log."""
    return data + PredictRequest(request_id=request_id).SerializeToString()


def request(
    model: str,
    rows: Iterable[Mapping[str, object]],
    *,
    features: bool,
    keys: Sequence[str] | None = None,
) -> PredictRequest:
    """Return the request for rows of Python values, with a key for each row if they are given.

    Raises `ValueUnsupported`, and `KeysUnmatched` for more or fewer keys than rows.
    """
    made, rows = PredictRequest(model=model, include_features=features), list(rows)
    if keys is not None and len(keys) != len(rows):
        raise KeysUnmatched(len(rows), len(keys))
    for number, row in enumerate(rows):
        message = made.rows.add()
        values = message.values
        for column, value in row.items():
            try:
                _BY_TYPE.get(type(value), _set_other)(values[column], value)
            except (TypeError, ValueError):
                raise ValueUnsupported(number, column, value) from None
        if keys is not None:
            message.key = keys[number]
    return made


def encode(
    model: str,
    rows: Iterable[Mapping[str, object]],
    *,
    features: bool,
    keys: Sequence[str] | None = None,
) -> bytes:
    """Return the bytes of that request. Raises as `request` does."""
    return request(model, rows, features=features, keys=keys).SerializeToString()


# What follows sets a `Value`; a value that it cannot hold is a `TypeError` or a `ValueError`.


def _set_double(cell: Value, value: float) -> None:
    cell.double_value = value


def _set_integer(cell: Value, value: int) -> None:
    cell.int64_value = value


def _set_string(cell: Value, value: str) -> None:
    cell.string_value = value


def _set_bool(cell: Value, value: bool) -> None:
    cell.bool_value = value


def _set_datetime(cell: Value, value: dt.datetime) -> None:
    if getattr(value, "nanosecond", 0):  # pandas has finer ones
        raise ValueError
    if value.tzinfo is None:
        cell.wall_clock_micros = (value - _EPOCH) // _MICROSECOND
    else:
        cell.timestamp_micros = (value - _EPOCH_UTC) // _MICROSECOND


def _set_date(cell: Value, value: dt.date) -> None:
    cell.date_days = value.toordinal() - _EPOCH_DAY


def _set_other(cell: Value, value: object) -> None:
    """Set a value of a derived type, such as NumPy's."""
    if isinstance(value, str):
        cell.string_value = str(value)
    elif isinstance(value, dt.datetime):
        _set_datetime(cell, value)
    elif isinstance(value, numbers.Integral):
        cell.int64_value = int(value)
    elif isinstance(value, numbers.Real) and not isinstance(value, numbers.Rational):
        cell.double_value = float(value)
    else:
        raise TypeError


_BY_TYPE: Final[Mapping[type, Callable[[Value, Any], None]]] = {
    type(None): lambda cell, value: None,  # noqa: ARG005
    float: _set_double,
    int: _set_integer,
    str: _set_string,
    bool: _set_bool,
    dt.datetime: _set_datetime,
    dt.date: _set_date,
}
