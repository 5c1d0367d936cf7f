"""yeo_johnson: the formula, the likeliest power, and twins that agree where pow would not."""

from __future__ import annotations

import math
import os
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests_parity import RUNS, assert_twins, doubles, fitted, frames

from dagrun.stages import features as f
from dagrun.stages.features.column import Column
from dagrun.stages.features.spec import FeatureSpec
from dagrun.stages.features.step import Output, Step
from dagrun.stages.ops.errors import CannotFit
from dagrun.stages.ops.power import YeoJohnson

POWERS = [0.0, 2.0, 1.0, 0.5, 3.0, -1.0, 0.000001, 1.999999, 5.0, -5.0, 0.226783]


def with_power(power: float) -> FeatureSpec:
    return FeatureSpec(
        inputs=(Column(name="x", dtype="double"),),
        steps=(Step(name="y", op=YeoJohnson(power=power), reads=(0,)),),
        outputs=(Output(name="y", value=1),),
    )


@RUNS
@given(train=frames(least=3), frame=frames())
def test_the_twins_agree(train: pl.DataFrame, frame: pl.DataFrame) -> None:
    features = f.feature_set(f.yeo_johnson("x", "b"))
    assert_twins(fitted(features, train), pl.concat([train[:4], frame]))


@pytest.mark.parametrize("power", POWERS)
@RUNS
@given(values=st.lists(doubles, min_size=1, max_size=30))
def test_the_twins_agree_for_any_power(power: float, values: list[float | None]) -> None:
    frame = pl.DataFrame({"x": pl.Series(values, dtype=pl.Float64)})
    assert_twins(with_power(power), frame)
    doubled = frame.select(YeoJohnson(power=power).batch([pl.col("x")]).alias("y"))["y"]
    row = with_power(power).row_function()
    single = pl.Series([row([value])[0] for value in values], dtype=pl.Float64)
    same = doubled.fill_nan(None).eq_missing(single.fill_nan(None))
    assert same.all(), frame.filter(~same)


@pytest.mark.parametrize("power", POWERS)
def test_the_formula(power: float) -> None:
    def formula(x: float) -> float:
        if x >= 0:
            return ((x + 1) ** power - 1) / power if power else math.log1p(x)
        return -((1 - x) ** (2 - power) - 1) / (2 - power) if power != 2 else -math.log1p(-x)

    values = [-7.5, -1.0, -0.25, 0.0, 0.25, 1.0, 7.5, 40.0]
    found = with_power(power).transform(pl.DataFrame({"x": values}))["y"].to_list()
    assert found == pytest.approx([formula(x) for x in values], rel=1e-6, abs=1e-9)


def test_what_is_small_is_not_lost_and_what_is_large_has_a_limit() -> None:
    ends = pl.DataFrame({"x": [1e-20, -1e-20, math.inf, -math.inf, 1e308, None]})
    shrinking = with_power(-0.5).transform(ends)["y"].to_list()
    assert shrinking[:2] == pytest.approx([1e-20, -1e-20], rel=1e-6)
    assert shrinking[2:] == [2.0, -math.inf, 2.0, None]


# Powers that scikit-learn 1.9.1 finds: PowerTransformer(standardize=False).fit(x).lambdas_[0].
@pytest.mark.parametrize(
    ("values", "power"),
    [
        ([1.0, 2, 3, 10, 100, 1000, -5, -3, 0, 7, 8, 9], 0.22678274),
        (np.arange(50.0) ** 2, 0.35030724),
        (-np.exp(np.arange(30) / 10), 2.18592809),
        (np.sin(np.arange(100.0)), 1.01723745),
    ],
)
def test_the_power_is_the_likeliest(values: np.ndarray, power: float) -> None:
    spec = f.feature_set(f.yeo_johnson("x")).fit(pl.DataFrame({"x": values}))
    assert spec.steps[0].op.power == pytest.approx(power, abs=2e-6)


def test_the_power_does_not_depend_on_the_order_of_rows_or_on_threads() -> None:
    code = (
        "import polars as pl, numpy as np\n"
        "from dagrun.stages import features as f\n"
        "values = np.random.default_rng(7).gamma(2, 3, 40_000) - 2\n"
        "for seed in range(3):\n"
        "    rows = pl.DataFrame({'x': values}).sample(fraction=1, shuffle=True, seed=seed)\n"
        "    print(f.feature_set(f.yeo_johnson('x')).fit(rows).steps[0].op.power)\n"
    )
    found = set()
    for threads in ("1", "4"):
        run = subprocess.run(
            [sys.executable, "-P", "-c", code],
            env={**os.environ, "POLARS_MAX_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        )
        found |= set(run.stdout.split())
    assert len(found) == 1


@pytest.mark.parametrize("values", [[4.0, 4.0, None], [0.0, 5e-324], [1e-301, -1e-301, 0.0]])
def test_columns_that_no_power_changes_keep_power_1(values: list[float]) -> None:
    spec = f.feature_set(f.yeo_johnson("x")).fit(pl.DataFrame({"x": values}))
    assert spec.steps[0].op.power == 1.0


@pytest.mark.parametrize(
    ("values", "way_out"),
    [
        ([1e308, -1e308, 1.0], "clip"),
        ([1e6 + n / 10 for n in range(100)], "standardize"),
    ],
)
def test_columns_that_a_power_would_spoil_are_refused(values: list[float], way_out: str) -> None:
    with pytest.raises(CannotFit, match=way_out):
        f.feature_set(f.yeo_johnson("x")).fit(pl.DataFrame({"x": values}))
    if way_out == "standardize":
        f.feature_set(f.yeo_johnson(f.standardize("x"))).fit(pl.DataFrame({"x": values}))
