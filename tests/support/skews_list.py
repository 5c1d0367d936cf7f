"""Forty skews: errors of one twin of an op, of a fitted document, of a bundle."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import polars as pl
import xgboost
from skews_twins import Skew, batch_skews, row_skews
from tests_bundles import with_other_leaf

from dagrun.stages import features as f

FEATURES = f.feature_set(
    f.standardize("distance"),
    f.affine("distance", factor=0.3, offset=1.1, name="distance_affine"),
    f.interact("distance", "wind", how="difference"),
    f.interact("distance", "wind", how="product"),
    f.ratio("distance", "wind"),
    f.log1p("wind"),
    f.signed_log("distance", name="distance_signed"),
    f.minmax("wind"),
    f.clip("wind", low=1.0, high=9.0, name="wind_clipped"),
    f.bucket_fixed("wind", edges=(0.0, 1.0, 5.0)),
    f.bucket_quantile("distance", buckets=4),
    f.impute_stat("wind", stat="median"),
    f.missing_flag("wind"),
    f.cyclical("wind", period=7.0),
    "seats",
    f.one_hot("carrier"),
    f.ordinal("carrier"),
    f.frequency(f.cross("carrier", "seats")),
    f.date_parts("sched_dep", parts=("hour", "weekday"), tz="America/New_York"),
    f.time_since("sched_dep", "sched_dep", name="nothing_since"),
    f.group_agg("arrived", by=("carrier", "seats"), how="mean"),
    f.target_mean("late", by="carrier", prior=20),
)


def document(name: str, where: str, change: Callable[[dict[str, Any]], None]) -> Skew:
    def edited(data: bytes) -> bytes:
        form = json.loads(data)
        change(form)
        return json.dumps(form, sort_keys=True, separators=(",", ":")).encode()

    return Skew(name=name, where=f"document: {where}", member="spec.json", change=edited)


def step_of(form: dict[str, Any], op: str) -> dict[str, Any]:
    return next(step for step in form["steps"] if step["op"] == op)


def scaled(form: dict[str, str], factor: float) -> dict[str, str]:
    value = float.fromhex(form["hex"]) * factor
    return {"dec": repr(value), "hex": value.hex()}


def _document_skews() -> Iterator[Skew]:
    def state(
        op: str, field: str, change: Callable[[Any], Any]
    ) -> Callable[[dict[str, Any]], None]:
        def edit(form: dict[str, Any]) -> None:
            found = step_of(form, op)["state"]
            found[field] = change(found[field])

        return edit

    rows = 2_000
    ddof = math.sqrt((rows - 1) / rows)
    yield document(
        "ddof 1 for ddof 0",
        "scale of standardize",
        state("standardize", "scale", lambda v: scaled(v, ddof)),
    )
    yield document(
        "mean for median",
        "value of impute_stat",
        state("impute_stat", "value", lambda v: scaled(v, 1.2)),
    )
    yield document(
        "stale table",
        "group_agg",
        state(
            "group_agg",
            "table",
            lambda t: {**t, "values": [scaled(v, 1.00001) for v in t["values"]]},
        ),
    )
    yield document(
        "categories in another order", "one_hot", state("one_hot", "categories", lambda c: c[::-1])
    )
    yield document(
        "swapped inputs", "ratio", lambda form: step_of(form, "ratio")["reads"].reverse()
    )


def _bundle_skews() -> Iterator[Skew]:
    def other_seat(data: bytes) -> bytes:
        frame = pl.read_parquet(io.BytesIO(data))
        out = io.BytesIO()
        first = pl.col("feature/seats") ^ pl.when(pl.int_range(pl.len()) == 0).then(1).otherwise(
            0
        ).cast(pl.UInt32)
        frame.with_columns(first).write_parquet(out)
        return out.getvalue()

    def swapped(data: bytes) -> bytes:
        form = json.loads(data)
        features = form["features"]
        features[0]["value"], features[1]["value"] = features[1]["value"], features[0]["value"]
        return json.dumps(form, sort_keys=True, separators=(",", ":")).encode()

    yield Skew(
        name="one leaf moved", where="bundle: model.ubj", member="model.ubj", change=with_other_leaf
    )
    yield Skew(
        name="permuted columns", where="bundle: spec.json", member="spec.json", change=swapped
    )
    yield Skew(
        name="trees dropped", where="bundle: model.ubj", member="model.ubj", change=with_fewer_trees
    )
    yield Skew(
        name="one bit of one row",
        where="bundle: golden.parquet",
        member="golden.parquet",
        change=other_seat,
    )


def with_fewer_trees(ubj: bytes) -> bytes:
    model = xgboost.Booster()
    model.load_model(bytearray(ubj))
    return bytes(model[: model.num_boosted_rounds() - 1].save_raw("ubj"))


SKEWS = (*row_skews(), *batch_skews(), *_document_skews(), *_bundle_skews())
