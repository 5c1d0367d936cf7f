"""Measuring forms of expressions: rows of all sorts, every way to compute them, and Python."""

from __future__ import annotations

import functools
import math
import random
import struct
from collections.abc import Callable, Sequence

import polars as pl

from dagrun.stages.lint.expression import refused
from dagrun.stages.lint.part import input_name

KINDS = ("double", "double", "int64", "string", "bool", "int64")
x, y, i, s, b, j = (pl.col(input_name(place)) for place in range(6))
HARD = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.5, 1e15 + 0.5, 5e-324, 1e308, math.inf, -math.inf, None]
WHOLE = [0, 1, -1, 7, 2**53 + 1, 2**60 + 2**36 + 1, 2**63 - 1, -(2**63), None]
TEXT = [
    "",
    "a",
    "A",
    " é ",
    "e\u0301",
    "東京",
    "😀",
    "İ",
    "ß",
    "a\x00b",
    "\x1ca",
    "1.5",
    "aa",
    None,
]


@functools.cache
def frame() -> pl.DataFrame:
    chance = random.Random(7)

    def double() -> float | None:
        sort = chance.random()
        if sort < 0.3:
            return chance.choice(HARD)
        if sort < 0.8:
            return chance.uniform(-1e3, 1e3)
        (value,) = struct.unpack("d", struct.pack("Q", chance.getrandbits(64)))
        return None if value != value else value

    def whole() -> int | None:
        return chance.choice(WHOLE) if chance.random() < 0.4 else chance.randint(-999, 999)

    makers = (double, double, whole, lambda: chance.choice(TEXT), lambda: chance.choice([1, 0]))
    dtypes = (pl.Float64, pl.Float64, pl.Int64, pl.String, pl.Boolean, pl.Int64)
    columns = [
        pl.Series(input_name(place), [make() for _ in range(2_000)], dtype=dtype, strict=False)
        for place, (make, dtype) in enumerate(zip((*makers, whole), dtypes, strict=True))
    ]
    return pl.DataFrame(columns)


def bits(values: pl.DataFrame) -> list[list[object]]:
    def pattern(value: object) -> object:
        return struct.pack("d", value) if isinstance(value, float) and value == value else value

    return [
        ["nan" if value != value else pattern(value) for value in column]
        for column in values.get_columns()
    ]


def settings_differ(expressions: Sequence[pl.Expr]) -> set[int]:
    """Return the places of the expressions whose bits depend on how they are computed."""
    named = [one.alias(str(place)) for place, one in enumerate(expressions)]
    whole = bits(frame().lazy().select(named).collect(engine="in-memory"))
    parts = pl.concat([frame()[:1], frame()[1:300], frame()[300:]], rechunk=False)
    others = [
        bits(frame().lazy().select(named).collect(engine="streaming")),
        bits(parts.lazy().select(named).collect(engine="in-memory")),
    ]
    found = {p for other in others for p, column in enumerate(other) if column != whole[p]}
    for row in range(0, 2_000, 5):
        alone = bits(frame()[row].lazy().select(named).collect(engine="in-memory"))
        found |= {
            place for place, column in enumerate(alone) if column != whole[place][row : row + 1]
        }
    return found


def rules(expression: pl.Expr, *, row_exact: bool = True) -> set[str]:
    return {rule for rule, _ in refused([expression], KINDS, row_exact=row_exact)}


def unlike(expression: pl.Expr, python: Callable[..., object], values: Sequence[object]) -> int:
    """Count the values for which Polars and Python differ."""
    columns = dict.fromkeys(expression.meta.root_names(), values)
    made = pl.DataFrame(columns).select(expression).to_series().to_list()

    def computed(value: object) -> object:
        try:
            return python(value)
        except (ValueError, OverflowError, ZeroDivisionError) as error:
            return type(error)

    pairs = zip(map(computed, values), made, strict=True)
    return sum(repr(expected) != repr(found) for expected, found in pairs)


POINTS = [chr(n) for n in range(0x30000) if not 0xD800 <= n < 0xE000]


def flag(condition: pl.Expr) -> pl.Expr:
    return pl.when(condition).then(pl.lit(1, pl.Int8)).otherwise(pl.lit(0, pl.Int8))


WORDS = ["", "東京", "a", "never", "ß"]
PLACES = s.cast(pl.Enum(WORDS), strict=False)
GROUPS = s.str.extract_groups("^([a1-9]?)(.?)")
FIELD = pl.field("1")
