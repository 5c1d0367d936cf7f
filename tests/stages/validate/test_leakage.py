"""The leakage check: silent on honest features, whatever the sample; loud about planted leaks."""

from __future__ import annotations

import datetime as dt
import random

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests_parity import RUNS

from dagrun.engine.codec import codec_name, find_codec
from dagrun.stages import features as f
from dagrun.stages.ops.errors import DtypeMismatch, UnknownColumn
from dagrun.stages.validate import LeakageReport, LeakageUnchecked, check_leakage
from dagrun.stages.validate.strength import feature_strength, gap_strength

START = dt.datetime(2013, 1, 1, tzinfo=dt.UTC)
ROWS = 6_000
COLUMNS = ("hour", "plane", "distance", "gust")


def flights(rows: int = ROWS, seed: int = 1, first_hour: int = 0) -> pl.DataFrame:
    """Return flights whose delay depends on the hour, the plane, and luck."""
    pick = random.Random(seed)
    made = []
    for number in range(rows):
        hour, plane = first_hour + number // 10, f"p{pick.randrange(40)}"
        delay = 25 * pick.random() ** 3 * (1 + hour % 24 / 12) + int(plane[1:]) / 10
        gust = None if pick.random() < 0.5 else pick.random() * 30 + delay / 20
        leaves = START + dt.timedelta(hours=hour, minutes=pick.randrange(60))
        made.append((number, leaves, hour % 24, plane, pick.random() * 2_000, gust, delay))
    names = ["id", "leaves", "hour", "plane", "distance", "gust", "delay"]
    return pl.DataFrame(made, schema=names, orient="row").with_columns(late=pl.col("delay") > 12)


