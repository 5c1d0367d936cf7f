"""Warn, quarantine and stop: what becomes of rows and findings, for frames and lazy frames."""

from __future__ import annotations

import datetime as dt
import logging
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagrun.engine.codec import codec_name, find_codec
from dagrun.stages.declaration import DeclarationInvalid
from dagrun.stages.validate import (
    Contract,
    ContractViolation,
    Findings,
    MomentMissing,
    TableMissing,
    check_table,
    validate,
)

CONTRACT = """
[table]
max_bad_share = 0.5
[columns.id]
dtype = "integer"
unique = true
severity = "quarantine"
[columns.price]
dtype = "float"
min = 0
max = 100
max_null_share = 0.1
severity = { min = "quarantine", max = "warn" }
[columns.shop]
[columns.paid]
[[rows]]
rule = "paid <= price or price is null"
name = "nobody pays more"
severity = "quarantine"
[[references]]
columns = ["shop"]
table = "shops"
key = ["name"]
severity = "quarantine"
"""
ROWS = pl.DataFrame(
    {
        "id": [1, 2, 2, 4, 5, 6, 7, 8, 9, 10],
        "price": [5.0, 5.0, 5.0, -1.0, 500.0, 5.0, 5.0, 5.0, 5.0, None],
        "shop": ["a", "a", "a", "a", "a", "x", None, "b", "b", "b"],
        "paid": [5.0] * 7 + [6.0, 5.0, 5.0],
    }
)
SHOPS = pl.DataFrame({"name": ["a", "b", "b", None]})


def check(rows: pl.DataFrame = ROWS, text: str = CONTRACT, **given: object):
    return check_table(rows, Contract.parse(text), references={"shops": SHOPS}, **given)


def test_rows_are_set_apart_and_the_others_go_on() -> None:
    checked = check()
    found = {(one.column, one.rule): (one.severity, one.count) for one in checked.findings.all}
    assert found == {
        ("id", "unique"): ("quarantine", 2),
        ("price", "min"): ("quarantine", 1),
        ("paid, price", "rows"): ("quarantine", 2),
        ("shop", "references"): ("quarantine", 1),
        ("price", "max"): ("warn", 1),
    }
    assert checked.bad_rows["row_number"].to_list() == [1, 2, 3, 5, 7]
    assert checked.bad_rows["broken_rules"].to_list() == [
        *("id: unique", "id: unique", "price: min; paid, price: rows"),
        *("shop: references", "paid, price: rows"),
    ]
    assert checked.admit().equals(ROWS[[0, 4, 6, 8, 9]])
    assert checked.findings.bad_rows == 5
    verdict = checked.findings.verdict()
    assert verdict.passed
    assert verdict.reasons[0].startswith("set apart: table: column id: unique: expected no value")


def test_a_lazy_table_gives_the_same_and_stays_lazy() -> None:
    eager, lazy = check(), check(ROWS.lazy())
    assert isinstance(lazy.rows, pl.LazyFrame)
    assert lazy.rows.collect().equals(eager.rows)
    assert lazy.bad_rows.collect().equals(eager.bad_rows)
    assert str(lazy.findings) == str(eager.findings)


def test_what_stops_is_raised_with_everything_and_too_many_bad_rows_stop() -> None:
    checked = check(text=CONTRACT.replace("max_bad_share = 0.5", "max_bad_share = 0.1"))
    assert [one.rule for one in checked.findings.of("stop")] == ["max_bad_share"]
    with pytest.raises(ContractViolation, match=r"at most 10.0000% of the rows.*found 5 of 10"):
        checked.admit()
    assert not checked.findings.verdict().passed


def test_validate_cannot_set_rows_apart_but_lets_warnings_pass(
    caplog: pytest.LogCaptureFixture,
) -> None:
    contract = Contract.parse(CONTRACT)
    with pytest.raises(ContractViolation) as caught:
        validate(ROWS, contract, references={"shops": SHOPS})
    assert len(caught.value.violations) == 4
    good = ROWS[[0, 4, 6, 8]]
    with caplog.at_level(logging.WARNING):
        assert validate(good, contract, references={"shops": SHOPS}).equals(good)
    assert "column price: max: expected at most 100, found 1 of 4 rows" in caplog.text


def test_findings_are_an_artifact_whose_digest_does_not_know_the_time(tmp_path: Path) -> None:
    now = dt.datetime(2024, 3, 1, tzinfo=dt.UTC)
    first, second = check(now=now).findings, check(now=now + dt.timedelta(days=1)).findings
    codec = find_codec(codec_name(first))
    digests = [codec.dump(one, tmp_path / name) for one, name in ((first, "1"), (second, "2"))]
    assert digests[0].logical == digests[1].logical
    assert codec.load(tmp_path / "1", Findings) == first
    assert {one.time for one in second.all} == {now + dt.timedelta(days=1)}


def test_keys_of_several_columns_refer_together_and_other_types_are_told() -> None:
    text = "[columns.a]\n[columns.b]\n[[references]]\ncolumns=['a','b']\ntable='t'\nkey=['x','y']"
    rows = pl.DataFrame({"a": [1, 1, 2, None], "b": ["p", "q", "p", "p"]})
    other = pl.DataFrame({"x": [1, 2], "y": ["p", "q"]})
    (finding,) = check_table(rows, Contract.parse(text), references={"t": other}).findings.all
    assert (finding.count, finding.examples[0]) == (2, (1, {"a": 1, "b": "q"}))
    other = other.with_columns(pl.col("x").cast(pl.String))
    (finding,) = check_table(rows, Contract.parse(text), references={"t": other}).findings.all
    assert str(finding) == (
        "column a: references: expected x of t to be Int64 as well, found String"
    )
    with pytest.raises(TableMissing, match="refers to the table 't'; hand it over"):
        check_table(rows, Contract.parse(text))


