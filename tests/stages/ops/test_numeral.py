"""parse_number: one grammar, read alike by both twins, and what is outside of it."""

from __future__ import annotations

import math
from collections.abc import Callable

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests_parity import RUNS, assert_twins, frames

from dagrun.stages import features as f
from dagrun.stages.ops.errors import CannotFit, FeatureDefinitionError
from dagrun.stages.ops.numeral import ParseNumber

OPTIONS: dict[str, dict[str, object]] = {
    "plain": {},
    "comma": {"decimal": ",", "thousands": ". '"},
    "full": {
        "thousands": ",",
        "prefixes": ("$", "US$", "kr."),
        "units": {"": 1, "km": 1000, "m": 1, "%": 0.01, "e": 3, "m2": 0.1, "huge": 1e308},
    },
    "unit_needed": {"units": {"km": 1000, "k": -0.1}},
}
pieces = st.sampled_from(
    [
        *"0123456789.,-+eE$% \t'km_xe",
        "\u2212",
        "\u202f",
        "\xa0",
        "１",
        "US$",
        "km",
        "m2",
        "inf",
        "\n",
    ]
)
digits = st.text("0123456789", min_size=1, max_size=30)
likely = st.builds(
    lambda *parts: "".join(parts),
    st.sampled_from(["", " ", "-", "$", "-$", "$-", "+ ", "\u2212"]),
    st.one_of(digits, st.sampled_from(["1,234", "1.234", "12,34", "9007199254740993", "0"])),
    st.one_of(st.just(""), st.builds(".{}".format, digits), st.sampled_from([".", ",5", ",500"])),
    st.one_of(st.just(""), st.builds("e{}".format, st.integers(-340, 320))),
    st.sampled_from(["", " ", "km", " km", "%", "m2", "e", "k", " huge"]),
)
texts = st.one_of(
    st.none(),
    likely,
    st.lists(pieces, max_size=8).map("".join),
    st.floats().map(repr),
    st.text(max_size=5),
)


def op(**options: object) -> ParseNumber:
    made = f.parse_number("s", **options)[0].op
    assert isinstance(made, ParseNumber)
    return made


def batch(made: ParseNumber, values: list[str | None]) -> pl.Series:
    frame = pl.DataFrame({"s": pl.Series(values, dtype=pl.String)})
    return frame.select(made.batch([pl.col("s")])).to_series()


@pytest.mark.parametrize("name", OPTIONS)
@RUNS
@given(values=st.lists(texts, max_size=25), rows=frames())
def test_the_twins_agree(name: str, values: list[str | None], rows: pl.DataFrame) -> None:
    values = [*values, *rows["s"], "12 km", "1", None]
    frame = pl.DataFrame({"s": pl.Series(values, dtype=pl.String)})
    spec = f.feature_set(f.parse_number("s", **OPTIONS[name])).fit(frame)
    assert_twins(spec, frame)
    assert f.FeatureSpec.from_bytes(spec.to_bytes(), spec.tables) == spec
    made = spec.steps[0].op
    single = [math.nan if one is None else made.reader()(one) for one in values]
    doubled = batch(made, values)
    assert doubled.eq_missing(pl.Series(single).fill_nan(None)).all()


@given(st.floats(allow_nan=False, allow_infinity=False))
@RUNS
def test_a_double_written_out_reads_as_itself(value: float) -> None:
    assert batch(op(), [repr(value)])[0] == value
    assert op().reader()(repr(value)) == value


@given(st.text(max_size=6))
@RUNS
def test_what_reads_without_options_is_what_python_reads_too(text: str) -> None:
    read = op().reader()(text)
    if read == read:
        assert read == float(text.replace("\u2212", "-").replace(" ", "").replace("\xa0", ""))