TRAIN, LATER = flights(), {"valid": flights(2_000, seed=2, first_hour=ROWS // 10)}
HONEST = (
    *("hour", "distance", "gust"),
    f.target_mean("late", by="plane"),
    f.frequency("plane"),
    f.group_agg("id", by="plane", how="count"),
)
AFTER = {"late": "3h", "delay": "3h"}


def checked(*extra: object, train: pl.DataFrame = TRAIN, **options: object) -> LeakageReport:
    features = f.feature_set(*HONEST, *extra, time="leaves")
    return check_leakage(features, train, label="late", **options)


def found(report: LeakageReport) -> set[tuple[str, str]]:
    return {(leak.kind, leak.name) for leak in report.leaks}


def test_honest_features_raise_no_alarm_in_twenty_resamples() -> None:
    assert found(checked(later=LATER, key=["leaves", "plane", "distance"])) == set()
    for seed in range(20):
        again = TRAIN.sample(fraction=1.0, with_replacement=True, seed=seed)
        assert found(checked(train=again)) == set()


def test_an_outcome_as_a_feature_is_too_good() -> None:
    report = checked("delay")
    assert found(report) == {("too_good", "delay")}
    assert report.strengths[0].name == "delay"
    assert report.strengths[0].value > 0.99
    assert not report.verdict().passed
    assert report.verdict().reasons[0].startswith("NO: too_good     delay: AUC 1.000 (0.99")
    assert "is it known when the prediction is asked for?" in str(report)


def test_a_column_declared_to_be_known_later_is_found_however_weak_it_is() -> None:
    noise = TRAIN.with_columns(delay=pl.Series(np.random.default_rng(1).normal(size=ROWS)))
    features = f.feature_set(
        *HONEST, f.affine(f.clip("delay", low=0), factor=2, name="twice"), time="leaves",
        known_after=AFTER,
    )  # fmt: skip
    report = check_leakage(features, noise, label="late")
    assert found(report) == {("known_later", "twice")}
    assert "reads 'delay', which is known 3h after 'leaves'" in report.leaks[0].said
    spec, matrix = features.fit_transform(noise, label="late")
    assert found(check_leakage(spec, noise, label="late", matrix=matrix)) == found(report)


def test_an_aggregate_over_the_future_is_found_by_what_is_declared() -> None:
    for training, expected in (("all", {("known_later", "d")}), ("past", set())):
        aggregate = f.group_agg("delay", by="plane", training=training, name="d")
        features = f.feature_set(*HONEST, aggregate, time="leaves", known_after=AFTER)
        report = check_leakage(features, TRAIN, label="late")
        assert found(report) == expected


def test_an_aggregate_over_the_future_is_found_by_its_strength() -> None:
    hour = pl.col("leaves").dt.truncate("1h")
    leaking = TRAIN.with_columns(same=pl.col("late").cast(pl.Float64).mean().over(hour, "plane"))
    assert found(checked("same", train=leaking)) == {("too_good", "same")}


def test_a_target_encoded_in_sample_is_found() -> None:
    """Weak on the training rows, useless on later ones: the difference tells."""
    frame = TRAIN.with_columns(key=pl.col("id") // 12 * 7 % 600)
    rates = frame.group_by("key").agg(encoded=pl.col("late").cast(pl.Float64).mean())
    valid = LATER["valid"].with_columns(key=pl.col("id") % 500)
    train, later = (
        one.join(rates, on="key", how="left", maintain_order="left") for one in (frame, valid)
    )
    report = checked("encoded", train=train, later={"valid": later})
    assert found(report) == {("own_label", "encoded")}
    assert found(checked("encoded", train=train, later={"valid": later}, ceiling=0.6)) == {
        ("own_label", "encoded"),
        ("too_good", "encoded"),
    }


def test_an_id_that_was_given_out_by_label_is_found() -> None:
    ids = TRAIN.sort("late", "leaves", "plane", "distance").with_row_index("ticket")
    assert found(checked("ticket", train=ids)) == {("too_good", "ticket")}


def test_gaps_that_tell_the_target_are_found() -> None:
    gap = pl.col("late") & (pl.col("id") % 5 == 0)
    leaking = TRAIN.with_columns(arrived=pl.when(~gap).then("distance"))
    report = checked("arrived", train=leaking)
    assert found(report) == {("gaps", "arrived")}
    assert "odds ratio" in report.leaks[0].said
    worst = (pl.col("delay") > 20) & (pl.col("id") % 3 == 0)
    number = TRAIN.with_columns(late=pl.col("delay"), arrived=pl.when(~worst).then("distance"))
    features = f.feature_set("arrived", "hour", time="leaves")
    assert found(check_leakage(features, number, label="late")) == {("gaps", "arrived")}


def test_numbers_are_judged_by_rank_correlation_of_any_shape() -> None:
    shaped = TRAIN.with_columns(
        wave=(pl.col("delay") * 2).round() % 2 + pl.col("delay"), bowl=(pl.col("delay") - 9) ** 2
    )
    features = f.feature_set("hour", "distance", "wave", "bowl")
    report = check_leakage(features, shaped, label="delay")
    assert found(report) == {("too_good", "wave")}
    by_name = {one.name: one for one in report.strengths}
    assert by_name["bowl"].value > 0.6
    assert by_name["bowl"].measure == "rank_correlation"
    assert by_name["distance"].low < 0.0 < by_name["distance"].high


def test_rows_in_two_parts_and_parts_out_of_order_are_found() -> None:
    key = ["leaves", "plane", "distance"]
    mixed = pl.concat([TRAIN.tail(7), LATER["valid"]])
    report = checked(later={"valid": mixed, "test": LATER["valid"]}, key=key)
    assert found(report) >= {("overlap", "valid"), ("order", "valid"), ("overlap", "test")}
    told = {leak.said for leak in report.leaks if leak.name == "valid"}
    assert any(said.startswith("7 of 2,007 rows are also in train, such as ") for said in told)
    assert any("rows are not after train, which ends 2013-01-25" in said for said in told)


def test_states_that_know_what_comes_after_the_next_part_begins_are_found() -> None:
    for as_of, expected in ((None, {("order", "valid")}), ("2013-01-25", set())):
        features = f.feature_set(
            f.target_mean("late", by="plane"), time="leaves", known_after=AFTER, as_of=as_of
        )
        report = check_leakage(features, TRAIN, label="late", later=LATER)
        assert found(report) == expected


def test_a_finding_can_be_accepted_with_a_reason() -> None:
    report = checked("delay", accepted={"delay": "it is forecast by somebody else"})
    assert report.passed
    assert report.verdict().reasons[0].startswith("ok: too_good")
    assert "(accepted: it is forecast by somebody else)" in str(report)
    with pytest.raises(LeakageUnchecked, match=r"'delayed', which is no feature.*'delay'"):
        checked("delay", accepted={"delayed": "?", "distance": "?"})


def test_what_cannot_be_checked_is_told() -> None:
    spec, matrix = f.feature_set(*HONEST).fit_transform(TRAIN, label="late")
    with pytest.raises(LeakageUnchecked, match="matrix="):
        check_leakage(spec, TRAIN, label="late")
    unlabelled = matrix.with_columns(late=pl.lit(None, pl.Boolean))
    with pytest.raises(LeakageUnchecked, match="nulls"):
        check_leakage(spec, TRAIN, label="late", matrix=unlabelled)
    with pytest.raises(UnknownColumn, match="seat"):
        checked(later=LATER, key=["seat"])


def test_a_report_is_stored_as_a_document(tmp_path: object) -> None:
    report = checked("delay")
    codec = find_codec(codec_name(report))
    codec.dump(report, tmp_path / "report")
    assert codec.load(tmp_path / "report", LeakageReport) == report


@RUNS
@given(seed=st.integers(0, 10_000), kinds=st.integers(1, 200), binary=st.booleans())
def test_a_useless_feature_is_not_told_from_luck(seed: int, kinds: int, binary: bool) -> None:
    draw = np.random.default_rng(seed)
    values = draw.integers(0, kinds, 800).astype(np.float64)
    target = (draw.random(800) < 0.2).astype(np.float64) if binary else draw.random(800)
    found = feature_strength("x", values, target, binary=binary)
    assert found is not None
    assert found.low <= (0.5 if binary else 0.0) + 0.03
    gaps = gap_strength("x", draw.random(800) < 0.3, target, binary=binary)
    assert gaps is not None
    assert gaps.low < (2.0 if binary else 0.6)
    assert feature_strength("x", values[:50], target[:50], binary=binary) is None


def test_what_does_not_go_together_is_told_before_it_is_judged() -> None:
    features = f.feature_set("hour", time="leaves")
    spec, matrix = features.fit_transform(TRAIN, label="late")

    def judged(rows: pl.DataFrame, made: pl.DataFrame) -> LeakageReport:
        return check_leakage(spec, rows, label="late", matrix=made)

    with pytest.raises(UnknownColumn, match="'late'"):
        judged(TRAIN, matrix.drop("late"))
    with pytest.raises(UnknownColumn, match="'hour'"):
        judged(TRAIN.drop("hour"), matrix)
    with pytest.raises(LeakageUnchecked, match="6,000 rows, the training rows are 9"):
        judged(TRAIN[:9], matrix)
    with pytest.raises(LeakageUnchecked, match="no number or bool"):
        judged(TRAIN, matrix.with_columns(late=pl.lit("yes")))
    for column in (pl.col("leaves").dt.replace_time_zone(None), pl.col("leaves").cast(pl.Date)):
        later = {"valid": LATER["valid"].with_columns(column)}
        with pytest.raises(DtypeMismatch, match="'leaves'"):
            check_leakage(features, TRAIN, label="late", later=later)
