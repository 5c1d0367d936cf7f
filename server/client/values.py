"""From Python values to the wire, exactly.

Guarantee: a value arrives as the very value it is here, or is refused here. A `datetime` with a
zone is an instant, one without is wall-clock time, and a model's column takes only one of them.
The bytes are written here and not by protobuf's map of messages. Where it ends: by themselves they
are written faster so, in whole calls they were not (35 us against 21).
"""

from __future__ import annotations

import datetime as dt
import functools
import numbers
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from dagrun.engine.errors import DagrunError
from dagrun.proto.dagrun_v1_pb2 import PredictRequest

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
    return data + _field(0x22, request_id.encode())


def request(model: str, rows: Iterable[Mapping[str, object]], *, features: bool) -> PredictRequest:
    """Return the request for rows of Python values. Raises `ValueUnsupported`."""
    return PredictRequest.FromString(encode(model, rows, features=features))


def encode(
    model: str,
    rows: Iterable[Mapping[str, object]],
    *,
    features: bool,
    keys: Sequence[str] | None = None,
) -> bytes:
    """Return the bytes of that request, with a key for each row if they are given.

    Raises `ValueUnsupported`, and `KeysUnmatched` for more or fewer keys than rows.
    """
    parts, rows = [_field(0x0A, model.encode())], list(rows)
    if keys is not None and len(keys) != len(rows):
        raise KeysUnmatched(len(rows), len(keys))
    for number, row in enumerate(rows):
        entries = []
        for column, value in row.items():
            try:
                key, cell = _key(column), _BY_TYPE.get(type(value), _other)(value)
            except (TypeError, ValueError):
                raise ValueUnsupported(number, column, value) from None
            entries.append(_field(0x0A, key + cell))
        if keys is not None:
            entries.append(_field(0x12, keys[number].encode()))
        parts.append(_field(0x12, b"".join(entries)))
    if features:
        parts.append(b"\x18\x01")
    return b"".join(parts)


def _field(tag: int, content: bytes) -> bytes:
    """Return a length-delimited field."""
    size = len(content)
    head = bytes((tag, size)) if size < 0x80 else bytes((tag, *_varint(size)))
    return head + content


def _varint(number: int) -> bytes:
    """Return a number of at most 64 bits, not negative, in protobuf's variable length."""
    octets = bytearray()
    while number >= 0x80:
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    octets.append(number)
    return bytes(octets)


@functools.lru_cache(maxsize=10_000)
def _key(column: str) -> bytes:
    """Return the key of a map's entry. Raises `TypeError` or `ValueError`."""
    if not isinstance(column, str):
        raise TypeError
    return _field(0x0A, column.encode())


# What follows returns the value of a map's entry: its field 2, which holds a `Value`.
_DOUBLE: Final = struct.Struct("<BBBd")


def _double(value: float) -> bytes:
    return _DOUBLE.pack(0x12, 9, 0x09, value)


def _integer(value: int, kind: int = 0x10) -> bytes:
    if not -(2**63) <= value < 2**63:
        raise ValueError
    octets = _varint(value & (2**64 - 1))
    return bytes((0x12, 1 + len(octets), kind)) + octets


def _string(value: str) -> bytes:
    return _field(0x12, _field(0x1A, value.encode()))


def _datetime(value: dt.datetime) -> bytes:
    if getattr(value, "nanosecond", 0):  # pandas has finer ones
        raise ValueError
    if value.tzinfo is None:
        return _integer((value - _EPOCH) // _MICROSECOND, 0x30)
    return _integer((value - _EPOCH_UTC) // _MICROSECOND, 0x28)


def _date(value: dt.date) -> bytes:
    return _integer(value.toordinal() - _EPOCH_DAY, 0x38)


def _other(value: object) -> bytes:
    """Encode a value of a derived type, such as NumPy's. Raises `TypeError` or `ValueError`."""
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, dt.datetime):
        return _datetime(value)
    if isinstance(value, numbers.Integral):
        return _integer(int(value))
    if isinstance(value, numbers.Real) and not isinstance(value, numbers.Rational):
        return _double(float(value))
    raise TypeError


_BY_TYPE: Final[Mapping[type, Callable[[Any], bytes]]] = {
    type(None): lambda _: b"\x12\x00",
    float: _double,
    int: _integer,
    str: _string,
    bool: lambda value: b"\x12\x02\x20\x01" if value else b"\x12\x02\x20\x00",
    dt.datetime: _datetime,
    dt.date: _date,
}
