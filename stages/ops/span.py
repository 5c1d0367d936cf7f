"""The time between two moments: time_since."""

# ruff: noqa: D102 - the twins are documented at `Op`

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import polars as pl

from dagrun.stages.ops.arguments import checked
from dagrun.stages.ops.clock import FIRST, LAST, bounded, bounded_row
from dagrun.stages.ops.define import Feature, Features, Source, name_of, only
from dagrun.stages.ops.errors import FeatureDefinitionError
from dagrun.stages.ops.kind import DAY, MOMENT, Kind
from dagrun.stages.ops.op import Names, Op

Unit = Literal["seconds", "minutes", "hours", "days"]
_UNITS = {"seconds": 1_000_000, "minutes": 60_000_000, "hours": 3_600_000_000, "days": DAY}


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSince(Op):
    """The span from an earlier moment, or from a fixed origin, to the first input.

    Null for moments before 1900 or from 2100 on. Both moments are of one sort: instants,
    wall-clock times or dates. Twin: feature-engine `DatetimeSubtraction`.
    """

    op = "time_since"
    takes = (MOMENT,)
    vouched = (("integer-overflow", "both moments are bounded to 1900..2100 first"),)
    rate: float
    origin: int | None
    origin_aware: bool
    tick: int = 1

    def settle(self, name: str, kinds: Sequence[Kind]) -> Self:
        if len(set(kinds)) > 1:
            raise FeatureDefinitionError(name, f"cannot subtract a {kinds[1]} from a {kinds[0]}")
        if self.origin is not None and self.origin_aware != (kinds[0] == "instant"):
            words = {True: "has a time zone", False: "has none"}
            raise FeatureDefinitionError(
                name, f"its origin {words[self.origin_aware]}, unlike its column"
            )
        return replace(self, tick=DAY if kinds[0] == "date" else 1)

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        earlier = pl.lit(self.origin) if len(x) == 1 else bounded(x[1], self.tick)
        return (bounded(x[0], self.tick) - earlier).cast(pl.Float64) * self.rate

    def row(self, x: Names) -> str:
        missing = " or ".join(bounded_row(one, self.tick) for one in x)
        scaled = [one if self.tick == 1 else f"{one} * {self.tick}" for one in x]
        earlier = str(self.origin) if len(x) == 1 else scaled[1]
        return f"nan if {missing} else ({scaled[0]} - {earlier}) * {self.rate!r}"


@checked
def time_since(
    moment: Source,
    earlier: Source | dt.datetime,
    *,
    unit: Unit = "days",
    name: str | None = None,
) -> Features:
    """The span from `earlier` (a column, or a fixed datetime) to `moment`, negative if later."""
    later = only(moment, "time_since")
    origin, aware, label = None, False, "origin"
    inputs: tuple[str | Feature, ...] = (later,)
    if isinstance(earlier, dt.datetime):
        aware = earlier.tzinfo is not None
        zero = dt.datetime(1970, 1, 1, tzinfo=dt.UTC if aware else None)
        origin = (earlier - zero) // dt.timedelta(microseconds=1)
        if not FIRST <= origin < LAST:
            raise FeatureDefinitionError("time_since", f"{earlier} is not within 1900 to 2100")
    else:
        before = only(earlier, "time_since")
        inputs, label = (later, before), name_of(before)
    op = TimeSince(rate=1.0 / _UNITS[unit], origin=origin, origin_aware=aware)
    derived = f"{name_of(later)}_{unit}_since_{label}"
    return (Feature(name=name or derived, op=op, inputs=inputs),)
