"""What passes is measured: equal bits for all rows, in chunks, streaming, row by row, in Python."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import polars as pl
import pytest
from lint_forms import (
    FIELD,
    GROUPS,
    HARD,
    KINDS,
    PLACES,
    POINTS,
    TEXT,
    WHOLE,
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

from dagrun.stages.lint.expression import _SAFE
from dagrun.stages.lint.part import function_name, part_of, scope_of, walk

SAME: list[tuple[pl.Expr, Callable[..., object], Sequence[object]]] = [
    (s.str.pad_end(6, "0"), lambda v: v.ljust(6, "0"), [*POINTS, *TEXT[:-1]]),
    (
        s.str.replace_many(["a", "é", "\x00", "東"], ["", "e", "zero", "a"]),
        lambda v: v.translate(str.maketrans({"a": "", "é": "e", "\x00": "zero", "東": "a"})),
        [*POINTS, *TEXT[:-1]],
    ),
    (
        GROUPS.struct.field("2"),
        lambda v: found[2] if (found := re.match("^([a1-9]?)(.?)", v)) else None,
        [*POINTS, *TEXT[:-1]],
    ),
    (PLACES.to_physical(), lambda v: WORDS.index(v) if v in WORDS else None, [*POINTS, *WORDS]),
    (pl.max_horizontal(i, -5), lambda v: max(v, -5), WHOLE[:-1]),
    (pl.min_horizontal(i, 5), lambda v: min(v, 5), WHOLE[:-1]),
    (flag(x > 0.0) + flag(x > 1.0), lambda v: (v > 0.0) + (v > 1.0), HARD[:-1]),
]


@pytest.mark.parametrize(("expression", "python", "values"), SAME)
def test_what_passes_by_its_settings_is_what_python_computes(
    expression: pl.Expr, python: Callable[..., object], values: Sequence[object]
) -> None:
    assert rules(expression) == set()
    assert unlike(expression, python, values) == 0


SAFE = [
    *(expression for expression, *_ in SAME),
    *(
        pl.max_horizontal(i, j),
        pl.min_horizontal(i, j),
        flag(b) - flag(x > y),
        PLACES.to_physical(),
    ),
    GROUPS.struct.with_fields(FIELD.str.pad_end(3, "0").alias("3")).struct.field("3"),
    pl.struct(x, i).struct.with_fields(pl.max_horizontal(pl.field("x[2]"), j).alias("most")),
    pl.struct(x.alias("0"), y.alias("1")).struct.field("1") * 1.5,
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
    scope = scope_of(KINDS)
    parts = [part for one in (*SAFE, *FOLDED) for part, _ in walk(part_of(one), scope)]
    seen = {function_name(part.form["function"])[0] for part in parts if part.sort == "Function"}
    assert sorted(_SAFE - seen) == []
