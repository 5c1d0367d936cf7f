"""Ops that read dates and times from strings by explicit formats: parse_date, parse_datetime.

Guarantee: a string reads when it matches a format to the letter and names a day that exists;
nothing is guessed. Both twins match the same regular expression and run the same arithmetic on
whole numbers; no date parser is involved, whose ideas of width and white space differ. The limit:
the Gregorian calendar from year 1 to 9999, English names, no leap seconds.
"""

# ruff: noqa: ARG002, D102 - the interface is documented at `Op`

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import polars as pl

from dagrun.stages.ops.arguments import checked
from dagrun.stages.ops.date_format import DATE, WORDS, pattern, wrong
from dagrun.stages.ops.define import Features, Source, each
from dagrun.stages.ops.errors import FeatureDefinitionError
from dagrun.stages.ops.kind import DAY, Kind
from dagrun.stages.ops.parsed import Parsed

Whole = TypeVar("Whole", int, pl.Expr)
"""A whole number of the row twin, or a column of them in the batch twin."""


def day_number(year: Whole, month: Whole, day: Whole) -> Whole:
    """Return the days from 1970-01-01 to a date of the Gregorian calendar.

    Years are counted from March, so that the leap day is the last; from there the months have
    30.6 days on average. Source: Hinnant, "chrono-Compatible Low-Level Date Algorithms".
    """
    since_march = (month + 9) % 12
    year = year - since_march // 10
    leap_days = year // 4 - year // 100 + year // 400
    return year * 365 + leap_days + (since_march * 306 + 5) // 10 + day - 719_469


