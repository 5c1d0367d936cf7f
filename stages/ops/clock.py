"""Ops on time: local time, the day it falls on, parts of both, their cycles.

Instants are turned to local time by rules frozen in the spec; times before 1900 or from 2100 on
are null, since zone rules are unknown there. All arithmetic is on whole microseconds or days,
which doubles hold exactly in that range.
"""

# ruff: noqa: D102 - the twins are documented at `Op`

from __future__ import annotations

import datetime as dt
import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Self

import polars as pl

from dagrun.stages.ops.arguments import checked
from dagrun.stages.ops.define import Feature, Features, Source, each, flatten, name_of, number
from dagrun.stages.ops.errors import FeatureDefinitionError
from dagrun.stages.ops.kind import DAY, FIRST_DAY, LAST_DAY, MOMENT, Kind
from dagrun.stages.ops.op import Names, Op
from dagrun.stages.ops.zone import check_zone, transitions

FIRST, LAST = FIRST_DAY * DAY, LAST_DAY * DAY
_SECOND = 1_000_000


def bounded(x: pl.Expr, tick: int) -> pl.Expr:
    """Return microseconds from a column in units of `tick`, null outside 1900 to 2100."""
    inside = (x >= FIRST // tick) & (x < LAST // tick)
    return pl.when(inside).then(x * tick if tick != 1 else x)


def bounded_row(x: str, tick: int) -> str:
    """Return the condition under which the row twin of `bounded` is null."""
    return f"{x} is None or not {FIRST // tick} <= {x} < {LAST // tick}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock(Op):
    """Local wall-clock time: an instant by the zone's rules, a wall-clock time or date as it is.

    Twin: `Expr.dt.convert_time_zone`, pandas `tz_convert`.
    """

    op = "clock"
    takes = (MOMENT,)
    vouched = (("integer-overflow", "moments are bounded to 1900..2100 before anything is added"),)
    zone: str | None
    tick: int = 1
    changes: tuple[int, ...] = ()
    offsets: tuple[int, ...] = (0,)

    def result(self, kinds: Sequence[Kind]) -> Kind:
        return "midnight" if kinds[0] == "date" else "clock"

    def settle(self, name: str, kinds: Sequence[Kind]) -> Self:
        if kinds[0] != "instant":
            return replace(self, zone=None, tick=DAY if kinds[0] == "date" else 1)
        if self.zone is None:
            raise FeatureDefinitionError(
                name, "its column holds instants; say in which zone to read them: tz='UTC', ..."
            )
        changes, offsets = transitions(self.zone)
        return replace(self, changes=changes, offsets=offsets)

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        moment = bounded(x[0], self.tick)
        if not self.changes:
            return moment + self.offsets[0] * _SECOND
        place = pl.lit(pl.Series(self.changes) * _SECOND).search_sorted(moment, side="right")
        return moment + pl.lit(pl.Series(self.offsets) * _SECOND).gather(place)

    def row(self, x: Names) -> str:
        missing = bounded_row(x[0], self.tick)
        shifts = tuple(float(offset * _SECOND) for offset in self.offsets)
        if self.tick != 1:
            return f"nan if {missing} else {x[0]} * {float(self.tick)!r}"
        if not self.changes:
            return f"nan if {missing} else {x[0]} + {shifts[0]!r}"
        changes = x.bind(tuple(change * _SECOND for change in self.changes), "changes")
        shift = f"{x.bind(shifts, 'shifts')}[{x.bind(bisect_right, 'bisect')}({changes}, {x[0]})]"
        return f"nan if {missing} else {x[0]} + {shift}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Day(Op):
    """The day a local time falls on."""

    op = "day"
    takes = (frozenset[Kind](("clock", "midnight")),)
    gives = "day"

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        return x[0] // DAY

    def row(self, x: Names) -> str:
        place = f"int({x[0]} // {float(DAY)!r}) + {_MARGIN - FIRST_DAY}"
        return f"{place} if {x[0]} == {x[0]} else -1"


_MARGIN = 2
"""Days that a zone's offset may lead beyond the range."""
_TIME_PARTS = {
    "hour": (3_600, 24),
    "minute": (60, 60),
    "second": (1, 60),
    "minute_of_day": (60, 1440),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TimePart(Op):
    """hour, minute, second or minute_of_day of a local time. Twin: `Expr.dt.hour`, ..."""

    op = "time_part"
    takes = (frozenset[Kind](("clock",)),)
    integer = True
    part: str

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        seconds, period = _TIME_PARTS[self.part]
        return (x[0] // (seconds * _SECOND) % period).cast(pl.Int32, wrap_numerical=True)

    def row(self, x: Names) -> str:
        seconds, period = _TIME_PARTS[self.part]
        return f"{x[0]} // {float(seconds * _SECOND)!r} % {float(period)!r}"


_DAY_PARTS: dict[str, tuple[Callable[[pl.Expr], pl.Expr], Callable[[dt.date], int]]] = {
    "year": (lambda x: x.dt.year(), lambda day: day.year),
    "quarter": (lambda x: x.dt.quarter(), lambda day: (day.month + 2) // 3),
    "month": (lambda x: x.dt.month(), lambda day: day.month),
    "week": (lambda x: x.dt.week(), lambda day: day.isocalendar().week),
    "day": (lambda x: x.dt.day(), lambda day: day.day),
    "day_of_year": (lambda x: x.dt.ordinal_day(), lambda day: day.timetuple().tm_yday),
    "weekday": (lambda x: x.dt.weekday(), lambda day: day.isoweekday()),
    "is_weekend": (lambda x: x.dt.weekday() > 5, lambda day: day.isoweekday() > 5),
}
PARTS = (*_TIME_PARTS, *_DAY_PARTS)


@lru_cache(maxsize=16)
def _calendar(part: str) -> tuple[float, ...]:
    """Return a part of every day in the range, then nan for null: the row twin looks it up."""
    epoch = dt.date(1970, 1, 1).toordinal()
    days = range(epoch + FIRST_DAY - _MARGIN, epoch + LAST_DAY + _MARGIN)
    known = (float(_DAY_PARTS[part][1](dt.date.fromordinal(day))) for day in days)
    return (*known, math.nan)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPart(Op):
    """year, quarter, month, week (ISO), day, day_of_year, weekday (Monday 1) or is_weekend.

    Twin: `Expr.dt.month`, ..., feature-engine `DatetimeFeatures`.
    """

    op = "day_part"
    takes = (frozenset[Kind](("day",)),)
    integer = True
    part: str

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        return _DAY_PARTS[self.part][0](x[0].cast(pl.Int32).cast(pl.Date)).cast(pl.Int32)

    def row(self, x: Names) -> str:
        return f"{x.bind(_calendar(self.part), self.part)}[{x[0]}]"


@checked
def date_parts(
    *columns: Source,
    parts: Sequence[str] = ("hour", "weekday", "month"),
    tz: str | None = None,
    name: str | None = None,
) -> Features:
    """Take parts of timestamps or dates; each feature is called `column_part`.

    An aware timestamp is read in the zone `tz`, which it must have; a naive one or a date is
    taken to be local already. A template `name` may hold `{}` for the column and `{part}`.
    Parts: hour, minute, second, minute_of_day, year, quarter, month, week, day, day_of_year,
    weekday (Monday is 1), is_weekend.
    """
    made: list[Feature] = []
    if tz is not None:
        check_zone(tz, "date_parts")
    for part in [parts] if isinstance(parts, str) else parts:
        if part not in PARTS:
            raise FeatureDefinitionError("date_parts", f"no part {part!r}; parts: {PARTS}")
        template = (name or "{}_{part}").replace("{part}", part)
        for one in flatten(columns, "date_parts"):
            source = name_of(one)
            (local,) = each(Clock(zone=tz), [one], None, "local")
            called = template.replace("{}", source)
            if part in _TIME_PARTS:
                made.append(Feature(name=called, op=TimePart(part=part), inputs=(local,)))
                continue
            (day,) = each(Day(), [local], f"{source}_date", "")
            made.append(Feature(name=called, op=DayPart(part=part), inputs=(day,)))
    return tuple(made)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cyclical(Op):
    """sin or cos of 2 pi x / period; null for an infinite x.

    Twin: feature-engine `CyclicalFeatures`.
    """

    op = "cyclical"
    wave: str
    rate: float

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        angle = x[0] * self.rate
        wave = angle.sin() if self.wave == "sin" else angle.cos()
        return pl.when(angle.is_finite()).then(wave)

    def row(self, x: Names) -> str:
        wave = x.bind(math.sin if self.wave == "sin" else math.cos, self.wave)
        return f"{wave}(q) if (q := {x[0]} * {self.rate!r}) - q == 0.0 else nan"


@checked
def cyclical(*columns: Source, period: float, name: str | None = None) -> Features:
    """Place a number on a circle: features `column_sin` and `column_cos`.

    `period` is in the unit of the column: 24 for an hour, 7 for a weekday, 12 for a month.
    """
    length = number("cyclical", "period", period)
    if length <= 0.0:
        raise FeatureDefinitionError("cyclical", f"the period must be positive, got {period}")
    rate = 2.0 * math.pi / length
    made: list[Feature] = []
    for one in flatten(columns, "cyclical"):
        for wave in ("sin", "cos"):
            template = None if name is None else name + "_" + wave
            made.extend(each(Cyclical(wave=wave, rate=rate), [one], template, wave))
    return tuple(made)
