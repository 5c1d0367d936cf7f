"""Rows land in parts by what is in them, and nothing that belongs together is torn apart."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagrun.stages.apart import check_apart
from dagrun.stages.shares import SharesInvalid, fold_parts, split_rows, with_folds
from dagrun.stages.split import split_by_time

ROWS = pl.DataFrame(
    {
        "id": range(4000),
        "customer": [number % 700 for number in range(4000)],
        "late": [number % 10 == 0 for number in range(4000)],
        "at": [dt.date(2024, 1, 1) + dt.timedelta(days=number // 20) for number in range(4000)],
    }
)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), shuffle=st.integers(0, 10**6))
def test_a_row_s_part_does_not_depend_on_where_it_stands(seed: int, shuffle: int) -> None:
    parts = split_rows(ROWS, seed=seed)
    again = split_rows(ROWS.sample(fraction=1.0, shuffle=True, seed=shuffle), seed=seed)
    assert [part.sort("id").to_dicts() for part in again] == [part.to_dicts() for part in parts]
    assert sum(part.height for part in parts) == ROWS.height
    assert split_rows(ROWS.head(3000), seed=seed)[2].equals(parts[2].filter(pl.col("id") < 3000))


def test_the_parts_are_those_of_the_hash_that_is_written_down() -> None:
    assert split_rows(ROWS, by=["id"])[2]["id"].head(8).to_list() == [
        *(4, 5, 8, 10, 18, 28, 30, 34)
    ]


def test_shares_are_met_and_classes_have_them_too() -> None:
    parts = split_rows(ROWS, valid=0.2, test=0.1, stratify="late", seed=3)
    assert [part.height for part in parts] == [2800, 800, 400]
    assert [part["late"].sum() for part in parts] == [280, 80, 40]
    sizes = [part.height for part in split_rows(ROWS, valid=0.2, test=0.1)]
    assert sizes == pytest.approx([2800, 800, 400], abs=120)


def test_a_group_is_in_one_part_alone() -> None:
    train, valid, test = split_rows(ROWS, by=["customer"])
    parts = {"train": train, "valid": valid, "test": test}
    assert check_apart(parts, by=["customer"]).passed
    torn = check_apart(dict(zip(parts, split_rows(ROWS), strict=True)), by=["customer"])
    assert not torn.passed
    assert any("have a customer of train, such as" in reason for reason in torn.reasons)


def test_equal_rows_stay_together_where_classes_are_shared_out() -> None:
    few = pl.DataFrame({"x": [number % 13 for number in range(500)]}).with_columns(
        late=pl.col("x") < 4
    )
    parts = dict(enumerate(split_rows(few, stratify="late", valid=0.3, test=0.3)))
    assert check_apart({str(name): part for name, part in parts.items()}).passed


def test_rows_that_were_drawn_again_before_the_split_are_found() -> None:
    doubled = pl.concat([ROWS, ROWS.filter("late")]).with_row_index("copy")
    train, valid, test = split_rows(doubled)
    parts = {"train": train, "valid": valid, "test": test}
    plain = {name: part.drop("copy") for name, part in parts.items()}
    assert not check_apart(plain).passed
    assert check_apart(plain, most_equal=0.5).passed
    assert "rows of test" in check_apart(plain).reasons[-1]


@pytest.mark.parametrize("way", [{}, {"stratify": "late"}, {"by": ["customer"]}, {"time": "at"}])
def test_every_row_is_in_one_fold(way: dict[str, object]) -> None:
    rows = with_folds(ROWS, 4, **way)  # type: ignore[arg-type]
    assert rows.drop("fold").equals(ROWS)
    assert sorted(rows["fold"].unique()) == [0, 1, 2, 3]
    sizes = rows["fold"].value_counts()["count"]
    assert sizes.to_list() == pytest.approx([1000] * 4, abs=120)
    if "stratify" in way:
        assert rows.filter("late")["fold"].value_counts()["count"].to_list() == [100] * 4
    if "by" in way:
        assert rows.group_by("customer").agg(pl.col("fold").n_unique())["fold"].max() == 1
    if "time" in way:
        assert rows.group_by("at").agg(pl.col("fold").n_unique())["fold"].max() == 1
        assert rows["fold"].is_sorted()


def test_rows_near_a_fold_in_time_are_purged() -> None:
    rows = with_folds(ROWS, 4, time="at")
    outside, inside = fold_parts(rows, 1, time="at", purge="7d")
    first, last = inside["at"].min(), inside["at"].max()
    assert isinstance(first, dt.date)
    assert isinstance(last, dt.date)
    gone = rows.join(pl.concat([outside, inside]), on="id", how="anti")["at"]
    assert set(gone) == {
        day + dt.timedelta(days=step)
        for day, direction in ((first, -1), (last, 1))
        for step in range(direction, 8 * direction, direction)
    }
    assert fold_parts(rows, 1)[0].height + inside.height == ROWS.height


def test_rows_before_a_moment_are_purged() -> None:
    cut = {"valid_from": "2024-05-01", "test_from": "2024-06-01"}
    train, valid, test = split_by_time(ROWS, "at", **cut, purge="7d")
    assert train["at"].max() == dt.date(2024, 4, 23)
    assert (valid["at"].min(), valid["at"].max()) == (dt.date(2024, 5, 1), dt.date(2024, 5, 24))
    assert check_apart({"train": train, "valid": valid, "test": test}, time="at").passed
    late = check_apart({"train": test, "test": valid}, time="at")
    assert (
        "480 of 480 rows of test, which begins 2024-05-01, are not after train" in late.reasons[1]
    )


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ({"valid": 0.5, "test": 0.5}, "leave no share"),
        ({"by": ["custmer"]}, "no column 'custmer'. Did you mean 'customer'"),
        ({"stratify": "late", "by": ["id"]}, "its classes cannot be shared out"),
    ],
)
def test_a_split_that_makes_no_sense_is_refused(how: dict[str, object], problem: str) -> None:
    with pytest.raises(SharesInvalid, match=problem):
        split_rows(ROWS, **how)  # type: ignore[arg-type]


def test_folds_that_make_no_sense_are_refused() -> None:
    for problem, arguments in (
        ("name one", {"stratify": "late", "time": "at"}),
        ("give 2 or more", {"folds": 1}),
    ):
        with pytest.raises(SharesInvalid, match=problem):
            with_folds(ROWS, **arguments)  # type: ignore[arg-type]
    with pytest.raises(SharesInvalid, match="no rows are left in the fold"):
        fold_parts(with_folds(ROWS), 7)
    with pytest.raises(SharesInvalid, match="two parts"):
        check_apart({"all": ROWS})
