"""What an element of a V2 tensor means in a column of the model: one element at a time.

Guarantee: every element that comes through is exactly what was sent; one that the column cannot
hold exactly raises `NotExact`, which says why. NaN in a float tensor is null, as nothing else in
the protocol is. Text that stands for a time or a date is ISO 8601, to the microsecond.
Where it ends: a column that allows no null is the reader's business, not told here.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Mapping
from typing import Final

from dagrun.server.protocols.v2_tensor import NotExact, Tensor, content_type
from dagrun.stages.features import Column
from dagrun.stages.ops.kind import Kind

_EXACT = 2**53
_MICROSECOND = dt.timedelta(microseconds=1)
_EPOCH, _EPOCH_UTC = dt.datetime(1970, 1, 1), dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_EPOCH_DAY = _EPOCH.toordinal()
_FINER = re.compile(r"[.,]\d{6}\d*[1-9]")

Scalar = float | int | str | bool | None
Check = Callable[..., Scalar]


_FLOATS = ("FP64", "FP32", "FP16")
_NARROW = ("INT8", "INT16", "INT32", "UINT8", "UINT16", "UINT32")
TEXTS = ("", "str", "datetime", "pd", "np")
"""Content types of a BYTES tensor whose elements are plain text."""
JSON = "pd_json"
"""The content type of a BYTES tensor of JSON documents: how pandas columns with nulls come."""


def _whole_to_double(value: int) -> float:
    if not -_EXACT <= value <= _EXACT:
        raise NotExact(f"{value} is beyond 2**53 and does not fit a double")
    return float(value)


def _double_to_whole(value: float) -> int | None:
    if value != value:
        return None
    if not (value.is_integer() and -_EXACT <= value <= _EXACT):
        raise NotExact(f"{value!r} is no whole number within 2**53; the model needs an int64")
    return int(value)


def _to_int64(value: int) -> int:
    if not -(2**63) <= value < 2**63:
        raise NotExact(f"{value} does not fit an int64")
    return value


def _to_days(value: int) -> int:
    if not -(2**31) <= value < 2**31:
        raise NotExact(f"{value} days are beyond the range of a date")
    return value


def text(element: bytes) -> str:
    """Return an element of BYTES as text. Raises `NotExact` when it is no UTF-8."""
    try:
        return element.decode()
    except UnicodeDecodeError as error:
        raise NotExact("is no UTF-8") from error


def _moment(element: bytes | str) -> dt.datetime:
    written = element if isinstance(element, str) else text(element)
    try:
        moment = dt.datetime.fromisoformat(written)
    except ValueError:
        raise NotExact(f"{written[:40]!r} is no time in ISO 8601") from None
    if _FINER.search(written):
        raise NotExact(f"{written[:40]!r} is finer than a microsecond")
    return moment


def _instant(element: bytes | str) -> int:
    moment = _moment(element)
    if moment.tzinfo is None:
        raise NotExact(f"{moment.isoformat()!r} has no zone; the model needs an instant")
    return (moment - _EPOCH_UTC) // _MICROSECOND


def _wall_clock(element: bytes | str) -> int:
    moment = _moment(element)
    if moment.tzinfo is not None:
        raise NotExact(
            f"{moment.isoformat()!r} has a zone; the model needs a wall-clock time (without one)"
        )
    return (moment - _EPOCH) // _MICROSECOND


def _day(element: bytes | str) -> int:
    moment = _moment(element)
    if moment.tzinfo is not None or moment.time() != dt.time.min:
        raise NotExact(f"{moment.isoformat()!r} is no date")
    return moment.toordinal() - _EPOCH_DAY


CHECKS: Final[Mapping[Kind, Mapping[str, Check | None]]] = {
    "double": {
        **dict.fromkeys(_FLOATS),
        **dict.fromkeys(_NARROW, float),
        "INT64": _whole_to_double,
        "UINT64": _whole_to_double,
    },
    "int64": {
        "INT64": None,
        **dict.fromkeys(_NARROW),
        "UINT64": _to_int64,
        **dict.fromkeys(_FLOATS, _double_to_whole),
    },
    "bool": {"BOOL": None},
    "string": {"BYTES": text},
    "timestamp": {"INT64": None, "BYTES": _wall_clock},
    "instant": {"INT64": None, "BYTES": _instant},
    "date": {"INT32": None, "INT64": _to_days, "BYTES": _day},
}
"""By the kind of a column, the datatypes it takes, and what makes an element a value of it; None
where the element is the value. The first is the one that the model's metadata tells."""

UNITS: Final[Mapping[str, str]] = {
    "timestamp": "microseconds since 1970-01-01T00:00:00 on the wall clock",
    "instant": "microseconds since 1970-01-01T00:00:00Z",
    "date": "days since 1970-01-01",
}
"""What the numbers of a time or date count."""


def _text_of_json(value: object) -> str:
    if not isinstance(value, str):
        raise NotExact(f"{json.dumps(value)[:40]} is no string")
    return value


def _bool_of_json(value: object) -> bool:
    if not isinstance(value, bool):
        raise NotExact(f"{json.dumps(value)[:40]} is no bool")
    return value


def _number_of_json(value: object) -> float | int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotExact(f"{json.dumps(value)[:40]} is no number")
    return value


def check_of(column: Column, tensor: Tensor) -> Check | None:
    """Return what makes an element a value of the column. Raises `NotExact` when nothing does."""
    datatype, checks = tensor.datatype, CHECKS[column.kind]
    content = content_type(tensor) if datatype == "BYTES" else ""
    if content == JSON:
        return from_json(column.kind)
    if datatype not in checks:
        raise NotExact(f"is {datatype[:20] or 'of no datatype'}; it takes {', '.join(checks)}")
    if content not in TEXTS:
        known = ", ".join([*filter(None, TEXTS), JSON])
        raise NotExact(f"has the content type {content[:20]!r}; known are {known}")
    return checks[datatype]


def from_json(kind: Kind) -> Check:
    """Return what makes an element that holds a JSON document a value of the column.

    A JSON null is null; a number, a bool, a string, and a time or date in ISO 8601 (or as the
    number that the metadata tells) are what they say.
    """
    of = _OF_JSON[kind]

    def check(element: bytes) -> Scalar:
        try:
            value = json.loads(text(element))
        except (ValueError, RecursionError):
            raise NotExact("is no JSON, as the content type pd_json wants") from None
        return None if value is None else of(value)

    return check


def _double_of_json(value: object) -> float:
    number = _number_of_json(value)
    return _whole_to_double(number) if isinstance(number, int) else number


def _int64_of_json(value: object) -> int | None:
    number = _number_of_json(value)
    return _to_int64(number) if isinstance(number, int) else _double_to_whole(number)


def _time_of_json(parse: Check, most: Check) -> Check:
    def check(value: object) -> Scalar:
        if isinstance(value, str):
            return parse(value)
        number = _number_of_json(value)
        if not isinstance(number, int):
            raise NotExact(f"{number!r} is no whole number")
        return most(number)

    return check


_OF_JSON: Final[Mapping[Kind, Check]] = {
    "double": _double_of_json,
    "int64": _int64_of_json,
    "bool": _bool_of_json,
    "string": _text_of_json,
    "timestamp": _time_of_json(_wall_clock, _to_int64),
    "instant": _time_of_json(_instant, _to_int64),
    "date": _time_of_json(_day, _to_days),
}
