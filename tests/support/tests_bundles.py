"""Made-up flights, features of most kinds over them, and ways to tamper with a bundle."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Callable

import polars as pl
import xgboost

from dagrun.engine import canonical
from dagrun.stages.bundle import Bundle, archive
from dagrun.stages.features import (
    date_parts,
    embed_lookup,
    feature_set,
    hash_bucket,
    log1p,
    lookup,
    one_hot,
    standardize,
    target_mean,
    tokens,
)

CARRIERS = pl.DataFrame(
    {
        "carrier": ["UA", "", "é\x00東京", *(f"C{i}" for i in range(400))],
        "fleet": [770, None, -(2**63), *range(400)],
        "vector": [[float(i), -0.5 * i] for i in range(403)],
    }
)
"""More rows than a document holds itself: the table becomes a blob."""

FEATURES = feature_set(
    standardize("distance", "wind"),
    log1p("wind"),
    "seats",
    one_hot("carrier"),
    date_parts("sched_dep", parts=("hour", "weekday"), tz="America/New_York"),
    target_mean("late", by=("carrier",), prior=20),
    lookup("carrier", table=CARRIERS, value="fleet", default=-1),
    embed_lookup("carrier", table=CARRIERS, key="carrier", vector="vector", dimensions=2),
    hash_bucket("carrier", "seats", buckets=64),
    tokens("carrier", vocabulary=2),
)


def flights(rows: int, seed: int = 0) -> pl.DataFrame:
    chance = random.Random(seed)
    start = dt.datetime(2013, 1, 1, tzinfo=dt.UTC)
    made = []
    for _ in range(rows):
        wind = chance.choice([None, chance.gammavariate(2, 3)])
        made.append(
            {
                "distance": chance.gauss(1000, 300),
                "wind": wind,
                "seats": chance.choice([None, 2, 20, 150, 2**40]),
                "carrier": chance.choice(["UA", "AA", "B6", "", None]),
                "sched_dep": start + dt.timedelta(minutes=chance.randrange(500_000)),
                "late": chance.random() < 0.2 + 0.02 * (wind or 5),
            }
        )
    schema = {"seats": pl.Int64, "sched_dep": pl.Datetime("us", "UTC")}
    return pl.DataFrame(made, schema_overrides=schema)


def redigested(bundle: Bundle, member: str, change: Callable[[bytes], bytes]) -> bytes:
    """Return the bundle's file with one member changed and every digest made anew."""
    members = archive.unpack(bundle.to_bytes())
    changed = change(members[member])
    assert changed != members[member]
    members[member] = changed
    manifest = json.loads(members["manifest.json"])
    if member != "manifest.json":
        manifest["members"][member] = canonical.digest_bytes(changed)
        members["manifest.json"] = canonical.to_bytes(manifest)
    return archive.pack(members)


def with_other_leaf(ubj: bytes) -> bytes:
    """Return the model with the first leaf of its first tree moved by the least float32 step."""
    model = xgboost.Booster()
    model.load_model(bytearray(ubj))
    document = json.loads(model.save_raw("json"))
    tree = document["learner"]["gradient_booster"]["model"]["trees"][0]
    leaf = tree["left_children"].index(-1)
    tree["split_conditions"][leaf] += 1e-6
    tree["base_weights"][leaf] += 1e-6
    model.load_model(bytearray(json.dumps(document).encode()))
    return bytes(model.save_raw("ubj"))
