"""Vectorised sums equal `math.fsum`, whatever the values, the blocks and the order."""

from __future__ import annotations

import math
import random
import statistics

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests_parity import RUNS

from dagrun.stages.ops import sums
from dagrun.stages.ops.groups import Groups
from dagrun.stages.ops.sample import Sample

hard = st.one_of(
    st.sampled_from([0.0, -0.0, 5e-324, -5e-324, 2.2250738585072014e-308, 2.0**-1022]),
    st.sampled_from([1.0, -1.0, 2.0**53, 2.0**-53, 1e16, -1e16, 2.0**999, -(2.0**999), 0.1]),
    st.floats(-(2.0**999), 2.0**999),
    st.builds(lambda part, power: math.ldexp(part, power), st.floats(-1, 1), st.integers(-1074, 9)),
)
lists = st.lists(hard, max_size=60)


def total(values: list[float]) -> float | str:
    try:
        return math.fsum(values)
    except OverflowError:
        return "overflow"


@RUNS
@given(values=lists, block=st.sampled_from([1, 2, 3, 7, 2**15]), seed=st.integers(0, 99))
def test_a_sum_is_that_of_fsum(values: list[float], block: int, seed: int) -> None:
    expected = total(values)
    random.Random(seed).shuffle(values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sums, "_BLOCK", block)
        found = sums.exact_sum(np.array(values, dtype=np.float64))
    assert repr(found) == repr(expected)


@RUNS
@given(values=lists)
def test_cuts_add_up_over_any_rows(values: list[float]) -> None:
    array = np.array(values, dtype=np.float64)
    cuts = [cut.copy() for cut in sums.cut_apart(array)]
    for rows in (slice(None), slice(1, None, 2), slice(0, 3)):
        parts = [float(cut[rows].sum()) for cut in cuts]
        assert repr(math.fsum(parts)) == repr(math.fsum(values[rows]))


def test_many_rows_of_every_size() -> None:
    draw = np.random.default_rng(1)
    count = 3 * 2**15 + 5
    values = draw.normal(0, 1, count) * 10.0 ** draw.integers(-300, 290, count)
    values[::3] = draw.normal(50, 18, count)[::3]
    values[1::7] = -values[::7][: len(values[1::7])]
    assert sums.exact_sum(values) == math.fsum(values.tolist())


@pytest.mark.parametrize(
    "values", [[1.7e308, 1.7e308], [1.7e308, 1.0, -1.7e308], [-1.7e308, -1.7e308, 1.0]]
)
def test_the_largest_doubles_are_left_to_fsum(values: list[float]) -> None:
    array = np.array(values)
    assert sums.exceeds(array)
    try:
        expected = math.fsum(values)
    except OverflowError:
        with pytest.raises(OverflowError):
            sums.exact_sum(array)
    else:
        assert sums.exact_sum(array) == expected


@RUNS
@given(pairs=st.lists(st.tuples(st.sampled_from(["a", "b", None]), hard), max_size=40))
def test_groups_are_those_of_python(pairs: list[tuple[str | None, float]]) -> None:
    keys = pl.Series("k", [key for key, _ in pairs], dtype=pl.String)
    groups = Groups.of([keys], pl.Series("v", [value for _, value in pairs], dtype=pl.Float64))
    lists: dict[tuple[str], list[float]] = {}
    for key, value in pairs:
        if key is not None:
            lists.setdefault((key,), []).append(value)
    assert {key: len(values) for key, values in lists.items()} == groups.aggregates("count")
    assert {key: min(values) for key, values in lists.items()} == groups.aggregates("min")
    assert {key: max(values) for key, values in lists.items()} == groups.aggregates("max")
    medians = {key: statistics.median(values) for key, values in lists.items()}
    assert medians == groups.aggregates("median")
    expected = {key: (math.fsum(values), len(values)) for key, values in lists.items()}
    assert groups.sums() == expected


def test_groups_of_the_largest_doubles() -> None:
    keys, values = pl.Series(["a", "a", "b"]), pl.Series([1.7e308, -1.7e308, 1.7e308])
    assert Groups.of([keys], values).sums() == {("a",): (0.0, 2), ("b",): (1.7e308, 1)}


@RUNS
@given(values=st.lists(st.floats(-1e6, 1e6) | st.none(), min_size=1, max_size=50))
def test_a_sample_takes_the_statistics_of_finite_values(values: list[float | None]) -> None:
    finite = [value for value in values if value is not None]
    if not finite:
        return
    sample = Sample(column=pl.Series([*values, math.inf, None], dtype=pl.Float64))
    mean = math.fsum(finite) / len(finite)
    assert sample.mean == mean
    squares = [(value - mean) * (value - mean) for value in finite]
    assert sample.variance == math.fsum(squares) / len(finite)
    assert sample.bounds == (min(finite), max(finite))
    counts = {value: finite.count(value) for value in finite}
    assert sample.mode == min(v for v in finite if counts[v] == max(counts.values()))


@RUNS
@given(values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_quantiles_selected_and_sorted_are_the_same(values: list[float]) -> None:
    shares = [place / 40 for place in range(41)]
    column = pl.Series(values, dtype=pl.Float64)
    together = Sample(column=column)
    found = [together.quantile(share) for share in shares]
    assert found == [Sample(column=column).quantile(share) for share in shares]
