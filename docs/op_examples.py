"""One example for each constructor of features: what is written, rows, what becomes of gaps.

The values on the page are computed from these when it is written (`docs/op_page.py`), so they are
always true. A new op gets an `Example` here; a test fails for one that has none.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Example:
    """One section of the page.

    Attributes:
        constructor: its name in `dagrun.stages.features`.
        ops: the ops it is made of, as documents name them.
        call: what one writes, over the columns of `rows`; `dt` is `datetime`.
        train: columns of the training rows.
        rows: columns of the rows that are transformed.
        gaps: what null, NaN and values unseen in training become.
    """

    constructor: str
    ops: tuple[str, ...]
    call: str
    train: Mapping[str, object]
    rows: Mapping[str, object]
    gaps: str = "Null stays null; NaN is null."


NAN, INF = float("nan"), float("inf")
NUMBERS = {"x": [1.0, 2.0, 3.0, 4.0, 10.0]}
GAPPY = {"x": [2.5, -1.0, 20.0, None, NAN]}
WORDS = {"s": ["a", "a", "a", "b", "c"]}
UNSEEN = {"s": ["a", "b", "d", "", None]}
LATE = {**WORDS, "late": [0.0, 1.0, 1.0, 0.0, 1.0]}
INSTANTS = [
    dt.datetime(2013, 3, 10, 6, 59, tzinfo=dt.UTC),
    dt.datetime(2013, 3, 10, 7, 0, tzinfo=dt.UTC),
    dt.datetime(1899, 12, 31, 23, 59, tzinfo=dt.UTC),
    None,
]
DAYS = [dt.date(2013, 3, 10), dt.date(2013, 7, 4), dt.date(2100, 1, 1), None]

EXAMPLES: tuple[Example, ...] = (
    Example(
        constructor="cast",
        ops=("cast",),
        call='cast("n", "b")',
        train={"n": [1], "b": [True]},
        rows={"n": [7, 2**53 + 1, None], "b": [True, False, None]},
    ),
    Example(
        constructor="affine",
        ops=("affine",),
        call='affine("x", factor=-2, offset=1)',
        train=NUMBERS,
        rows=GAPPY,
    ),
    Example(
        constructor="clip",
        ops=("clip",),
        call='clip("x", low=0, high=5)',
        train=NUMBERS,
        rows={"x": [2.5, -INF, INF, None, NAN]},
        gaps="Null stays null; NaN is null; infinities are held within the bounds.",
    ),
    Example(
        constructor="log1p",
        ops=("log1p",),
        call='log1p("x")',
        train=NUMBERS,
        rows=GAPPY,
        gaps="Null stays null; NaN is null; so is what is -1 or less.",
    ),
    Example(
        constructor="signed_log",
        ops=("signed_log",),
        call='signed_log("x")',
        train=NUMBERS,
        rows=GAPPY,
    ),
    Example(
        constructor="ratio",
        ops=("ratio",),
        call='ratio("x", "y")',
        train={"x": [1.0], "y": [2.0]},
        rows={"x": [3.0, 3.0, INF, None], "y": [4.0, 0.0, INF, 2.0]},
        gaps="Null in either stays null; so are a denominator of 0 and inf / inf.",
    ),
    Example(
        constructor="interact",
        ops=("interact",),
        call='interact("x", "y", how="difference"), interact("x", "y")',
        train={"x": [1.0], "y": [2.0]},
        rows={"x": [3.0, INF, 0.0, None], "y": [4.0, INF, INF, 2.0]},
        gaps="Null in either stays null; so are inf - inf and 0 * inf.",
    ),
    Example(
        constructor="standardize",
        ops=("standardize",),
        call='standardize("x")',
        train=NUMBERS,
        rows=GAPPY,
        gaps="Null stays null; NaN is null. Fitted on finite values; if all are equal, 0.",
    ),
    Example(
        constructor="minmax",
        ops=("minmax",),
        call='minmax("x")',
        train=NUMBERS,
        rows=GAPPY,
        gaps="Null stays null; NaN is null. Values beyond the training range leave [0, 1].",
    ),
    Example(
        constructor="robust_scale",
        ops=("robust_scale",),
        call='robust_scale("x")',
        train=NUMBERS,
        rows=GAPPY,
        gaps="Null stays null; NaN is null. Fitted on finite values; if quartiles are equal, 0.",
    ),
    Example(
        constructor="clip_iqr",
        ops=("clip_iqr",),
        call='clip_iqr("x", factor=1.5)',
        train=NUMBERS,
        rows=GAPPY,
        gaps="Null stays null; NaN is null; infinities are held within the fences.",
    ),
    Example(
        constructor="impute_const",
        ops=("impute_number", "impute_text"),
        call='impute_const("x", value=-9), one_hot(impute_const("s", value="none"))',
        train={**NUMBERS, "s": ["a", "a", None, "b", "b"]},
        rows={"x": [2.5, None, NAN], "s": ["a", "d", None]},
        gaps="Null and NaN become the value; nothing else does.",
    ),
    Example(
        constructor="impute_stat",
        ops=("impute_stat",),
        call='impute_stat("x", stat="median")',
        train={"x": [1.0, 2.0, None, 9.0]},
        rows=GAPPY,
        gaps="Null and NaN become the training rows' statistic.",
    ),
    Example(
        constructor="missing_flag",
        ops=("missing_flag",),
        call='missing_flag("x")',
        train=NUMBERS,
        rows={"x": [2.5, INF, None, NAN]},
        gaps="Never null: 1 for null and NaN.",
    ),
    Example(
        constructor="bucket_fixed",
        ops=("bucket_fixed",),
        call='bucket_fixed("x", edges=[0, 10])',
        train=NUMBERS,
        rows={"x": [-0.5, 0.0, 9.5, 10.0, INF, None]},
    ),
    Example(
        constructor="bucket_quantile",
        ops=("bucket_quantile",),
        call='bucket_quantile("x", buckets=4)',
        train=NUMBERS,
        rows=GAPPY,
        gaps="Null stays null; NaN is null. Equal quantiles are one edge.",
    ),
    Example(
        constructor="one_hot",
        ops=("one_hot",),
        call='one_hot("s", rare_below=0.1)',
        train=WORDS,
        rows=UNSEEN,
        gaps="Null, unseen and rare values are 0 in every column.",
    ),
    Example(
        constructor="ordinal",
        ops=("ordinal",),
        call='ordinal("s")',
        train=WORDS,
        rows=UNSEEN,
        gaps="Null stays null; unseen values are -1.",
    ),
    Example(
        constructor="frequency",
        ops=("frequency",),
        call='frequency("s")',
        train=WORDS,
        rows=UNSEEN,
        gaps="Null stays null; unseen values are 0. `dagrun bundle refresh` renews the table.",
    ),
    Example(
        constructor="cross",
        ops=("cross",),
        call='one_hot(cross("s", "n"))',
        train={"s": ["a", "b"], "n": [1, 2]},
        rows={"s": ["a", "a", "b", None], "n": [1, 2, None, 1]},
        gaps="Null in either is null, hence here 0 in every column.",
    ),
    Example(
        constructor="lower",
        ops=("lower",),
        call='ordinal(lower("s"))',
        train=WORDS,
        rows={"s": ["A", "b", "D", None]},
        gaps="Null stays null. Single rows of a spec with it are computed by Polars.",
    ),
    Example(
        constructor="date_parts",
        ops=("clock", "day", "time_part", "day_part"),
        call='date_parts("at", parts=("hour", "weekday"), tz="America/New_York")',
        train={"at": INSTANTS},
        rows={"at": INSTANTS},
        gaps="Null stays null; so are times before 1900 and from 2100 on.",
    ),
    Example(
        constructor="cyclical",
        ops=("cyclical",),
        call='cyclical("hour", period=24)',
        train={"hour": [1.0]},
        rows={"hour": [0.0, 6.0, 18.0, INF, None]},
        gaps="Null stays null; so are infinities.",
    ),
    Example(
        constructor="time_since",
        ops=("time_since",),
        call='time_since("day", dt.datetime(2013, 1, 1), unit="days")',
        train={"day": DAYS},
        rows={"day": DAYS},
        gaps="Null in either stays null; so are times before 1900 and from 2100 on.",
    ),
    Example(
        constructor="group_agg",
        ops=("group_agg",),
        call='group_agg("x", by="s", how="mean", default=-1)',
        train={**NUMBERS, **WORDS},
        rows=UNSEEN,
        gaps="Null in the key stays null; unseen keys get `default`, null without one. "
        "`dagrun bundle refresh` renews the table.",
    ),
    Example(
        constructor="target_mean",
        ops=("target_mean",),
        call='target_mean("late", by="s", prior=2, folds=2)',
        train=LATE,
        rows=UNSEEN,
        gaps="Null in the key stays null; unseen keys get the overall mean. Training rows get it "
        "out of fold. `dagrun bundle refresh` renews the table.",
    ),
)
