"""The kinds of value that flow between ops, and how each twin holds them.

| kind | batch twin | row twin | null in the row twin |
|---|---|---|---|
| double | Float64 | float | nan |
| int64 | Int64 | int | None |
| string | String | str | None |
| bool | Boolean | bool | None |
| timestamp (wall clock), instant (UTC) | Int64 microseconds since 1970 | int | None |
| date | Int64 days since 1970 | int | None |
| clock, midnight (wall clock from 1900 to 2100) | Int64 microseconds | float, whole | nan |
| day (from 1900 to 2100) | Int64 days since 1970 | int, a place in the calendar tables | -1 |
| vector (to be taken apart) | Struct of Float32, null or whole | sequence of float | all nan |

No column of either twin ever holds a NaN beside null: NaN is null at the door, and an op that
could compute one makes it null. So in the row twin one canonical `nan` stands for null, and
arithmetic carries it along without a test.
"""

from __future__ import annotations

from typing import Literal, get_args

Dtype = Literal["double", "int64", "string", "bool", "timestamp", "date"]
"""The dtype of an input column, as on the wire."""

Kind = Literal[
    "double",
    "int64",
    "string",
    "bool",
    "timestamp",
    "instant",
    "date",
    "clock",
    "midnight",
    "day",
    "vector",
]
"""The kind of a value between ops."""

DTYPES: tuple[Dtype, ...] = get_args(Dtype)
NAN_IS_NULL = frozenset[Kind](("double", "clock", "midnight"))
NUMBER = frozenset[Kind](("double",))
WIDENED = frozenset[Kind](("int64", "bool"))
"""Kinds that are cast to double where an op takes only doubles."""
KEY = frozenset[Kind](("string", "int64", "bool", "date"))
MOMENT = frozenset[Kind](("instant", "timestamp", "date"))
TEXT = frozenset[Kind](("string",))
ANY = frozenset[Kind](("instant", *DTYPES))

DAY = 86_400_000_000
"""Microseconds of a day."""
FIRST_DAY, LAST_DAY = -25_567, 47_482
"""1900-01-01 and 2100-01-01 in days since 1970: zone rules are taken as known in between."""
