"""Skews of one twin: errors that replace the row or the batch method of an op."""

from __future__ import annotations

import math
import struct
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from dagrun.stages import features as f
from dagrun.stages.ops import bucket, category, clock, group, impute, numeric, scale
from dagrun.stages.ops.op import Names, Op

Row = Callable[[Any, Names, str], str]
"""A row twin's skew: the op, its variables, and what the true twin writes."""
Batch = Callable[[Any, Sequence[pl.Expr], Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Skew:
    """One planted error: what it is, where it stands, and how it is planted."""

    name: str
    where: str
    proved: f.Features = ()
    kind: type[Op] | None = None
    method: str = ""
    change: Any = None
    member: str = ""


def row(kind: type[Op], name: str, change: Row, proved: f.Features) -> Skew:
    where = f"row twin of {kind.op}"
    return Skew(name=name, where=where, proved=proved, kind=kind, method="row", change=change)


def batch(kind: type[Op], name: str, change: Batch, proved: f.Features) -> Skew:
    where = f"batch twin of {kind.op}"
    return Skew(name=name, where=where, proved=proved, kind=kind, method="batch", change=change)


def float32(value: float) -> float:
    return struct.unpack("f", struct.pack("f", value))[0] if abs(value) < 3e38 else value


def low_word(value: int) -> int:
    return value & 0xFFFFFFFF


def row_skews() -> Iterator[Skew]:
    x = "x"
    yield row(
        numeric.Affine,
        "changed constant",
        lambda op, v, true: f"{v[0]} * {op.factor + 1e-7!r} + {op.offset!r}",
        f.affine(x, factor=0.3, offset=1.1),
    )
    yield row(
        numeric.Interact,
        "swapped columns",
        lambda op, v, true: true.replace(f"{v[0]} -", f"{v[1]} -").replace(
            f"- {v[1]}", f"- {v[0]}"
        ),
        f.interact(x, "y", how="difference"),
    )
    yield row(
        numeric.Ratio,
        "denominator 0 gives 0",
        lambda op, v, true: true.replace("else nan", "else 0.0"),
        f.ratio(x, "y"),
    )
    yield row(
        numeric.Interact,
        "float32 arithmetic",
        lambda op, v, true: (
            f"{v.bind(float32, 'f')}({v[0]}) {'*' if op.how == 'product' else '-'} {v[1]}"
        ),
        f.interact(x, "y"),
    )
    yield row(
        numeric.Cast,
        "null read as 0",
        lambda op, v, true: true.replace("nan if", "0.0 if"),
        f.cast("i"),
    )
    yield row(
        numeric.Cast,
        "int64 truncated to 32 bits",
        lambda op, v, true: true.replace(f"({v[0]})", f"({v.bind(low_word, 'low')}({v[0]}))"),
        f.cast("i"),
    )
    yield row(
        numeric.Log1p,
        "log(1 + x) for log1p(x)",
        lambda op, v, true: f"{v.bind(math.log, 'log')}(1.0 + {v[0]}) if {v[0]} > -1.0 else nan",
        f.log1p(x),
    )
    yield row(numeric.SignedLog, "sign lost", lambda op, v, true: true.lstrip("-"), f.signed_log(x))
    yield row(
        numeric.Clip,
        "upper bound forgotten",
        lambda op, v, true: f"{op.low!r} if {v[0]} < {op.low!r} else {v[0]}",
        f.clip(x, low=1.0, high=9.0),
    )
    yield row(
        scale.MinMax, "result held in [0, 1]", lambda op, v, true: f"min(1.0, {true})", f.minmax(x)
    )
    yield row(
        scale.Standardize,
        "scaled before it is centred",
        lambda op, v, true: f"{v[0]} * {op.scale!r} - {op.offset * op.scale!r}",
        f.standardize(x),
    )
    yield row(
        bucket.BucketFixed,
        "edge belongs to the bucket below",
        lambda op, v, true: (
            f"float({v.bind(bisect_left, 'left')}({op.edges!r}, {v[0]}))"
            f" if {v[0]} == {v[0]} else nan"
        ),
        f.bucket_fixed(x, edges=(0.0, 1.0, 5.0)),
    )
    yield row(
        impute.ImputeStat,
        "0 for the median",
        lambda op, v, true: f"0.0 if {v.null(0)} else {v[0]}",
        f.impute_stat(x),
    )
    yield row(
        impute.MissingFlag,
        "flag reversed",
        lambda op, v, true: f"0.0 if {v.null(0)} else 1.0",
        f.missing_flag(x),
    )
    yield row(
        clock.Cyclical,
        "sine for cosine",
        lambda op, v, true: (
            true.replace("cos", v.bind(math.sin, "sin")) if op.wave == "cos" else true
        ),
        f.cyclical(x, period=7.0),
    )
    yield row(
        category.OneHot, "columns reversed", lambda op, v, true: f"({true})[::-1]", f.one_hot("s")
    )
    yield row(
        category.Ordinal,
        "unseen category is 0, not -1",
        lambda op, v, true: true.replace("-1.0", "0.0"),
        f.ordinal("s"),
    )
    yield row(
        category.Cross,
        "another separator",
        lambda op, v, true: true.replace("\\x1f", "|"),
        f.frequency(f.cross("s", "t")),
    )
    yield row(
        clock.DayPart,
        "weekday off by one",
        lambda op, v, true: f"{true} - 1.0",
        f.date_parts("at", parts="weekday", tz="Europe/Berlin"),
    )
    yield row(
        clock.TimePart,
        "12-hour clock",
        lambda op, v, true: f"({true}) % 12.0",
        f.date_parts("at", parts="hour", tz="Europe/Berlin"),
    )
    yield row(
        clock.Clock,
        "another time zone",
        lambda op, v, true: f"{true} - 3600000000.0",
        f.date_parts("at", parts="hour", tz="Europe/Berlin"),
    )
    yield row(
        group.GroupAgg,
        "keys in another order",
        lambda op, v, true: true.replace(f"({v[0]}, {v[1]})", f"({v[1]}, {v[0]})"),
        f.group_agg("z", by=("s", "t")),
    )


def batch_skews() -> Iterator[Skew]:
    x = "x"
    yield batch(
        scale.Standardize,
        "division for multiplication",
        lambda op, v, true: (v[0] - op.offset) / (1.0 / op.scale) if op.scale else true,
        f.standardize(x),
    )
    yield batch(
        numeric.Affine,
        "rounded to 6 digits",
        lambda op, v, true: true.round(6),
        f.affine(x, factor=0.3, offset=1.1),
    )
    yield batch(
        numeric.Interact,
        "float32 arithmetic",
        lambda op, v, true: (
            (v[0].cast(pl.Float32) * v[1].cast(pl.Float32)).fill_nan(None)
            if op.how == "product"
            else true
        ),
        f.interact(x, "y"),
    )
    yield batch(
        numeric.Log1p, "another base", lambda op, v, true: true * (1.0 / math.log(10.0)), f.log1p(x)
    )
    yield batch(
        category.OneHot,
        "trimmed first",
        lambda op, v, true: op_batch(op, [v[0].str.strip_chars(" ")]),
        f.one_hot("s"),
    )
    yield batch(
        category.OneHot,
        "case ignored",
        lambda op, v, true: op_batch(op, [v[0].str.to_uppercase()]),
        f.one_hot("s"),
    )
    yield batch(
        clock.Clock,
        "no time zone",
        lambda op, v, true: v[0] + 0,
        f.date_parts("at", parts="hour", tz="Europe/Berlin"),
    )
    yield batch(
        numeric.Ratio, "integer division", lambda op, v, true: true.floor(), f.ratio(x, "y")
    )
    yield batch(
        bucket.BucketQuantile,
        "shifted by one bucket",
        lambda op, v, true: true + 1.0,
        f.bucket_quantile(x, buckets=4),
    )


op_batch = category.OneHot.batch
