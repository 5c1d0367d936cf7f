"""Every refusal is measured: the refused form has other bits in some setting, or in Python.

What passes is measured in `test_safe`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import math
import random
import re
from collections.abc import Callable, Sequence
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from lint_forms import (
    FIELD,
    GROUPS,
    PLACES,
    POINTS,
    WORDS,
    b,
    flag,
    i,
    j,
    rules,
    s,
    settings_differ,
    unlike,
    x,
    y,
)

from dagrun.stages.lint import RULES

CHANCE = random.Random(1)
DOUBLES = [CHANCE.uniform(-50, 50) for _ in range(20_000)]
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


def test_what_reads_a_struct_an_enum_or_small_numbers_is_looked_into() -> None:
    made = pl.struct(x.alias("1"), i.alias("2")).struct
    found = {
        "divide-by-literal": made.with_fields((FIELD / 3.0).alias("3")),
        "compare-computed": made.with_fields((FIELD > 0.0).alias("3")),
        "integer-overflow": made.with_fields((pl.field("2") + 1).alias("3")),
        "text-to-number": GROUPS.struct.with_fields(FIELD.cast(pl.Int64, strict=False)),
        "regex": s.str.extract_groups("(a)$"),
        "not-measured": made.rename_fields(["a", "b"]),
    }
    for rule, expression in found.items():
        assert rules(expression) == {rule}, str(expression)
    assert rules(flag(x > 0.0) + pl.lit(127, pl.Int8)) == {"integer-overflow"}
    assert rules(flag(x > 0.0) + pl.lit(126, pl.Int8)) == set()
    for enum in (PLACES < "a", PLACES.cast(pl.String), s.cast(pl.Enum(WORDS)), PLACES.is_null()):
        assert rules(enum) == {"categorical"}, str(enum)
    for replaced in (
        *(s.str.replace_many(["ab"], ["a"]), s.str.replace_many(["a", "a"], ["b", "c"])),
        *(s.str.replace_many(["a"], ["b"], ascii_case_insensitive=True), s.str.pad_end(i)),
        *(s.str.replace_many(["a"], s), s.str.replace_many(s, ["a"])),
    ):
        assert rules(replaced) == {"not-measured"}, str(replaced)


def test_every_rule_about_expressions_is_tested_here() -> None:
    tested = {*SETTINGS, *(rule for rule, *_ in TWINS), "time-zone", "hash", "random"}
    tested |= {"categorical", "date-inference", "python-function", "not-measured"}
    elsewhere = {"numpy", "row-math", "row-round", "row-name", "float-sum", "not-determined"}
    assert tested | elsewhere == set(RULES)
