"""Baselines: what is told of a table that is not like the blessed one, and what is not."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagrun.engine.codec import codec_name, find_codec
from dagrun.stages.validate import Baseline, Contract, NoSuchColumn, check_table, learn_baseline
from dagrun.stages.validate.shift import chance, js, psi

CITIES = [f"city{n}" for n in range(12)]


def table(rows: int = 6_000, seed: int = 1) -> pl.DataFrame:
    draw = np.random.default_rng(seed)
    weights = np.arange(1, 13) / 78
    return pl.DataFrame(
        {
            "id": np.arange(rows) + seed * 1_000_000,
            "price": draw.gamma(2.0, 10.0, rows),
            "count": draw.poisson(1.2, rows),
            "city": np.array(CITIES)[draw.choice(12, rows, p=weights)],
            "late": draw.random(rows) < 0.1,
            "note": ["x" * int(n) for n in draw.poisson(20, rows)],
            "at": [dt.datetime(2024, 1, 1)] * rows,
            "gap": np.where(draw.random(rows) < 0.2, np.nan, draw.normal(size=rows)),
        }
    ).with_columns(note=pl.col("note") + pl.arange(0, pl.len()).cast(pl.String).str.slice(-3))


BLESSED = table(20_000)
PRICE = {("price", "baseline.mean"), ("price", "baseline.psi")}
EVERY_20TH = pl.arange(0, pl.len()) % 20 == 0
BASELINE = learn_baseline(BLESSED, batches=4)


def found(frame: pl.DataFrame, text: str = "", baseline: Baseline = BASELINE) -> dict:
    checked = check_table(frame, Contract.parse(text), baseline=baseline)
    return {(one.column, one.rule): one for one in checked.findings.all}


def test_a_baseline_is_a_document_of_what_was_there(tmp_path: Path) -> None:
    kinds = {one.name: one.kind for one in BASELINE.columns}
    assert kinds == {
        "id": "other",
        "price": "number",
        "count": "number",
        "city": "category",
        "late": "category",
        "note": "length",
        "at": "other",
        "gap": "number",
    }
    by_name = {one.name: one for one in BASELINE.columns}
    assert by_name["price"].shares == pytest.approx([0.1] * 10, abs=1e-3)
    assert by_name["gap"].null_share == pytest.approx(0.2, abs=0.02)
    assert len(by_name["count"].edges) < 9
    assert sum(by_name["city"].shares) == pytest.approx(1)
    codec = find_codec(codec_name(BASELINE))
    codec.dump(BASELINE, tmp_path / "b")
    assert (
        codec.load(tmp_path / "b", Baseline)
        == BASELINE
        == learn_baseline(BLESSED.lazy(), batches=4)
    )
    with pytest.raises(NoSuchColumn, match="Did you mean 'price'"):
        learn_baseline(BLESSED, columns=["prize"])


@pytest.mark.parametrize("measure", ["psi", "js"])
def test_what_is_like_the_baseline_raises_no_alarm(measure: str) -> None:
    text = f"[baseline]\nmeasure = '{measure}'"
    for seed in range(20):
        assert found(table(3_000 + 100 * seed, seed=seed + 2), text) == {}
    small = Baseline(rows=BASELINE.rows, batches=40, columns=BASELINE.columns)
    for seed in range(20):
        assert found(table(520, seed=seed), text, small).keys() <= {("gap", "baseline")}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"price": pl.col("price") * 1.4}, {("price", "baseline.mean"), ("price", "baseline.psi")}),
        (
            {"price": pl.col("price") * 1000},
            {("price", "baseline.mean"), ("price", "baseline.psi")},
        ),
        (
            {"price": pl.lit(20.0)},
            {("price", "baseline.psi")},
        ),
        (
            {
                "city": pl.when(pl.arange(0, pl.len()) % 20 == 0)
                .then(pl.lit("new"))
                .otherwise("city")
            },
            {("city", "baseline.new_categories"), ("city", "baseline.psi")},
        ),
        ({"late": ~pl.col("late")}, {("late", "baseline.psi")}),
        (
            {"note": pl.col("note") + "    "},
            {("note", "baseline.mean"), ("note", "baseline.psi")},
        ),
        (
            {"at": pl.when(pl.arange(0, pl.len()) % 10 != 0).then("at")},
            {("at", "baseline.null_share")},
        ),
        ({"gap": pl.col("gap").fill_nan(None).fill_null(0.0)}, None),
        ({"count": pl.lit("1")}, {("count", "baseline.column")}),
        ({"count": pl.col("count").cast(pl.Float32)}, set()),
    ],
)
def test_what_changed_is_told(change: dict[str, pl.Expr], expected: set | None) -> None:
    report = found(table(5_000, seed=3).with_columns(**change))
    if expected is None:
        assert ("gap", "baseline.null_share") in report
    else:
        assert set(report) == expected


def test_a_change_is_told_with_its_numbers() -> None:
    report = found(table(5_000, seed=3).with_columns(price=pl.col("price") * 1.4))
    shown = str(report["price", "baseline.psi"])
    assert shown.startswith("column price: baseline.psi: expected a distribution like the baselin")
    assert "before" in shown
    assert report["price", "baseline.psi"].threshold in (0.1, 0.2)
    assert report["price", "baseline.mean"].severity == "stop"


def test_a_moderate_change_is_a_warning_and_all_can_be() -> None:
    mild = table(5_000, seed=3).with_columns(price=pl.col("price") * 1.3)
    assert found(mild)["price", "baseline.psi"].severity == "warn"
    strong = table(5_000, seed=3).with_columns(price=pl.col("price") * 3)
    warned = found(strong, "[baseline]\nseverity = 'warn'")
    assert {one.severity for one in warned.values()} == {"warn"}
    assert found(strong, "[columns.city]\n[baseline]\ncolumns = ['city']") == {}


def test_too_little_data_is_told_and_not_judged() -> None:
    report = found(table(400).with_columns(price=pl.col("price") * 99))
    note = report.pop(("price, count, city, late, note, gap", "baseline"))
    assert (note.severity, note.actual.partition(":")[0]) == ("note", "insufficient data")
    assert set(report) == {("", "baseline.rows")}
    assert "found 400; the baseline has 5,000" in str(report["", "baseline.rows"])


def test_a_table_of_any_size_is_compared_even_none() -> None:
    empty = found(BLESSED.clear())
    assert empty["", "baseline.rows"].actual == "0; the baseline has 5,000"
    assert found(BLESSED.drop("price"))["price", "baseline.column"].actual == "no such column"
    assert found(table(5_000), "", learn_baseline(BLESSED.clear(), batches=1)).keys() == {
        ("", "baseline.rows"),
        ("id, price, count, city, late, note, gap", "baseline"),
    }


shares = st.lists(st.integers(0, 50), min_size=2, max_size=12).filter(sum)


@settings(max_examples=100, deadline=None)
@given(shares, st.data())
def test_distances_are_distances(counts: list[int], data: st.DataObject) -> None:
    other = data.draw(st.permutations(counts))
    p, q = ([one / sum(each) for one in each] for each in (counts, other))
    for measure in (psi, js):
        assert measure(p, p) == pytest.approx(0, abs=1e-7)
        assert measure(p, q) == pytest.approx(measure(q, p))
        assert measure(p, q) >= 0
    assert js(p, q) <= 1
    assert js([1.0, 0.0], [0.0, 1.0]) == pytest.approx(1)


def test_chance_covers_what_two_samples_of_one_distribution_show() -> None:
    draw = np.random.default_rng(0)
    for n, bins in ((500, 10), (500, 40), (5_000, 10)):
        seen = {"psi": 0, "js": 0}
        for _ in range(400):
            p, q = (draw.multinomial(n, [1 / bins] * bins) / n for _ in range(2))
            seen["psi"] += psi(list(p), list(q)) > chance(bins, n, n, "psi")
            seen["js"] += js(list(p), list(q)) > chance(bins, n, n, "js")
        assert max(seen.values()) <= 1
    assert chance(10, 500, 500, "psi") < 0.2
