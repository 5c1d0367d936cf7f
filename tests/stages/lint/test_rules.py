"""Every refusal is measured: the refused form has other bits in some setting, or in Python.

And what passes is measured too: equal bits for all rows, in chunks, streaming, and row by row.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import math
import random
import re
import struct
from collections.abc import Callable, Sequence
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from dagrun.stages.lint import RULES
from dagrun.stages.lint.expression import _SAFE, function_name, input_name, part_of, refused
from dagrun.stages.lint.expression import _walk as walk

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


CHANCE = random.Random(1)
DOUBLES = [CHANCE.uniform(-50, 50) for _ in range(20_000)]
POINTS = [chr(n) for n in range(0x30000) if not 0xD800 <= n < 0xE000]

SETTINGS = {
    "divide-by-literal": [x / 3.0, i / 7, (x - 1.0) / 3.0, x / pl.lit(9.0).sqrt() / 0.7],
    "remainder-by-literal": [x % 3.0, x // 0.1],
    "add-zero": [x + 0.0, 0.0 + x],
    "power": [x**y],
    "frame-dependent": [
        *(x.rank(), x.sum(), x - x.mean(), x.shift(1), x.diff(), x.cum_sum(), x.sort(), x.max()),
        *(x.std(), x.fill_null(strategy="forward"), x.is_duplicated(), x.rolling_mean(2)),
        *(x.sum().over(b), x.reverse(), pl.len() + i, x.quantile(0.5), x.is_first_distinct()),
        *(x.first() + y, x.gather(0), x.interpolate(), x.pct_change(), i.rle_id(), x.arg_sort()),
        *(x.sort_by(y), x.ewm_mean(com=1), x.median() * y, (x > 0).any(), x.min(), x.var()),
    ],
}


@pytest.mark.parametrize("rule", SETTINGS)
def test_a_form_refused_for_its_settings_has_other_bits_in_one_of_them(rule: str) -> None:
    for expression in SETTINGS[rule]:
        assert rule in rules(expression), str(expression)
        with contextlib.suppress(pl.exceptions.ShapeError):  # not even as many rows come out
            assert settings_differ([expression]) == {0}, str(expression)


TWINS: list[tuple[str, pl.Expr, Callable[..., object], Sequence[object]]] = [
    ("power", x**2, lambda v: v**2, DOUBLES),
    ("power", x**3, lambda v: v**3, DOUBLES),
    ("function-differs", x.cbrt(), math.cbrt, DOUBLES),
    ("function-differs", x.round(2), lambda v: round(v, 2), [n / 1000 for n in range(9_999)]),
    (
        "function-differs",
        (x.sin() * 0.9).arctanh(),
        lambda v: math.atanh(math.sin(v) * 0.9),
        DOUBLES,
    ),
    ("function-differs", pl.max_horizontal(x, 0.0), lambda v: max(v, 0.0), [-0.0, 1.0]),
    ("function-differs", s.str.find("a", literal=True), lambda v: v.find("a"), ["éa"]),
    ("function-differs", s.str.reverse(), lambda v: v[::-1], ["ae\u0301"]),
    ("case-folding", s.str.to_lowercase(), str.lower, POINTS),
    ("case-folding", s.str.to_uppercase(), str.upper, POINTS),
    ("case-folding", s.str.to_titlecase(), str.title, POINTS),
    ("strip-default", s.str.strip_chars(), str.strip, POINTS),
    ("regex", s.str.contains(r"^\w"), lambda v: bool(re.search(r"^\w", v)), POINTS),
    ("regex", s.str.contains(r"\d"), lambda v: bool(re.search(r"\d", v)), POINTS),
    ("regex", s.str.contains(r"\s"), lambda v: bool(re.search(r"\s", v)), POINTS),
    ("regex", s.str.contains("a$"), lambda v: bool(re.search("a$", v)), ["a\n"]),
    ("text-to-number", s.cast(pl.Float64, strict=False), float, [" 1.5", "1_000"]),
    ("number-to-text", x.cast(pl.String), str, [1e16, 0.1, 1e-7]),
    ("number-to-text", b.cast(pl.String), str, [True]),
    ("integer-division", i // 0, lambda v: v // 0, [5]),
    ("integer-division", i % j, lambda v: v % v, [0]),
    ("integer-overflow", i * 3, lambda v: v * 3, [2**62]),
    ("integer-overflow", -i, lambda v: -v, [-(2**63)]),
    ("integer-overflow", i.abs(), abs, [-(2**63)]),
    ("float32", i.cast(pl.Float32), lambda v: float(np.float32(float(v))), [2**60 + 2**36 + 1]),
    ("compare-computed", (x - x) > 0.0, lambda v: v - v > 0.0, [math.inf]),
    ("compare-computed", (x - x) == (x - x), lambda v: v - v == v - v, [math.inf]),
    ("compare-computed", x.log() > 0.0, lambda v: math.nan > 0.0, [-1.0]),
]


@pytest.mark.parametrize(("rule", "expression", "python", "values"), TWINS)
def test_a_form_refused_for_its_twin_differs_from_python(
    rule: str, expression: pl.Expr, python: Callable[..., object], values: Sequence[object]
) -> None:
    assert rules(expression) == {rule}
    assert unlike(expression, python, values)


def test_the_zone_rules_of_two_libraries_are_not_the_same() -> None:
    far = dt.datetime(2500, 7, 1, tzinfo=dt.UTC)
    ours = pl.select(pl.lit(far).dt.convert_time_zone("America/New_York").dt.hour()).item()
    assert ours != far.astimezone(ZoneInfo("America/New_York")).hour
    assert rules(i.cast(pl.Datetime("us", "UTC")).dt.convert_time_zone("Europe/Berlin")) == {
        "time-zone"
    }


def test_what_the_contract_bans_is_refused() -> None:
    banned = {
        "hash": i.hash(),
        "random": x.shuffle(),
        "categorical": s.cast(pl.Categorical).to_physical(),
        "date-inference": s.str.to_datetime(),
        "python-function": x.map_batches(lambda values: values),
        "not-measured": s.str.json_decode(pl.Int64),
    }
    for rule, expression in banned.items():
        assert rule in rules(expression), str(expression)
    assert rules(x.map_elements(lambda value: value, return_dtype=pl.Float64)) == {
        "python-function"
    }


SAFE = [
    *(x + 3.3, x - y, x * y, x / y, 3.0 / x, x * (1.0 / 3.0), -x, x.abs(), x.sign(), i / j),
    *(x.floor(), x.ceil(), x.round(0), x.clip(-1.0, 1.0), x.exp(), x.log(), x.log(10), x.log1p()),
    *(x.sqrt(), x.sin(), x.cos(), x.tan(), x.sinh(), x.cosh(), x.tanh(), x.arcsin(), x.arccos()),
    *(x.arctan(), x.arcsinh(), x.arccosh(), x.degrees(), x.radians(), pl.arctan2(x, y)),
    *(x.is_null(), x.is_not_null(), x.is_finite(), x.is_infinite(), x.is_nan(), ~b, b & (x > 0.0)),
    *((x - y).fill_nan(None), (x - y).fill_nan(None) > 0.0, x * 2.0 > 1.0, x == 0.1, x != y),
    *(x.is_between(-1.0, 1.0), i.is_in([1, 2]), pl.all_horizontal(b, x > 0.0), x.fill_null(0.5)),
    *(pl.any_horizontal(b, x > 0.0), pl.coalesce(x, y), pl.when(x > 0.0).then(x).otherwise(y)),
    *(i // 7, i % 7, i // -7, i.cast(pl.Float64) * 3.0, b.cast(pl.Float64), i.cast(pl.String)),
    *(s.str.len_chars().cast(pl.Float64), s.str.len_bytes(), s.str.starts_with("a"), s == "a"),
    *(s.str.ends_with("a"), s.str.contains("a", literal=True), s.str.contains("[0-9]a?"), s < "b"),
    *(s.str.replace_all("a", "b", literal=True), s.str.slice(1, 2), s.str.head(2), s.str.tail(1)),
    *(s.str.strip_chars(" "), s.str.strip_chars_start(" "), s.str.strip_chars_end(" ")),
    *(s.str.strip_prefix("a"), s.str.strip_suffix("a"), s.str.count_matches("a", literal=True)),
    *(pl.concat_str(s, i.cast(pl.String)), s.str.to_date("%Y", strict=False).dt.year()),
    *(
        getattr(i.clip(-9_999, 9_999).cast(pl.Int32).cast(pl.Date).dt, part)()
        for part in (
            "year",
            "iso_year",
            "quarter",
            "month",
            "week",
            "day",
            "ordinal_day",
            "weekday",
        )
    ),
    pl.lit(pl.Series([-1.0, 0.0, 2.0])).search_sorted(x, side="right"),
    pl.lit(pl.Series([0.5, 1.5])).gather(i % 2),
    i.replace_strict(pl.Series([1, 2]), pl.Series([0.5, 0.6]), default=None),
]
FOLDED = [s.str.to_lowercase(), s.str.to_uppercase(), s.str.to_titlecase()]


def test_what_passes_has_the_same_bits_in_every_setting() -> None:
    for expression in SAFE:
        assert rules(expression) == set(), str(expression)
    for expression in FOLDED:
        assert rules(expression, row_exact=False) == set()
    assert settings_differ([*SAFE, *FOLDED]) == set()


def test_every_function_that_may_pass_is_among_those_measured() -> None:
    parts = [part for one in (*SAFE, *FOLDED) for part in walk(part_of(one))]
    seen = {function_name(part.form["function"])[0] for part in parts if part.sort == "Function"}
    assert sorted(_SAFE - seen) == []


def test_every_rule_about_expressions_is_tested_here() -> None:
    tested = {*SETTINGS, *(rule for rule, *_ in TWINS), "time-zone", "hash", "random"}
    tested |= {"categorical", "date-inference", "python-function", "not-measured"}
    elsewhere = {"numpy", "row-math", "row-round", "row-name", "float-sum", "not-determined"}
    assert tested | elsewhere == set(RULES)
