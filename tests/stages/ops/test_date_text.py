"""parse_date and parse_datetime: what reads, what does not, and that both twins agree."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests_parity import RUNS, assert_twins

from dagrun.stages import features as f
from dagrun.stages.ops.date_text import ParsedTime
from dagrun.stages.ops.errors import CannotFit, FeatureDefinitionError

EPOCH = dt.datetime(1970, 1, 1)
FORMATS = {
    "iso": ("%Y-%m-%d",),
    "american": ("%m/%d/%y",),
    "tight": ("%Y%m%d",),
    "words": ("%d %b %Y", "%B %d, %Y"),
    "two_orders": ("%d.%m.%Y", "%m.%d.%Y"),
}
TIME_FORMATS = {
    "iso": ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f"),
    "zoned": ("%Y-%m-%d %H:%M:%S%z",),
    "halves": ("%m/%d/%Y %I:%M %p",),
    "tight": ("%Y%m%d%H%M%S%f",),
}
moments = st.datetimes(dt.datetime(1899, 12, 30), dt.datetime(2100, 1, 3))


def written(formats: tuple[str, ...]) -> st.SearchStrategy[str | None]:
    """Texts of these formats, texts that nearly are, and others."""
    form, zones = st.sampled_from(formats), st.sampled_from(["Z", "+05:30", "-0930", "+2400"])
    right = st.builds(
        lambda at, form, zone: at.strftime(form.replace("%z", "")) + zone * ("%z" in form),
        moments,
        form,
        zones,
    )
    bent = st.builds(
        lambda text, place, new: text[:place] + new + text[place + 1 :],
        right,
        st.integers(0, 30),
        st.sampled_from([*"0139 -/:.ZpT", "", "１", "\n"]),
    )
    odd = st.sampled_from(
        ["", " ", "2024-02-30", "2023-02-29", "0000-01-01", "2024-1-1", "99999999"]
    )
    return st.one_of(st.none(), right, bent, odd, st.text(max_size=10))


def batch(made: ParsedTime, values: list[str | None]) -> list[int | None]:
    frame = pl.DataFrame({"s": pl.Series(values, dtype=pl.String)})
    return frame.select(made.batch([pl.col("s")])).to_series().to_list()


def date_op(*formats: str) -> ParsedTime:
    made = f.parse_date("s", format=formats)[0].op
    assert isinstance(made, ParsedTime)
    return made


def time_op(*formats: str) -> ParsedTime:
    made = f.parse_datetime("s", format=formats)[0].op
    assert isinstance(made, ParsedTime)
    return made


def check(made: ParsedTime, features: object, values: list[str | None]) -> None:
    frame = pl.DataFrame({"s": pl.Series(values, dtype=pl.String)})
    spec = f.feature_set(features).fit(frame)
    assert_twins(spec, frame)
    assert f.FeatureSpec.from_bytes(spec.to_bytes(), spec.tables) == spec
    read = made.reader()
    assert batch(made, values) == [None if one is None else read(one) for one in values]


@pytest.mark.parametrize("name", FORMATS)
@RUNS
@given(data=st.data())
def test_the_twins_agree_on_dates(name: str, data: st.DataObject) -> None:
    formats = FORMATS[name]
    values = data.draw(st.lists(written(formats), max_size=20))
    values = [*values, dt.date(2024, 5, 5).strftime(formats[0]), None]
    made = date_op(*formats)
    day = f.parse_date("s", format=formats)
    check(made, (f.date_parts(day, parts=("weekday", "month")), f.time_since(day, EPOCH)), values)


@pytest.mark.parametrize("name", TIME_FORMATS)
@RUNS
@given(data=st.data())
def test_the_twins_agree_on_times(name: str, data: st.DataObject) -> None:
    formats = TIME_FORMATS[name]
    values = data.draw(st.lists(written(formats), max_size=20))
    sure = dt.datetime(2024, 5, 5, 17, 1, 2, 3).strftime(formats[0].replace("%z", "Z"))
    time = f.parse_datetime("s", format=formats)
    zone = "America/New_York" if name == "zoned" else None
    check(time_op(*formats), f.date_parts(time, parts=("hour", "day"), tz=zone), [*values, sure])


def test_every_day_reads_as_python_counts_it() -> None:
    step = 1 if os.environ.get("DAGRUN_SOAK") else 29
    ordinals = range(1, dt.date.max.toordinal() + 1, step)
    days = [dt.date.fromordinal(one).isoformat() for one in ordinals]
    expected = [one - dt.date(1970, 1, 1).toordinal() for one in ordinals]
    made = date_op("%Y-%m-%d")
    assert batch(made, days) == expected
    assert list(map(made.reader(), days)) == expected


def test_no_day_reads_that_does_not_exist() -> None:
    texts = [
        f"{year}-{month}-{day}"
        for year in ("0000", "1900", "2000", "2023", "2024", "2100")
        for month in range(14)
        for day in range(33)
    ]

    def exists(text: str) -> bool:
        try:
            dt.date(*map(int, text.split("-")))
        except ValueError:
            return False
        return True

    made = date_op("%Y-%m-%d")
    assert [one is not None for one in batch(made, texts)] == list(map(exists, texts))
    assert [made.reader()(text) is not None for text in texts] == list(map(exists, texts))


def day(text: str) -> int:
    return (dt.date.fromisoformat(text) - dt.date(1970, 1, 1)).days


@pytest.mark.parametrize(
    ("formats", "text", "expected"),
    [
        (("%d/%m/%Y",), "01/02/2024", "2024-02-01"),
        (("%m/%d/%Y",), "01/02/2024", "2024-01-02"),
        (("%m/%d/%Y",), "1/2/2024", "2024-01-02"),
        (("%Y%m%d",), "20240102", "2024-01-02"),
        (("%d%b%Y",), "02JAN2024", "2024-01-02"),
        (("%B %d, %Y",), "may 2, 2024", "2024-05-02"),
        (("%d.%m.%y",), "01.01.69", "1969-01-01"),
        (("%d.%m.%y",), "01.01.68", "2068-01-01"),
        (("%Y (%d. %m.) 100%%",), "2024 (3. 4.) 100%", "2024-04-03"),
        (("%Y-%m-%d", "%d.%m.%Y"), "3.4.2024", "2024-04-03"),
        (("%d.%m.%Y", "%m.%d.%Y"), "13.4.2024", "2024-04-13"),
        (("%d.%m.%Y", "%m.%d.%Y"), "4.4.2024", "2024-04-04"),
        (("%d.%m.%Y", "%m.%d.%Y"), "3.4.2024", None),
        *(
            (("%Y-%m-%d",), text, None)
            for text in ["24-01-02", " 2024-01-02", "2024-01-02\n", "2024-01-02 ", "2024-01-021"]
        ),
        *((("%Y-%m-%d",), text, None) for text in ["２０２４-01-02", "+2024-01-02", "2024-001-02"]),
        (("%Y%m%d",), "2024111", None),
        (("%d %b %Y",), "02 jaN 2024", None),
        (("%d %b %Y",), "02 ſep 2024", None),
    ],
)
def test_dates(formats: tuple[str, ...], text: str, expected: str | None) -> None:
    wanted = None if expected is None else day(expected)
    assert batch(date_op(*formats), [text]) == [wanted]
    assert date_op(*formats).reader()(text) == wanted


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        ("%Y-%m-%d %H:%M", "2024-02-29 23:59", "2024-02-29T23:59"),
        ("%Y-%m-%d %H:%M", "2024-02-29 24:00", None),
        ("%Y-%m-%d %H:%M:%S", "2016-12-31 23:59:60", None),
        ("%Y-%m-%d %I:%M %p", "2024-01-01 12:05 AM", "2024-01-01T00:05"),
        ("%Y-%m-%d %I:%M %p", "2024-01-01 12:05 pm", "2024-01-01T12:05"),
        ("%Y-%m-%d %I:%M %p", "2024-01-01 13:05 PM", None),
        ("%Y-%m-%d %H:%M:%S.%f", "2024-01-01 0:0:0.5", "2024-01-01T00:00:00.500000"),
        ("%Y-%m-%d %H:%M:%S.%f", "2024-01-01 0:0:0.000001", "2024-01-01T00:00:00.000001"),
        ("%Y-%m-%d %H:%M:%S.%f", "2024-01-01 0:0:0.0000001", None),
        ("%Y-%m-%dT%H:%M%z", "2024-01-01T00:30Z", "2024-01-01T00:30"),
        ("%Y-%m-%dT%H:%M%z", "2024-01-01T00:30+05:30", "2023-12-31T19:00"),
        ("%Y-%m-%dT%H:%M%z", "2024-01-01T00:30-0100", "2024-01-01T01:30"),
        ("%Y-%m-%dT%H:%M%z", "2024-01-01T00:30+0060", None),
        ("%Y-%m-%dT%H:%M%z", "2024-01-01T00:30", None),
    ],
)
def test_times(form: str, text: str, expected: str | None) -> None:
    wanted = None
    if expected is not None:
        wanted = (dt.datetime.fromisoformat(expected) - EPOCH) // dt.timedelta(microseconds=1)
    assert batch(time_op(form), [text]) == [wanted]
    assert time_op(form).reader()(text) == wanted


def test_instants_and_wall_clocks_feed_the_ops_on_time() -> None:
    rows = pl.DataFrame({"at": ["2024-07-01 12:00", "2024-01-01 12:00", None]})
    form = "%Y-%m-%d %H:%M"
    wall = f.date_parts(f.parse_datetime("at", format=form), parts="hour", name="wall")
    utc = f.parse_datetime("at", format=form, utc=True)
    local = f.date_parts(utc, parts="hour", tz="America/New_York", name="local")
    made = f.feature_set(wall, local).fit(rows).transform(rows)
    assert made.to_dict(as_series=False) == {"wall": [12, 12, None], "local": [8, 7, None]}


def test_what_does_not_read_is_counted_or_refused() -> None:
    rows = pl.DataFrame({"d": ["2024-01-01", "2024-02-30", "", None]})
    parsed = f.date_parts(f.parse_date("d", format="%Y-%m-%d"), parts="day")
    assert f.feature_set(parsed).fit(rows).steps[0].op.unparsed == 2
    strict = f.date_parts(f.parse_date("d", format="%Y-%m-%d", strict=True), parts="day")
    with pytest.raises(CannotFit, match=r"2 of 3 strings do not read as a date, such as ''"):
        f.feature_set(strict).fit(rows)
    wrong = f.date_parts(f.parse_date("d", format="%d.%m.%Y"), parts="day")
    with pytest.raises(CannotFit, match="3 of 3 strings"):
        f.feature_set(wrong).fit(rows)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: f.parse_date("d", format=()), "at least one"),
        (lambda: f.parse_date("d", format="%Y-%m"), "a year, a month and a day"),
        (lambda: f.parse_date("d", format="%Y-%m-%d %y"), "twice"),
        (lambda: f.parse_date("d", format="%Y-%m-%d %b"), "twice"),
        (lambda: f.parse_date("d", format="%Y-%m-%d %Q"), "no directive %Q"),
        (lambda: f.parse_date("d", format="%Y-%m-%d %"), "no directive"),
        (lambda: f.parse_date("d", format="%Y-%m-%d %H"), "%H is no part of a date"),
        (lambda: f.parse_datetime("d", format="%Y-%m-%d %I"), "%I and %p go together"),
        (lambda: f.parse_datetime("d", format="%Y-%m-%d %H %p"), "go together"),
        (lambda: f.parse_datetime("d", format=("%Y-%m-%d%z", "%Y-%m-%d")), "or none has"),
        (lambda: f.parse_datetime("d", format="%Y-%m-%d%z", utc=True), "drop utc"),
    ],
)
def test_mistakes_are_told(make: Callable[[], object], message: str) -> None:
    with pytest.raises(FeatureDefinitionError, match=message):
        make()