def day_of(parts: Mapping[str, Whole]) -> tuple[Whole, Whole]:
    """Return the day as days since 1970, and whether (as bool) it exists."""
    # Of two digits, 69 to 99 are of the 1900s and 00 to 68 of the 2000s, as in POSIX.
    year = parts["Y"] if "Y" in parts else (parts["y"] + 31) % 100 + 1969
    month = next(parts[one] for one in "mbB" if one in parts)
    day = day_number(year, month, parts["d"])
    next_month = day_number(year + month // 12, month % 12 + 1, parts["d"] * 0 + 1)
    exists = (year >= 1) & (month >= 1) & (month <= 12) & (parts["d"] >= 1) & (day < next_month)
    return day, exists


def moment_of(parts: Mapping[str, Whole]) -> tuple[Whole, Whole]:
    """Return the moment as microseconds since 1970, and whether it exists."""
    day, exists = day_of(parts)
    moment = day * DAY
    for part, unit, limit in (
        ("H", 3_600_000_000, 24),
        ("M", 60_000_000, 60),
        ("S", 1_000_000, 60),
        ("f", 1, 1_000_000),
    ):
        if part in parts:
            moment = moment + parts[part] * unit
            exists = exists & (parts[part] < limit)
    if "I" in parts:
        moment = moment + (parts["I"] % 12 + parts["p"] * 12) * 3_600_000_000
        exists = exists & (parts["I"] >= 1) & (parts["I"] <= 12)
    if "z" in parts:
        offset = parts["zh"] * 60 + parts["zm"]
        moment = moment - parts["z"] * offset * 60_000_000
        exists = exists & (parts["zh"] < 24) & (parts["zm"] < 60)
    return moment, exists


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedTime(Parsed):
    """A day or moment by one of `formats`; null also where two formats read it differently."""

    vouched = (*Parsed.vouched, ("integer-overflow", "of at most six digits times microseconds"))
    formats: tuple[str, ...]

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        read = [self._batch_one(x[0], form) for form in self.formats]
        if len(read) == 1:
            return read[0]
        fields = [pl.field(str(place)) for place in range(len(read))]
        least = pl.min_horizontal(fields)
        agreed = pl.when(least == pl.max_horizontal(fields)).then(least).alias("agreed")
        all_read = pl.struct(one.alias(str(place)) for place, one in enumerate(read))
        return all_read.struct.with_fields(agreed).struct.field("agreed")

    def _batch_one(self, x: pl.Expr, form: str) -> pl.Expr:
        # Fields of structs, so that the string is matched once and not once for each use.
        expression, groups = pattern(form)
        found = x.str.extract_groups(expression)
        numbers = [
            _column(group, pl.field(str(place))).alias(group)
            for place, group in enumerate(groups, start=1)
        ]
        value, exists = self._value({group: pl.field(group) for group in groups})
        made = found.struct.with_fields(numbers).struct.with_fields(
            pl.when(exists).then(value).alias("value")
        )
        return made.struct.field("value")

    def reader(self) -> Callable[[str], int | None]:
        forms = [pattern(form) for form in self.formats]
        matches = [(re.compile(expression).fullmatch, groups) for expression, groups in forms]

        def parse(text: str) -> int | None:
            read: set[int] = set()
            for match, groups in matches:
                if (found := match(text)) is not None:
                    value, exists = self._value(dict(map(_part, groups, found.groups())))
                    if exists:
                        read.add(value)
            return read.pop() if len(read) == 1 else None

        return parse

    def _value(self, parts: Mapping[str, Whole]) -> tuple[Whole, Whole]:
        raise NotImplementedError


def _column(group: str, text: pl.Expr) -> pl.Expr:
    """Return the numbers of a group, null where the string does not match."""
    if words := WORDS.get(group):
        number = text.replace_strict(
            pl.Series(list(words)),
            pl.Series(list(words.values()), dtype=pl.Int64),
            default=None,
            return_dtype=pl.Int64,
        )
    else:
        padded = text.str.pad_end(6, "0") if group == "f" else text
        number = padded.cast(pl.Int64, strict=False)
    return number.fill_null(0) if group[0] == "z" else number


def _part(group: str, text: str | None) -> tuple[str, int]:
    """Return the number of a group, as `_column` does."""
    if text is None:
        return group, 0
    if words := WORDS.get(group):
        return group, words[text]
    return group, int(text.ljust(6, "0") if group == "f" else text)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParseDate(ParsedTime):
    """The date that a string holds, for date_parts, time_since or a key.

    Null when no format matches or the day does not exist. See `parse_date` for formats.
    Twin: pandas `to_datetime(format=..., errors="coerce")`, Polars `Expr.str.to_date`.
    """

    op = "parse_date"
    what = "a date"
    gives = "date"

    def _value(self, parts: Mapping[str, Whole]) -> tuple[Whole, Whole]:
        return day_of(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParseDatetime(ParsedTime):
    """The moment that a string holds: an instant with %z or `utc`, else wall-clock time.

    Null when no format matches or the moment does not exist. See `parse_date` for formats.
    Twin: pandas `to_datetime(format=..., errors="coerce")`, Polars `Expr.str.to_datetime`.
    """

    op = "parse_datetime"
    what = "a time"
    gives = "timestamp"
    utc: bool

    def result(self, kinds: Sequence[Kind]) -> Kind:
        zoned = self.utc or "z" in pattern(self.formats[0])[1]
        return "instant" if zoned else "timestamp"

    def _value(self, parts: Mapping[str, Whole]) -> tuple[Whole, Whole]:
        return moment_of(parts)


def _formats(op: str, given: str | Sequence[str]) -> tuple[str, ...]:
    formats = (given,) if isinstance(given, str) else tuple(given)
    if not formats:
        raise FeatureDefinitionError(op, "give at least one format, such as '%Y-%m-%d'")
    zoned = {"z" in pattern(form)[1] for form in formats}
    if len(zoned) > 1:
        raise FeatureDefinitionError(op, "all formats have an offset (%z), or none has")
    return formats


@checked
def parse_date(
    *columns: Source, format: str | Sequence[str], strict: bool = False, name: str | None = None
) -> Features:
    """Read dates from strings by one or several explicit formats.

    Directives: %Y (four digits), %y (69 to 99 are of the 1900s), %m, %d, %B and %b (English
    month names, whole or three letters; as Title, UPPER or lower), %%. Numbers have one or two
    digits, exactly two where digits are next to them (%Y%m%d). All else stands for itself. A
    string that two formats read as different dates is ambiguous, so null. `strict` refuses to
    fit when a string of the training rows does not read; otherwise it is null and counted. A
    column where nothing reads is refused in any case.
    """
    formats = _formats("parse_date", format)
    for form in formats:
        if odd := set(pattern(form)[1]) - DATE:
            raise wrong(form, f"%{min(odd)[0]} is no part of a date; use parse_datetime")
    return each(ParseDate(formats=formats, strict=strict), columns, name, "date")


@checked
def parse_datetime(
    *columns: Source,
    format: str | Sequence[str],
    utc: bool = False,
    strict: bool = False,
    name: str | None = None,
) -> Features:
    """Read times from strings by one or several explicit formats.

    Directives: those of `parse_date`, %H, %I with %p (AM, PM), %M, %S, %f (one to six digits of
    a second's fraction), %z (Z, +0530 or +05:30). What a format leaves out is 0. With %z, or
    with `utc=True` where the strings are UTC, the result is an instant, which date_parts reads
    in a zone; otherwise it is wall-clock time. `strict` is as in `parse_date`.
    """
    formats = _formats("parse_datetime", format)
    if utc and "z" in pattern(formats[0])[1]:
        raise FeatureDefinitionError("parse_datetime", "%z already says the offset; drop utc=True")
    return each(ParseDatetime(formats=formats, utc=utc, strict=strict), columns, name, "time")
