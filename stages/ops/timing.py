"""When: what features declare about time, and the moments and durations they write it in.

A moment is written in ISO 8601 (`"2013-08-31"`, `"2013-08-31T06:00Z"`); a date alone is its first
instant. Without an offset it is read in the time zone of the time column, if that has one. A
duration is a whole number and a unit, as Polars writes them: `"90m"`, `"6h"`, `"1d"`. A day is 24
hours. Inside, both are Int64 microseconds, of UTC where the time column has a zone.

Guarantee: the same text and column give the same moment everywhere, and a moment that is written
and read again is the same. The limit: the years 1 to 9999.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Literal
from zoneinfo import ZoneInfo

import polars as pl

from dagrun.stages.ops.errors import FeatureDefinitionError

Earlier = Literal["mask", "refuse"]
"""What becomes of training rows from before something was available."""

Scheme = Literal["all", "folds", "spans", "past"]
"""Which rows give a training row its value from a frozen table.

All of them, its own included; the other folds of scattered rows; the other spans of time; or
those that were known strictly before its own moment.
"""

_UNITS = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
    "w": 604_800_000_000,
}
_EPOCH = dt.datetime(1970, 1, 1)
_MICROSECOND = dt.timedelta(microseconds=1)
FIRST_MOMENT = (dt.datetime.min - _EPOCH) // _MICROSECOND
LAST_MOMENT = (dt.datetime.max - _EPOCH) // _MICROSECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What one feature declares about time. All of it is for fitting; serving knows nothing of it.

    Attributes:
        as_of: its table is made of rows known by this moment only.
        scheme: what the training rows get, or None for the op's own way.
        available_since: the first moment at which the feature can be had.
        earlier: what becomes of training rows before that.
    """

    as_of: str | None = None
    scheme: Scheme | None = None
    available_since: str | None = None
    earlier: Earlier = "mask"

    @property
    def needs_time(self) -> bool:
        """Whether it means something only where rows have a time."""
        timed = self.scheme in ("spans", "past")
        return timed or self.as_of is not None or self.available_since is not None


UNTIMED = Timing()
"""Nothing is declared about time."""


def timing(op: str, *, as_of: str | None, scheme: Scheme, allowed: tuple[Scheme, ...]) -> Timing:
    """Return the timing of a feature. Raises `FeatureDefinitionError`, naming `op`."""
    if scheme not in allowed:
        known = ", ".join(repr(one) for one in allowed)
        raise FeatureDefinitionError(op, f"training is one of {known}, not {scheme!r}")
    if as_of is not None:
        check_moment(op, "as_of", as_of)
    return Timing(as_of=as_of, scheme=None if scheme == allowed[0] else scheme)


def check_moment(name: str, what: str, text: object) -> None:
    """Raise `FeatureDefinitionError` unless `text` is written as a moment."""
    if not isinstance(text, str) or _parsed(text) is None:
        raise FeatureDefinitionError(
            name, f"{what} must be an ISO 8601 date or time such as '2013-08-31', not {text!r}"
        )


def duration(name: str, what: str, text: object) -> int:
    """Return a duration in microseconds. Raises `FeatureDefinitionError`, naming `name`."""
    found = re.fullmatch(r"(\d{1,9})([a-z]+)", text) if isinstance(text, str) else None
    if found is None or found[2] not in _UNITS:
        raise FeatureDefinitionError(
            name,
            f"{what} must be a whole number and one of {', '.join(_UNITS)}, such as '6h', "
            f"not {text!r}",
        )
    return int(found[1]) * _UNITS[found[2]]


def read_moment(name: str, what: str, text: str, dtype: pl.DataType) -> int:
    """Return a moment in microseconds, as it compares with a time column of `dtype`.

    Raises `FeatureDefinitionError` for an offset where the column has no time zone.
    """
    moment = _parsed(text)
    assert moment is not None, "checked when it was declared"
    zone = dtype.time_zone if isinstance(dtype, pl.Datetime) else None
    if moment.tzinfo is not None and zone is None:
        raise FeatureDefinitionError(
            name, f"{what} {text!r} has an offset, but the time column has no time zone"
        )
    if zone is not None:
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=ZoneInfo(zone))
        moment = aware.astimezone(dt.UTC).replace(tzinfo=None)
    return (moment - _EPOCH) // _MICROSECOND


def write_moment(microseconds: int, dtype: pl.DataType) -> str:
    """Return a moment as text: a date for a date column, with `Z` where the column has a zone."""
    moment = _EPOCH + dt.timedelta(microseconds=microseconds)
    if isinstance(dtype, pl.Date) and moment.time() == dt.time():
        return moment.date().isoformat()
    zoned = isinstance(dtype, pl.Datetime) and dtype.time_zone is not None
    return moment.isoformat() + ("Z" if zoned else "")


def _parsed(text: str) -> dt.datetime | None:
    # Python takes any character for the T, and so "+02:00" after a date for a time.
    if text[10:11] not in ("", "T", " "):
        return None
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        return None
