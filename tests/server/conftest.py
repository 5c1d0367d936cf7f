"""A small real bundle with every dtype, and servers for it."""

from __future__ import annotations

import datetime as dt
import io
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import xgboost
from tests_bundles import CARRIERS

from dagrun.server.client import Client
from dagrun.server.serving import Models, ServedModel, Server, ServerSettings
from dagrun.stages.bundle import Booster, Bundle, make_bundle
from dagrun.stages.features import (
    Column,
    cast,
    date_parts,
    embed_lookup,
    feature_set,
    hash_bucket,
    lookup,
    missing_flag,
    one_hot,
    standardize,
    target_mean,
    tokens,
)


def raw_rows(rows: int, seed: int) -> pl.DataFrame:
    """Return random flights: every dtype, nulls where they are allowed."""
    pick = random.Random(seed)
    start, day = dt.datetime(2013, 1, 1), dt.date(2013, 1, 1)
    data = [
        {
            "carrier": pick.choice(["UA", "AA", "B6", "", None]),
            "distance": float(pick.randint(80, 5000)),
            "wind_speed": pick.choice([None, pick.uniform(0, 40)]),
            "seats": pick.choice([None, pick.randint(2, 450)]),
            "sched_dep": start + dt.timedelta(minutes=pick.randint(0, 525_600)),
            "booked": start.replace(tzinfo=dt.UTC) + dt.timedelta(seconds=pick.randint(0, 10**7)),
            "bought": day + dt.timedelta(days=pick.randint(0, 364)),
            "holiday": pick.random() < 0.1,
        }
        for _ in range(rows)
    ]
    return pl.DataFrame(data, schema_overrides={"booked": pl.Datetime("us", "UTC")})


FEATURES = feature_set(
    standardize("distance", "wind_speed"),
    one_hot("carrier"),
    date_parts("sched_dep", parts=("hour", "weekday"), tz="America/New_York"),
    date_parts("booked", parts=("month",), tz="UTC"),
    date_parts("bought", parts=("month",)),
    target_mean("late", by=("carrier",), prior=50),
    lookup("carrier", table=CARRIERS, value="fleet", default=-1),
    embed_lookup("carrier", table=CARRIERS, key="carrier", vector="vector", dimensions=2),
    hash_bucket("carrier", "seats", buckets=64),
    tokens("carrier", vocabulary=2),
    missing_flag("seats"),
    cast("seats", "holiday"),
    inputs=[
        Column(name="distance", dtype="double", nullable=False),
        Column(name="holiday", dtype="bool", nullable=False),
    ],
)


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    """A model of 20 trees."""
    raw = raw_rows(600, 1).with_columns(
        late=(pl.col("distance") > 2500) | (pl.col("carrier") == "UA").fill_null(False)
    )
    spec, matrix = FEATURES.fit_transform(raw, label="late")
    values = matrix.select(pl.col(spec.names).cast(pl.Float32)).to_numpy()
    train = xgboost.DMatrix(values, matrix["late"].to_numpy(), feature_names=list(spec.names))
    params = {"objective": "binary:logistic", "nthread": 1, "max_depth": 4}
    booster = Booster(
        ubj=bytes(xgboost.train(params, train, 20).save_raw("ubj")),
        features=spec.names,
        objective="binary:logistic",
        rounds=20,
    )
    return make_bundle(
        None,
        name="flights",
        spec=spec,
        booster=booster,
        sample=raw,
        threshold=0.4,
        metrics={"auc": 0.9},
        trained={"from": "2013-01-01", "to": "2013-12-31"},
    )


@pytest.fixture(scope="session")
def rewritten(bundle: Bundle) -> Bundle:
    """A bundle with new digests whose golden rows ask for another margin in row 3, as somebody
    with bad intent would make it."""
    frame = pl.read_parquet(io.BytesIO(bundle.golden.parquet))
    margins = bundle.golden.margins.copy()
    margins[3] += 1
    parquet = io.BytesIO()
    frame.with_columns(pl.Series("margin", margins.view(np.uint32))).write_parquet(parquet)
    golden = replace(bundle.golden, margins=margins, parquet=parquet.getvalue())
    return replace(bundle, golden=golden)


@pytest.fixture(scope="session")
def served(bundle: Bundle) -> ServedModel:
    return ServedModel("flights", bundle)


Start = Callable[..., Server]


@pytest.fixture
def start(served: ServedModel) -> Iterator[Start]:
    """Start servers on free ports with given settings; they end with the test."""
    with ExitStack() as stack:

        def started(**settings: object) -> Server:
            chosen = ServerSettings(port=0, **settings)  # type: ignore[arg-type]
            return stack.enter_context(Server(Models([served]), chosen))

        yield started


@pytest.fixture(scope="session")
def server(served: ServedModel) -> Iterator[Server]:
    """One server for tests that change nothing."""
    with Server(Models([served]), ServerSettings(port=0)) as running:
        yield running


@pytest.fixture(scope="session")
def client(server: Server) -> Iterator[Client]:
    with Client(server.address, timeout=20) as connected:
        yield connected


def row(**changes: object) -> dict[str, object]:
    """Return a row that the model admits, with some values changed."""
    return {
        "carrier": "UA",
        "distance": 1400.0,
        "wind_speed": None,
        "seats": 150,
        "sched_dep": dt.datetime(2013, 3, 1, 17, 5),
        "booked": dt.datetime(2013, 2, 1, tzinfo=dt.UTC),
        "bought": dt.date(2013, 2, 1),
        "holiday": False,
        **changes,
    }


@pytest.fixture
def make_row() -> Callable[..., dict[str, object]]:
    return row


@pytest.fixture(scope="session")
def make_rows() -> Callable[[int, int], pl.DataFrame]:
    return raw_rows