@pytest.mark.parametrize(
    ("options", "text", "number"),
    [
        ({}, "1.5", 1.5),
        ({}, " 1.5\n", 1.5),
        ({}, "-1.", -1.0),
        ({}, "+.5", 0.5),
        ({}, "\u2212 3", -3.0),
        ({}, "1e3", 1000.0),
        ({}, "1E-2", 0.01),
        ({}, "007", 7.0),
        ({}, "-0", -0.0),
        ({}, "9007199254740993", 9007199254740992.0),
        ({"thousands": ","}, "1,234,567.89", 1234567.89),
        ({"thousands": ","}, "1234567.89", 1234567.89),
        ({"decimal": ",", "thousands": "."}, "1.234,5", 1234.5),
        ({"decimal": ",", "thousands": " \u202f"}, "12\u202f345 678,9", 12345678.9),
        ({"thousands": "'\u2019"}, "1\u2019234'567", 1234567.0),
        ({"prefixes": ("$", "US$")}, "-US$ 12.50", -12.5),
        ({"prefixes": ("$",)}, "$-12.50", -12.5),
        ({"prefixes": ("Rs.",)}, "Rs.5", 5.0),
        ({"units": {"%": 0.01, "": 1}}, "12 %", 0.12),
        ({"units": {"%": 0.01, "": 1}}, "12", 12.0),
        ({"units": {"km": 1000, "m": 1}}, "3.2km", 3200.0),
        ({"units": {"sq ft": 2, "m2": 3}}, "5 sq ft", 10.0),
        ({"units": {"sq ft": 2, "m2": 3}}, "5m2", 15.0),
        *(({}, text, None) for text in ["", " ", ".", "-", "e5", "1e", "1e1.5", "--1", "1 2"]),
        *(({}, text, None) for text in ["inf", "nan", "1e999", "0x10", "1_000", "１２", "1,5"]),
        *(({}, text, None) for text in ["$1", "1%", "\u20031", "1\x00", "٣", "½", "(5)"]),
        *(({"thousands": ","}, text, None) for text in ["12,34", "1,2345", ",123", "1,234.5,6"]),
        ({"prefixes": ("$",)}, "$-$5", None),
        ({"units": {"km": 1000, "m": 1}}, "3.2", None),
        ({"units": {"km": 1000}}, "3 KM", None),
        ({"units": {"huge": 1e308}}, "10 huge", None),
    ],
)
def test_the_grammar(options: dict[str, object], text: str, number: float | None) -> None:
    made = op(**options)
    assert batch(made, [text])[0] == number
    single = made.reader()(text)
    assert (None if single != single else single) == number
    assert math.copysign(1.0, number or 1.0) == math.copysign(1.0, single if number else 1.0)


def test_long_strings_take_no_time_to_refuse() -> None:
    made = op(**OPTIONS["full"])
    for text in (" " * 200_000 + "x", "1" + " " * 200_000 + "x", "1" * 200_000 + "x"):
        assert math.isnan(made.reader()(text))
        assert batch(made, [text])[0] is None


PRICES = pl.DataFrame({"price": ["1", "2 EUR", "n/a", None, "n/a"]})


def test_what_does_not_read_is_counted_or_refused() -> None:
    spec = f.feature_set(f.parse_number("price")).fit(PRICES)
    assert spec.steps[0].op.unparsed == 3
    assert spec.transform(PRICES)["price_number"].to_list() == [1.0, None, None, None, None]
    with pytest.raises(CannotFit, match=r"3 of 4 strings do not read as a number.*'2 EUR', 'n/a'"):
        f.feature_set(f.parse_number("price", strict=True)).fit(PRICES)
    known = f.null_if("price", values="n/a")
    units = {"": 1, "EUR": 1}
    spec = f.feature_set(f.parse_number(known, units=units, strict=True)).fit(PRICES)
    assert spec.steps[1].op.unparsed == 0


def test_a_column_where_nothing_reads_is_refused() -> None:
    with pytest.raises(CannotFit, match="4 of 4 strings do not read"):
        f.feature_set(f.parse_number("price", units={"USD": 1})).fit(PRICES)


def test_a_column_without_strings_is_let_in() -> None:
    empty = pl.DataFrame({"price": pl.Series([None, None], dtype=pl.String)})
    spec = f.feature_set(f.parse_number("price")).fit(empty)
    assert spec.row_function()(["5"]) == (5.0,)


@pytest.mark.parametrize(
    "make",
    [
        lambda: f.parse_number("s", decimal=""),
        lambda: f.parse_number("s", decimal="5"),
        lambda: f.parse_number("s", decimal=" "),
        lambda: f.parse_number("s", decimal=",", thousands=","),
        lambda: f.parse_number("s", thousands="-"),
        lambda: f.parse_number("s", prefixes=("",)),
        lambda: f.parse_number("s", prefixes=("A1",)),
        lambda: f.parse_number("s", units={" km": 1}),
        lambda: f.parse_number("s", units={"2x": 1}),
        lambda: f.parse_number("s", units={".x": 1}),
        lambda: f.parse_number("s", units={}),
        lambda: f.parse_number("s", units={"km": math.inf}),
    ],
)
def test_mistakes_are_told(make: Callable[[], object]) -> None:
    with pytest.raises(FeatureDefinitionError, match="parse_number"):
        make()
