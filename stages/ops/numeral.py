"""The op that reads numbers from strings: parse_number."""

# ruff: noqa: D102 - the twins are documented at `Op`

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from dagrun.stages.ops.arguments import checked
from dagrun.stages.ops.define import Features, Source, each, number
from dagrun.stages.ops.errors import FeatureDefinitionError
from dagrun.stages.ops.parsed import Parsed

_SPACE = "[\t-\r \xa0\u202f]*"
_SIGN = "[-+\u2212]"
_MINUS = ("-", "\u2212")
_DIGITS = "0123456789"
_RESERVED = frozenset("+-\u2212eE" + _DIGITS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParseNumber(Parsed):
    """The number that a string holds, by this grammar; null for anything else.

    ```text
    text   = space [sign] space [prefix space] number space unit space
           | space prefix space [sign] number space unit space
    number = (whole [decimal {digit}] | decimal digit {digit}) [("e" | "E") ["+" | "-"] {digit}]
    whole  = digit {digit} | 1 to 3 digits, then groups of a thousands mark and 3 digits
    ```
    A digit is one of 0 to 9, a sign "+", "-" or the minus sign U+2212; space is any number of
    blanks, tabs, line breaks, U+00A0 and U+202F; prefix and unit are among those declared, the
    unit "" when none is. So "inf", "nan", "0x10", "1_000", "12,34" (comma for thousands) and
    full-width digits do not read. The digits are rounded once to the nearest double, then
    multiplied by the unit's factor; a number beyond the doubles is null.
    Twin: readr `parse_number(locale=...)`, pandas `read_csv(thousands=..., decimal=...)`.
    """

    op = "parse_number"
    what = "a number"
    decimal: str
    thousands: str
    prefixes: tuple[str, ...]
    units: tuple[str, ...]
    factors: tuple[float, ...]

    def pattern(self) -> str:
        """Return the grammar as a regular expression with the groups sign, sign, number, unit."""
        mark, digits = re.escape(self.decimal), "[0-9]+"
        whole = digits
        if self.thousands:
            grouped = f"[0-9]{{1,3}}(?:{_any(self.thousands)}[0-9]{{3}})+"
            whole = f"(?:{grouped}|{digits})"
        numeral = f"((?:{whole}(?:{mark}[0-9]*)?|{mark}{digits})(?:[eE][+-]?[0-9]+)?)"
        # No two runs of space meet, or a long one would take quadratic time in Python.
        signed = f"(?:({_SIGN}){_SPACE})?"
        if self.prefixes:
            prefix = f"{_any(self.prefixes)}{_SPACE}"
            signed = f"(?:{signed}(?:{prefix})?|{prefix}({_SIGN})?)"
        else:
            signed += "()"
        unit = f"(?:({_any([one for one in self.units if one])}){_SPACE})"
        if self.units == ("",):
            unit = "()"
        elif "" in self.units:
            unit += "?"
        return f"^{_SPACE}{signed}{numeral}{_SPACE}{unit}$"

    def marks(self) -> dict[str, str]:
        """Return what the marks inside a number become before its digits are read."""
        return {**dict.fromkeys(self.thousands, ""), self.decimal: "."}

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        # Fields of a struct, so that the string is matched once and not once for each use.
        before, after, digits, unit = (pl.field(str(place)) for place in range(1, 5))
        if (marks := self.marks()) != {".": "."}:
            digits = digits.str.replace_many(list(marks), list(marks.values()))
        value = digits.cast(pl.Float64, strict=False)
        value = pl.when(before.is_in(_MINUS) | after.is_in(_MINUS)).then(-value).otherwise(value)
        if self.units != ("",):
            value = value * unit.fill_null("").replace_strict(
                pl.Series(self.units),
                pl.Series(self.factors),
                default=None,
                return_dtype=pl.Float64,
            )
        found = x[0].str.extract_groups(self.pattern()).struct.with_fields(value.alias("value"))
        known = pl.when(pl.field("value").is_finite()).then(pl.field("value"))
        return found.struct.with_fields(known.alias("value")).struct.field("value")

    def reader(self) -> Callable[[str], float]:
        match = re.compile(self.pattern()).fullmatch
        marks = str.maketrans(self.marks())
        factors = dict(zip(self.units, self.factors, strict=True))

        def parse(text: str) -> float:
            found = match(text)
            if found is None:
                return math.nan
            before, after, digits, unit = found.groups()
            value = float(digits.translate(marks)) * factors[unit or ""]
            if before in _MINUS or after in _MINUS:
                value = -value
            return value if math.isfinite(value) else math.nan

        return parse


def _any(texts: Sequence[str]) -> str:
    """Return the regular expression of one of some texts, longest first."""
    ordered = sorted(texts, key=lambda text: (-len(text), text))
    return f"(?:{'|'.join(re.escape(text) for text in ordered)})"


@checked
def parse_number(
    *columns: Source,
    decimal: str = ".",
    thousands: str = "",
    prefixes: Sequence[str] = (),
    units: Mapping[str, float] | None = None,
    strict: bool = False,
    name: str | None = None,
) -> Features:
    """Read numbers from strings such as "1,234.50", "$ 99", "12%" or "3.2 km".

    Args:
        columns: columns or features that hold strings.
        decimal: the character between whole and fraction.
        thousands: characters that may stand between groups of three digits, each by itself:
            `","`, `" \\u202f"`; none by default.
        prefixes: texts that may stand before the number and mean nothing: `("$", "US$")`.
        units: factor by unit, written after the number: `{"km": 1000, "m": 1, "%": 0.01}`. A bare
            number reads only when `""` is among them. Spelling counts; see `norm_text`.
        strict: refuse to fit when a string of the training rows is not a number. Otherwise it is
            null and counted. A column where nothing reads is refused in any case.
        name: the feature's name, `{}` standing for the column's.
    """
    factors = {"": 1.0} if units is None else dict(units)
    _check_marks(decimal, thousands)
    for text, edge in [*((one, -1) for one in prefixes), *((one, 0) for one in factors if one)]:
        bad = set(_DIGITS + "+-\u2212" + (decimal + thousands if edge == 0 else ""))
        if text.strip() != text or not text or text[edge] in bad:
            raise FeatureDefinitionError(
                "parse_number",
                f"prefix or unit {text!r} is empty, padded, or could be part of the number",
            )
    if not factors:
        raise FeatureDefinitionError("parse_number", "units is empty; leave it out for no units")
    op = ParseNumber(
        decimal=decimal,
        thousands=thousands,
        prefixes=tuple(prefixes),
        units=tuple(factors),
        factors=tuple(number("parse_number", "a factor", one) for one in factors.values()),
        strict=strict,
    )
    return each(op, columns, name, "number")


def _check_marks(decimal: str, thousands: str) -> None:
    marks = decimal + thousands
    if len(decimal.strip()) != 1 or len(set(marks)) < len(marks) or _RESERVED.intersection(marks):
        raise FeatureDefinitionError(
            "parse_number",
            "decimal is one character and thousands are others, none of them a digit, sign or e: "
            f"got decimal={decimal!r}, thousands={thousands!r}",
        )
