"""Row rules as text: what they say of rows, and that nothing else can be said."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagrun.stages.validate.expression import RuleUnreadable, columns_of, compile_rule, read_rule

ROWS = pl.DataFrame(
    {
        "a": [1, 2, None],
        "small": pl.Series([200, 100, 1], dtype=pl.UInt8),
        "x": [0.5, float("nan"), None],
        "s": ["UA", "ua", None],
        "flag": [True, False, None],
        "a b": [1, 5, 9],
        "left": ["2024-01-01 10:00", "2024-01-02 10:00", None],
        "arrived": ["2024-01-01 12:00", "2024-01-02 09:00", "2024-01-02 09:00"],
    }
).with_columns(pl.col("left", "arrived").str.to_datetime("%Y-%m-%d %H:%M"))


def said(text: str) -> list[bool | None]:
    return ROWS.select(compile_rule(read_rule(text), ROWS.schema).alias("v"))["v"].to_list()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a > 1", [False, True, None]),
        ("a > 1 or flag", [True, True, None]),
        ("not (a == 1 and flag)", [False, True, None]),
        ("1 <= a < 2", [True, False, None]),
        ("a is null or a >= 1", [True, True, True]),
        ("a is not null", [True, True, False]),
        ("s in ['UA', 'AA']", [True, False, None]),
        ("a not in [2, 3]", [True, False, None]),
        ("x > 0", [True, None, None]),
        ("x / 0 > 1", [True, None, None]),
        ("0 * x / 0 > 1", [None, None, None]),
        ("small + small == 400", [True, False, False]),
        ("small - 201 < 0", [True, True, True]),
        ("-a % 2 == 0", [False, True, None]),
        ("max(a, small) >= 100", [True, True, None]),
        ("min(a, small) <= abs(-1)", [True, False, None]),
        ("length(s) == 2", [True, True, None]),
        ("lower(s) == 'ua'", [True, True, None]),
        ("matches(s, '^[A-Z]+$')", [True, False, None]),
        ("col('a b') + a <= 7", [True, True, None]),
        ("arrived > left", [True, False, None]),
        ("hours(arrived - left) <= 2", [True, True, None]),
        ("left < date('2024-01-02')", [True, False, None]),
        ("left < datetime('2024-01-02T10:00:00')", [True, False, None]),
        ("flag == true", [True, False, None]),
    ],
)
def test_what_a_rule_says_of_rows(text: str, expected: list[bool | None]) -> None:
    assert said(text) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("__import__('os')", "__import__() is unknown"),
        ("a.real > 0", "'a.real' is not part of the grammar"),
        ("a[0] > 0", "not part of the grammar"),
        ("(lambda: 1)() > 0", "not part of the grammar"),
        ("[x for x in a]", "not part of the grammar"),
        ("a ** 9 > 0", "not part of the grammar"),
        ("f'{a}' == 1", "not part of the grammar"),
        ("lenght(s) == 2", "Did you mean 'length'?"),
        ("length() == 2", "length() takes 1"),
        ("a == null", "write: x is null"),
        ("a is 1", "'is' stands only before null"),
        ("a in s", "after in stands a list"),
        ("a in [s]", "a list holds numbers or texts, not 's'"),
        ("matches(s, '(')", "is no regular expression"),
        ("matches(s, s)", "a text in quotes is wanted"),
        ("left > date('2024-13-01')", "month must be in 1..12"),
        ("a >", "is no expression"),
        ("", "is no expression"),
        ("a > 1; b", "is no expression"),
        ("(" * 500 + "a" + ")" * 500, "is no expression"),
        ("a > 1 or " * 300 + "a", "is longer than 2,000 characters"),
    ],
)
def test_what_is_not_in_the_grammar_is_refused(text: str, problem: str) -> None:
    with pytest.raises(RuleUnreadable) as caught:
        read_rule(text)
    assert problem in str(caught.value)


def test_the_columns_of_a_rule_are_those_it_reads() -> None:
    rule = read_rule("a > 1 or col('a b') is null or length(s) in [1]")
    assert sorted(columns_of(rule)) == ["a", "a b", "s"]


@settings(max_examples=80, deadline=None)
@given(st.text(alphabet="ab01 ()[]<>=!+-*/%.,'\"_:andorti", max_size=30))
def test_any_text_is_a_rule_or_refused(text: str) -> None:
    try:
        rule = read_rule(text)
    except RuleUnreadable:
        return
    assert isinstance(compile_rule(rule, None), pl.Expr)
