"""Pages: their numbers are the table's and the bundle's, and they hold all that they show."""

from __future__ import annotations

import datetime as dt
import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests_judged import ROWS, judged, reported, trained
from tests_regression import delayed, delays

from dagrun.engine.stage import Verdict
from dagrun.stages.bundle import score
from dagrun.stages.evaluate import evaluate_regression
from dagrun.stages.pages import model_card, profile_page
from dagrun.stages.pages.columns import profile_columns
from dagrun.stages.pages.page import figure
from dagrun.stages.validate.finding import Finding

GATES = (
    "[auc]\nat_least = 0.5\n[slices.carrier.brier]\nat_most = 0.01\n[missing.auc]\n"
    "worse_by_at_most = 0.5\n[fairness.carrier.equalized_odds]\nat_most = 0.9\n"
    "[size]\nat_most = '5 MB'\n[champion.auc]\nworse_by_at_most = 1.0"
)


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_a_card_tells_what_the_gates_said_and_what_the_model_takes() -> None:
    judgement = judged(GATES, champion=trained(2))
    page = model_card(trained(), verdict=judgement, report=reported(trained()), about="For <us>.")
    text = text_of(page)
    assert "refused by its gates" in text
    assert "For &lt;us&gt;." in text
    for outcome in judgement.outcomes:
        assert outcome.gate in text
    assert f"worse than champion {trained(2).digest[:12]} by at most 1" in text
    for words in ("at most 5MB", "rightly True", "Features that count", "What it answers"):
        assert words in text
    for column in trained().spec.inputs:
        assert column.name in text
    assert page.count("<svg") == 7


def test_equal_models_have_equal_cards_without_anything_from_elsewhere() -> None:
    judgement = judged(GATES)
    first, second = (model_card(trained(), verdict=judgement) for _ in range(2))
    assert first == second
    assert "<script" not in first
    assert not re.search(r"\b(src|href)=|@import|url\((?!#)", first)
    ids = re.findall(r'\bid="([^"]+)"', first)
    assert len(ids) == len(set(ids))
    links = set(re.findall(r"https?://[^\s\"']+", first))
    assert links <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def test_a_card_needs_neither_verdict_nor_report() -> None:
    assert "not judged" in model_card(delays())
    plain = Verdict(passed=True, reasons=("auc 0.7, at least 0.6",))
    assert "auc 0.7, at least 0.6" in model_card(delays(), verdict=plain)
    rows = delayed(300, seed=4)
    report = evaluate_regression(
        rows["late"],
        score(delays(), rows)["value"],
        constant=0.0,
        slices={"carrier": rows["carrier"]},
    )
    assert "Mean absolute error by carrier" in model_card(delays(), report=report)


@given(
    st.lists(st.one_of(st.none(), st.integers(-(2**40), 2**40)), max_size=40),
    st.lists(st.one_of(st.none(), st.floats()), max_size=40),
)
def test_a_profile_counts_what_is_there(whole: list[int | None], real: list[float | None]) -> None:
    height = min(len(whole), len(real))
    frame = pl.DataFrame(
        {"whole": whole[:height], "real": real[:height]},
        schema={"whole": pl.Int64, "real": pl.Float64},
    )
    for one in profile_columns(frame):
        values = frame[one.name]
        assert (one.rows, one.missing) == (height, values.null_count())
        finite = values.cast(pl.Float64).drop_nulls()
        finite = finite.filter(finite.is_finite())
        if one.counts:
            assert sum(one.counts) == len(finite)
        if len(finite):
            assert one.facts["least"] == finite.min()
            assert one.facts["median"] == pytest.approx(finite.median())
        else:
            assert one.facts == {}


def test_every_kind_of_column_is_told_from_lazy_tables_too() -> None:
    frame = pl.DataFrame(
        {
            "when": [dt.datetime(2024, 1, day, tzinfo=dt.UTC) for day in range(1, 21)],
            "day": [dt.date(2024, 1, 1)] * 20,
            "who": ["<b>UA</b>", "", None, "AA"] * 5,
            "yes": [True, False] * 10,
            "list": [[1, 2]] * 20,
            "nothing": pl.Series([None] * 20, dtype=pl.Float64),
            "nan": [float("nan"), 1.0] * 10,
        }
    )
    profiles = {one.name: one for one in profile_columns(frame.lazy())}
    assert profiles == {one.name: one for one in profile_columns(frame)}
    assert profiles["when"].facts == {"from": "2024-01-01", "to": "2024-01-20"}
    assert profiles["who"].top == (("", 5), ("<b>UA</b>", 5), ("AA", 5))
    assert profiles["nan"].nans == 10
    assert profiles["list"].kind == "other"
    page = profile_page(frame.lazy(), title="a <table>")
    assert "a &lt;table&gt;" in page
    assert "<b>UA" not in page
    assert "(empty)" in page


def test_findings_are_listed() -> None:
    found = Finding(
        table="flights",
        time=dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
        rule="max",
        column="wind",
        expected="at most 3",
        actual="9",
        count=12,
        severity="warn",
        examples=((4, 9.0),),
    )
    text = text_of(profile_page(ROWS, findings=[found]))
    assert "1 finding" in text
    assert "warn wind max at most 3 9 12 9.0 in row 4" in text
    assert "keeps its contract" in profile_page(ROWS, findings=[])
    assert "contract" not in text_of(profile_page(ROWS))


def test_an_empty_table_has_a_profile() -> None:
    assert "0 rows, 6 columns" in text_of(profile_page(ROWS.clear()))
    assert "0 rows, 0 columns" in text_of(profile_page(pl.DataFrame()))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (1971.0, "1971"),
        (98_001, "98001"),
        (1_250_000, "1,250,000"),
        (0.123456789, "0.123457"),
        (4.2e-9, "4.2e-09"),
        (float("inf"), "inf"),
    ],
)
def test_numbers_are_written_for_people(value: float | None, shown: str) -> None:
    assert figure(value) == shown