FRESH = "[columns.at]\n[freshness]\ncolumn = 'at'\nmax_age = '36h'\nmax_ahead = '1h'"
NOON = dt.datetime(2024, 3, 3, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("newest", "expected"),
    [
        (dt.datetime(2024, 3, 2, 1), None),
        (dt.datetime(2024, 3, 1, 1), "2.5 days, from 2024-03-01T01:00:00+00:00"),
        (dt.datetime(2024, 3, 3, 14), "2.0 hours ahead, 2024-03-03T14:00:00+00:00"),
        (dt.datetime(2024, 3, 2, 1, tzinfo=dt.timezone(dt.timedelta(hours=5))), "40.0 hours"),
        (dt.date(2024, 3, 3), None),
        (dt.date(2024, 3, 2), None),
        (dt.date(2024, 3, 1), "36.0 hours"),
        (dt.date(2024, 3, 4), "12.0 hours ahead"),
        (None, "no time at all"),
        ("2024-03-03", "String, which is no time"),
    ],
)
def test_the_newest_row_may_be_neither_old_nor_in_the_future(newest, expected) -> None:
    dtype = pl.Date if newest is None else None
    rows = pl.DataFrame({"at": pl.Series([newest], dtype=dtype)})
    found = check_table(rows, Contract.parse(FRESH), now=NOON).findings.all
    assert len(found) == (expected is not None)
    assert all(expected in one.actual for one in found)
    with pytest.raises(MomentMissing, match="cache=False"):
        check_table(rows, Contract.parse(FRESH))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[columns.a]\nseverity = 'fatal'", "unknown severity 'fatal'"),
        ("[columns.a]\nseverity = { mim = 'warn' }", "unknown rule 'mim'. Did you mean 'min'"),
        ("[columns.a]\nseverity = { dtype = 'quarantine' }", "dtype is about no single rows"),
        ("[table]\nseverity = { min_rows = 'quarantine' }", "min_rows is about no single rows"),
        ("[table]\nmax_bad_share = 2", "max_bad_share is 2; give 0 to 1"),
        ("[[rows]]\nname = 'x'", "rows, number 1: needs rule"),
        ("[columns.a]\n[[rows]]\nrule = 'b > 1'", "rows, number 1: unknown column 'b'"),
        ("[columns.a]\n[[rows]]\nrule = 'open(a)'", "rows, number 1: rule open() is unknown"),
        ("[[references]]\ntable = 't'", "references, number 1: needs columns and table"),
        ("[columns.a]\n[[references]]\ntable='t'\ncolumns=['a']\nkey=['x','y']", "of one length"),
        ("[columns.a]\n[freshness]\ncolumn='a'\nmax_age='soon'", "'soon' is no length of time"),
        ("[columns.a]\n[freshness]\ncolumn='b'\nmax_age='1d'", "freshness: unknown column 'b'"),
        ("[baseline]\nmeasure = 'ks'", "unknown measure 'ks'"),
        ("[baseline]\nwarn = 0.3", "warn 0.3 is greater than stop 0.2"),
        ("[baseline]\nrows = [2, 1]", "rows must be two factors"),
        ("[baseline]\nmean = -1", "mean is -1; give 0 or more"),
        ("[baseline]\nseverity = 'quarantine'", "unknown severity 'quarantine'"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(text: str, problem: str) -> None:
    with pytest.raises(DeclarationInvalid) as caught:
        Contract.parse(text, "orders.toml")
    assert problem in str(caught.value)


def test_a_rule_that_the_dtypes_do_not_allow_is_a_finding() -> None:
    text = "[columns.a]\n[[rows]]\nrule = 'a > 1'\n[[rows]]\nrule = 'a'"
    found = check_table(pl.DataFrame({"a": ["x"]}), Contract.parse(text)).findings.all
    assert [one.actual.partition(":")[0] for one in found] == ["it cannot be computed"] * 2


def test_a_table_may_have_any_column_names() -> None:
    rows = pl.DataFrame({"row": [1, -1], "rows": [1, 1], "rule 0": [1, 1], "count": [1, 1]})
    text = "[columns.row]\ndtype = 'integer'\nmin = 0\nseverity = 'quarantine'"
    checked = check_table(rows, Contract.parse("[table]\nmax_bad_share = 1\n" + text))
    assert checked.findings.all[0].examples == ((1, -1),)
    assert checked.bad_rows.columns == ["row_number", "broken_rules", *rows.columns]


@given(
    values=st.lists(st.none() | st.integers(-9, 9), max_size=30),
    low=st.integers(-9, 9),
    share=st.floats(0, 1),
    lazy=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_rows_and_bad_rows_are_the_table(values, low, share, lazy) -> None:
    text = (
        f"[table]\nmax_bad_share = {share}\nseverity = 'quarantine'\n"
        f"[columns.a]\ndtype = 'integer'\nmin = {low}\nunique = true\n[[rows]]\nrule = 'a % 3 != 0'"
    )
    frame = pl.DataFrame({"a": values}, schema={"a": pl.Int64}).with_row_index("n")
    checked = check_table(frame.lazy() if lazy else frame, Contract.parse(text))
    rows, bad = checked.rows.lazy().collect(), checked.bad_rows.lazy().collect()
    present = [value for value in values if value is not None]
    expected = [
        value is not None and (value < low or present.count(value) > 1 or value % 3 == 0)
        for value in values
    ]
    assert bad["n"].to_list() == [n for n, is_bad in enumerate(expected) if is_bad]
    assert rows["n"].to_list() == [n for n, is_bad in enumerate(expected) if not is_bad]
    assert checked.findings.bad_rows == sum(expected)
    assert checked.findings.passed is (sum(expected) <= share * len(values))
