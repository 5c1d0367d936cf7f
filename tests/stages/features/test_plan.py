"""The batch plan: no column for what is read once, one for what is read more often."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
import pytest
from tests_parity import assert_twins

from dagrun.stages import features as f
from dagrun.stages.bundle.model import float32_values
from dagrun.stages.features.plan import make_plan

FRAME = pl.DataFrame(
    {
        "x": [1.0, None, -3.5, float("nan"), 1e100, -0.0],
        "n": [1, 2, None, -4, 5, 2**62],
        "c": ["a", "b", None, "a", "zz", ""],
    }
)


def layers(*features: object) -> list[list[str]]:
    spec = f.feature_set(*features).fit(FRAME)
    count = len(spec.inputs)
    steps = dict(enumerate(spec.steps, start=count))
    plan = make_plan(steps, range(count), spec.outputs)
    return [[one.meta.output_name() for one in layer] for layer in plan.layers]


def test_values_read_once_are_written_in_place() -> None:
    assert layers(f.standardize("x", "n"), f.affine(f.affine("x", factor=2), factor=3)) == []
    assert layers(f.one_hot("c"), f.missing_flag("x"), f.bucket_fixed("x", edges=[0, 1])) == []


def test_values_read_more_often_are_columns_until_their_last_reader() -> None:
    filled = f.impute_const("x", value=1)
    assert layers(filled, f.affine(filled, factor=2)) == [["v1"]]
    clipped = f.clip(filled, low=0, high=9)
    twice, thrice = (f.affine(clipped, factor=n, name=f"times_{n}") for n in (2, 3))
    assert layers(twice, thrice) == [["v1"], ["v2"]]


def test_a_long_chain_stays_linear_in_its_length() -> None:
    chain: object = "x"
    for _ in range(60):
        chain = f.clip(chain, low=-5, high=5, name="{}'")
        chain = f.affine(chain, factor=1.5, name="{}*")
    spec = f.feature_set(f.affine(chain, factor=1, name="end")).fit(FRAME)
    assert len(spec.steps) == 121
    assert_twins(spec, FRAME)


def test_strings_by_comparison_and_by_number_give_the_same_columns() -> None:
    names = [f"c{place:02}" for place in range(40)]
    train = pl.DataFrame({"c": [*names, None]})
    spec = f.feature_set(f.one_hot("c"), f.ordinal("c"), f.frequency("c")).fit(train)
    seen = pl.DataFrame({"c": ["c07", "unseen", None, "c39"]})
    matrix = spec.transform(seen)
    ones = [
        [name for name, value in row.items() if value == 1] for row in matrix.iter_rows(named=True)
    ]
    assert ones[1] == ones[2] == []
    assert ones[0] == ["c=c07"]
    assert ones[3] == ["c=c39"]
    assert matrix["c_ordinal"].to_list() == [7, -1, None, 39]
    assert_twins(spec, seen)


def test_edges_by_comparison_and_by_search_give_the_same_bucket() -> None:
    edges = [float(edge) for edge in range(100)]
    few, many = f.bucket_fixed("x", edges=edges[:5]), f.bucket_fixed("x", edges=edges, name="many")
    spec = f.feature_set(few, many).fit(FRAME)
    assert spec.transform(FRAME)["x_bucket"].to_list() == [2, None, 0, None, 5, 1]
    assert spec.transform(FRAME)["many"].to_list() == [2, None, 0, None, 100, 1]
    assert_twins(spec, FRAME)


def test_whole_numbers_are_doubles_to_their_readers() -> None:
    flag, code = f.missing_flag("x"), f.ordinal("c")
    large = f.affine(f.interact(f.affine(code, factor=2**30), flag, how="sum"), factor=4)
    spec = f.feature_set(flag, code, large).fit(FRAME)
    assert set(spec.transform(FRAME).dtypes) == {pl.Int32(), pl.Float32()}
    assert_twins(spec, FRAME)


def test_the_matrix_is_the_transform_as_floats_whoever_asks_beside() -> None:
    """The plan of the matrix is kept by each thread and given another frame each time."""
    spec = f.feature_set(f.standardize("x", "n"), f.one_hot("c"), f.missing_flag("x")).fit(FRAME)
    frames = [
        FRAME.sample(size, with_replacement=True, seed=size) if size else FRAME.clear()
        for size in range(60)
    ]

    def differing(mine: Sequence[pl.DataFrame]) -> list[int]:
        pairs = [
            (spec.matrix(spec.admitted(one)), float32_values(spec.transform(one))) for one in mine
        ]
        assert all(matrix.flags.c_contiguous for matrix, _ in pairs)
        return [len(a) for a, b in pairs if not np.array_equal(_bits(a), _bits(b))]

    with ThreadPoolExecutor(4) as threads:
        parts = [frames[start::4] for start in range(4)] * 3
        assert list(threads.map(differing, parts)) == [[]] * len(parts)


def test_a_plan_that_fails_once_gives_the_next_frame_its_own_matrix() -> None:
    spec = f.feature_set(f.standardize("x")).fit(FRAME)
    with pytest.raises(pl.exceptions.PolarsError):
        spec.matrix([pl.Series(["no number"])])
    expected = _bits(float32_values(spec.transform(FRAME)))
    assert np.array_equal(_bits(spec.matrix(spec.admitted(FRAME))), expected)
    with pytest.raises(pl.exceptions.PolarsError):
        spec.matrix([pl.Series([1, 2], dtype=pl.Int32)])
    assert np.array_equal(_bits(spec.matrix(spec.admitted(FRAME))), expected)


def _bits(values: np.ndarray) -> np.ndarray:
    return values.view(np.uint32)
