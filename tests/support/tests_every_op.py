"""A table of every op of the catalog with features that use it, and the spec of all of them.

A new op needs a line here: name of the op -> the features; the tests of the big proof and of the
golden documents fail while it is missing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace

import polars as pl
from tests_parity import COLUMNS

from dagrun.stages import features as f
from dagrun.stages.ops.clock import PARTS
from dagrun.stages.ops.define import Source, flatten
from dagrun.stages.proof import random_frame

YEAR_2000 = dt.datetime(2000, 1, 1)
EVERY_OP: dict[str, Callable[[], Source]] = {
    "cast": lambda: f.cast("x", "i", "b", name="raw_{}"),
    "affine": lambda: f.affine("x", "i", factor=0.1, offset=-3.7),
    "clip": lambda: f.clip("x", "i", low=-0.0, high=2.5),
    "log1p": lambda: f.log1p("x", "i"),
    "signed_log": lambda: f.signed_log("x", "i"),
    "ratio": lambda: (*f.ratio("x", "y"), *f.ratio("i", "j")),
    "interact": lambda: (
        *f.interact("x", "y"),
        *f.interact("x", "y", how="sum", name="sum"),
        *f.interact("x", "y", how="difference", name="difference"),
    ),
    "standardize": lambda: f.standardize("x", "i", "b"),
    "minmax": lambda: f.minmax("x", "i"),
    "robust_scale": lambda: f.robust_scale("x", "i"),
    "clip_iqr": lambda: f.clip_iqr("x", "i"),
    "impute_number": lambda: f.impute_const("x", "i", value=0.3),
    "impute_text": lambda: f.ordinal(f.impute_const("s", value="?"), name="text"),
    "impute_stat": lambda: f.impute_stat("x", "i", stat="median", name="median_{}"),
    "missing_flag": lambda: f.missing_flag("x", "i", "s", "b", "at", "wall", "d"),
    "bucket_fixed": lambda: f.bucket_fixed("x", "i", edges=[-1.0, 0.0, 0.5]),
    "bucket_quantile": lambda: f.bucket_quantile("x", "i", buckets=7, name="q_{}"),
    "one_hot": lambda: f.one_hot("b", "few", rare_below=0.01),
    "ordinal": lambda: f.ordinal("s", "i", "b", "d"),
    "frequency": lambda: f.frequency("s", "i", "b", "d"),
    "cross": lambda: f.frequency(f.cross("few", "i"), name="crossed"),
    "clock": lambda: f.date_parts("at", parts=PARTS, tz="America/New_York", name="ny_{part}"),
    "day": lambda: f.date_parts("d", parts=("weekday", "week"), name="d_{part}"),
    "time_part": lambda: f.date_parts("wall", parts=("hour", "minute"), name="wall_{part}"),
    "day_part": lambda: f.date_parts("wall", parts=("day_of_year", "year"), name="wall_{part}"),
    "cyclical": lambda: f.cyclical("x", "i", period=24),
    "time_since": lambda: (
        *f.time_since("wall", YEAR_2000, unit="hours"),
        *f.time_since("d", YEAR_2000),
        *f.time_since("at", YEAR_2000.replace(tzinfo=dt.UTC), name="at_since"),
    ),
    "group_agg": lambda: (
        *f.group_agg("target", by="few"),
        *f.group_agg("target", by=("s", "i"), how="max", default=-7.5, name="most"),
    ),
    "target_mean": lambda: f.target_mean("target", by=("t", "b"), prior=3),
    "clip_z": lambda: f.clip_z("x", "i"),
    "yeo_johnson": lambda: f.yeo_johnson("x", "i"),
    "norm_text": lambda: f.ordinal(f.norm_text("s", "few")),
    "null_if": lambda: f.null_if("x", values=[0.0, -1.0]),
    "map_text": lambda: f.frequency(f.map_values("few", values={"é": "e", "": None})),
    "map_number": lambda: f.map_values("few", values={"é": 1.5, "": -0.0, "東京": 0.1}),
    "rare_group": lambda: f.ordinal(f.rare_group("few", rare_below=0.15)),
    "parse_number": lambda: f.parse_number(
        "written", thousands=",", prefixes=("$",), units={"": 1, "km": 1000, "%": 0.01}
    ),
    "parse_date": lambda: f.date_parts(
        f.parse_date("written", format=("%Y-%m-%d", "%d.%m.%Y")), parts=("day_of_year", "year")
    ),
    "parse_datetime": lambda: f.date_parts(
        f.parse_datetime("written", format="%Y-%m-%d %H:%M:%S.%f"), parts=("minute_of_day",)
    ),
    "hash_bucket": lambda: f.hash_bucket("s", "i", "b", "d", buckets=64, seed=3),
    "lookup": lambda: f.lookup("few", table=GIVEN, key="word", value="size", default=-1.5),
    "tokens": lambda: (
        *f.tokens("t", "few", vocabulary=8),
        *f.tokens("written", vocabulary=5, how="tfidf", name="weight"),
    ),
    "hashed_tokens": lambda: f.tokens("t", "written", hashing=4, how="flag"),
    "embed_lookup": lambda: f.embed_lookup(
        "few", table=GIVEN, key="word", vector="vector", dimensions=3
    ),
    "elements": lambda: f.embed_lookup(
        "few", table=GIVEN, key="word", vector="vector", dimensions=3, unseen="null"
    ),
    "counts": lambda: f.tokens("few", hashing=3),
}
GIVEN = pl.DataFrame(
    {
        "word": ["", "é", "東京", "a\x00b"],
        "size": [0.1, None, -2.5e-300, 7.0],
        "vector": [[0.1, -0.0, 1e-42], [3.4e38, 1.0, 0.3], [-1.0, 2.0, 5.0], [0.0, 0.5, 9.0]],
    }
)
_WRITTEN = (
    *("1", "-2.50", "$ 99", "$1,234.5", "12%", "3.2 km", " 7", "1e5", "٣", "0.1", ".5", "-0", ""),
    *("2013-03-10", "29.02.2000", "29.02.1900", "2013-11-03 01:30:00.25", "1899-12-31", "10.3.13"),
    *("2013-03-10 23:59:59.999999", "2100-01-01", "late late, LATE; é", "İstanbul km", None),
)
INPUTS = (
    *COLUMNS[:-1],
    f.Column(name="few", dtype="string"),
    f.Column(name="written", dtype="string"),
)


def rows(count: int, seed: int = 0) -> pl.DataFrame:
    """Return random rows of `INPUTS`; `few` has few words, `written` numbers and dates."""
    frame = random_frame(INPUTS, count, seed=seed)
    words = pl.Series(["", "a", "a", "é", "é", "é", "東京", "東京", None, "a\x00b", "never"])
    written = pl.Series(_WRITTEN)
    number = pl.arange(0, count, eager=True)
    return frame.with_columns(
        few=words.gather(number * 31 % 53 % len(words)),
        written=written.gather(number * 7919 % 104_729 % len(written)),
    )


def training(count: int = 2_000) -> pl.DataFrame:
    """Return training rows with their target; their sums stay within the doubles."""
    frame = rows(count, seed=1)
    bounded = [
        pl.when(pl.col(name).cast(pl.Float64).abs() < 1e12).then(pl.col(name)) for name in "xyij"
    ]
    target = pl.arange(0, count, eager=True) * 7919 % 97 / 97
    return frame.with_columns(*bounded, target=target)


def features_of(op: str) -> list[f.Feature]:
    """Return one op's features, the op's name before theirs."""
    made = flatten([EVERY_OP[op]()], op)
    return [replace(one, name=f"{op}: {one.name}") for one in made if isinstance(one, f.Feature)]


def spec_of(*ops: str) -> f.FeatureSpec:
    """Return the fitted spec of some ops' features, or of all."""
    return f.feature_set(*(features_of(op) for op in ops or EVERY_OP)).fit(training())
