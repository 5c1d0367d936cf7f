"""Ranges and sets of a contract, carried in the bundle for rows that are served.

Guarantee: a row is within the limits exactly if each of its values is null (or NaN), or neither
below its column's least value, nor above the greatest, nor outside of its set; numbers are
compared exactly, a timestamp by its microseconds and a date by its days, as the row function takes
them. Where it ends: patterns, shares of nulls and rules over several rows stay with the pipeline.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import polars as pl

from dagrun.engine.errors import DefinitionError, listing
from dagrun.stages.features import Column

if TYPE_CHECKING:
    from dagrun.stages.validate.contract import Contract

Live = Literal["warn", "count", "refuse"]
Value = bool | int | float | str
Within = Callable[[Sequence[object]], bool]

_SETS_KEPT = 256
_EPOCH = dt.datetime(1970, 1, 1)
_MICROSECOND = dt.timedelta(microseconds=1)


class LimitsInvalid(DefinitionError):
    """A bundle is to carry limits that cannot be."""

    def __init__(self, column: str, problem: str) -> None:
        self.column, self.problem = column, problem
        super().__init__(f"the contract cannot travel with the bundle: column {column!r} {problem}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What values of one column may be, as the row function takes them.

    Attributes:
        column: the column.
        least: least value allowed, or None; `greatest` likewise.
        allowed: the values allowed, sorted, or None for any.
    """

    column: str
    least: int | float | None = None
    greatest: int | float | None = None
    allowed: tuple[Value, ...] | None = None

    def outside(self, value: Any) -> bool:
        """Tell whether a value is none that the contract allows."""
        if value is None or value != value:
            return False
        return (
            (self.least is not None and value < self.least)
            or (self.greatest is not None and value > self.greatest)
            or (self.allowed is not None and value not in self.allowed)
        )

    def any_outside(self, values: pl.Series) -> bool:
        """Tell whether `all_outside` finds any, in a tenth of its time."""
        if self.allowed is not None and values.dtype == pl.String:
            known = values.cast(_words(self.allowed), strict=False)
            others = known.null_count() > values.null_count()
        else:
            others = self.allowed is not None and bool(self.all_outside(values).any())
        return others or self.outside(values.min()) or self.outside(values.max())

    def all_outside(self, values: pl.Series) -> pl.Series:
        """Return for each value, given as ops see it, what `outside` says."""
        bad = pl.repeat(False, len(values), eager=True)
        if self.least is not None:
            bad |= values < self.least
        if self.greatest is not None:
            bad |= values > self.greatest
        if self.allowed is not None:
            bad |= ~values.is_in(list(self.allowed))
        return bad.fill_null(False)

    def __str__(self) -> str:
        bounds = [f"at least {self.least}"] if self.least is not None else []
        if self.greatest is not None:
            bounds.append(f"at most {self.greatest}")
        if self.allowed is not None:
            bounds.append(f"one of {listing([repr(value) for value in self.allowed])}")
        return ", ".join(bounds)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of all columns, and what becomes of a row outside of them.

    Attributes:
        live: `"count"` the row; `"warn"`: name the columns in its answer too; `"refuse"` it.
        columns: the limits, in the order of the spec's inputs.
    """

    live: Live
    columns: tuple[Limit, ...]

    @classmethod
    def of(cls, contract: Contract, inputs: Sequence[Column], live: Live) -> Limits:
        """Take the ranges and sets of the contract's columns that are inputs of the spec.

        Raises `LimitsInvalid` for one that does not fit its input's type.
        """
        if live not in get_args(Live):
            raise LimitsInvalid("*", f"cannot be {live!r}; choose one of {listing(get_args(Live))}")
        rules = {rule.name: rule for rule in contract.columns}
        found = []
        for column in inputs:
            rule = rules.get(column.name)
            if rule is None or (rule.min, rule.max, rule.allowed) == (None, None, None):
                continue
            allowed = rule.allowed and tuple(sorted(_value(column, one) for one in rule.allowed))
            found.append(
                Limit(
                    column=column.name,
                    least=None if rule.min is None else _number(column, rule.min),
                    greatest=None if rule.max is None else _number(column, rule.max),
                    allowed=allowed,
                )
            )
        return cls(live=live, columns=tuple(found))

    def describe(self) -> dict[str, Any]:
        """Return a JSON form that `rebuild` reads."""
        return {
            "columns": [
                {
                    "allowed": limit.allowed and [_form(value) for value in limit.allowed],
                    "column": limit.column,
                    "greatest": _form(limit.greatest),
                    "least": _form(limit.least),
                }
                for limit in self.columns
            ],
            "live": self.live,
        }

    @classmethod
    def rebuild(cls, described: Any) -> Limits:
        """Return the limits that `describe` described. Raises `KeyError`, `TypeError` or such."""
        if described["live"] not in get_args(Live):
            raise ValueError(described["live"])
        columns = [
            Limit(
                column=limit["column"],
                least=_read(limit["least"]),
                greatest=_read(limit["greatest"]),
                allowed=limit["allowed"] and tuple(map(_read, limit["allowed"])),
            )
            for limit in described["columns"]
        ]
        return cls(live=described["live"], columns=tuple(columns))

    def within(self, inputs: Sequence[Column]) -> Within:
        """Return a function that tells whether a row, in the order of `inputs`, is within.

        It is compiled for these limits: 20 columns take about a microsecond.
        """
        places = {column.name: place for place, column in enumerate(inputs)}
        names: dict[str, object] = {}
        parts = []
        for number, limit in enumerate(self.columns):
            value = f"row[{places[limit.column]}]"
            names |= {f"a{number}": limit.least, f"z{number}": limit.greatest}
            if limit.least is not None or limit.greatest is not None:
                low = f"a{number} <= " if limit.least is not None else ""
                high = f" <= z{number}" if limit.greatest is not None else ""
                # NaN, which is no value, is the only one that differs from itself.
                parts.append(f"({value} is None or {low}{value}{high} or {value} != {value})")
            if limit.allowed is not None:
                names[f"s{number}"] = frozenset((None, *limit.allowed))
                parts.append(f"({value} in s{number} or {value} != {value})")
        compiled: Within = eval(f"lambda row: {' and '.join(parts) or True}", names)
        return compiled


@functools.lru_cache(maxsize=_SETS_KEPT)
def _words(allowed: tuple[str, ...]) -> pl.Enum:
    return pl.Enum(list(dict.fromkeys(allowed)))


def _number(column: Column, bound: Any) -> int | float:
    value = _value(column, bound)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise LimitsInvalid(column.name, f"is {column.dtype}, which has no range")


def _value(column: Column, given: Any) -> Any:
    """Return a contract's value as the row function takes one of the column."""
    if isinstance(given, dt.datetime):
        fits = column.dtype == "timestamp" and column.aware == (given.tzinfo is not None)
        naive = given.astimezone(dt.UTC).replace(tzinfo=None) if given.tzinfo else given
        value: Any = (naive - _EPOCH) // _MICROSECOND
    elif isinstance(given, dt.date):
        fits, value = column.dtype == "date", (given - _EPOCH.date()).days
    else:
        kinds: dict[str, tuple[type, ...]] = {
            "double": (int, float),
            "int64": (int, float),
            "string": (str,),
            "bool": (bool,),
        }
        fits = isinstance(given, kinds.get(column.dtype, ()))
        fits, value = fits and (column.dtype == "bool") == isinstance(given, bool), given
    if not fits:
        raise LimitsInvalid(column.name, f"is {column.kind} in the spec, and {given!r} is none")
    return value


def _form(value: Value | None) -> Any:
    return {"float": value.hex()} if isinstance(value, float) else value


def _read(form: Any) -> Any:
    return float.fromhex(form["float"]) if isinstance(form, dict) else form
