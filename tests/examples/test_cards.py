"""The cards example: nothing from later in a row, and a past that is told payment by payment."""

from __future__ import annotations

import datetime as dt
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from dagrun import Files
from dagrun.engine.pipeline import Pipeline, load_pipeline
from dagrun.engine.project import find_project
from dagrun.server.client import Client
from dagrun.server.serving import Models, ServedModel, Server, ServerSettings
from dagrun.stages.bundle import make_bundle, score
from dagrun.stages.bundle.golden_rows import bits
from dagrun.stages.features import FeatureSet
from dagrun.stages.proof import compare
from dagrun.stages.train import fit_xgboost
from dagrun.stages.validate import Contract, ContractViolation, check_leakage, validate

FOLDER = Path(__file__).parents[2] / "examples" / "cards"
CARDS = 500


@pytest.fixture(scope="module")
def pipeline() -> Iterator[Pipeline]:
    path, modules = list(sys.path), set(sys.modules)
    yield load_pipeline(find_project(None, FOLDER))
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(FOLDER)):
            del sys.modules[name]


def module(pipeline: Pipeline, name: str) -> ModuleType:
    assert pipeline.project.root == FOLDER
    return importlib.import_module(name)


@pytest.fixture(scope="module")
def cards(pipeline: Pipeline) -> pl.DataFrame:
    made: pl.DataFrame = pipeline.stages["cards"](count=CARDS)
    return made


@pytest.fixture(scope="module")
def simulated(pipeline: Pipeline, cards: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    made: tuple[pl.DataFrame, pl.DataFrame] = pipeline.stages["simulated"](cards)
    return made


def known_of(pipeline: Pipeline, payments: pl.DataFrame, cards: pl.DataFrame) -> pl.DataFrame:
    contracts = (f"contracts/{name}.toml" for name in ("payments", "known"))
    first, second = (Files(name).bind(FOLDER) for name in contracts)
    stages = pipeline.stages
    made: pl.DataFrame = stages["known"](stages["admitted"](payments, first), cards, second)
    return made


@pytest.fixture(scope="module")
def known(
    pipeline: Pipeline, simulated: tuple[pl.DataFrame, pl.DataFrame], cards: pl.DataFrame
) -> pl.DataFrame:
    return known_of(pipeline, simulated[0], cards)


@pytest.fixture(scope="module")
def parts(
    pipeline: Pipeline, known: pl.DataFrame, simulated: tuple[pl.DataFrame, pl.DataFrame]
) -> tuple[pl.DataFrame, ...]:
    made: tuple[pl.DataFrame, ...] = pipeline.stages["split"](known, simulated[1])
    return made


@pytest.fixture(scope="module")
def features(pipeline: Pipeline) -> FeatureSet:
    declared: FeatureSet = module(pipeline, "features").FEATURES
    return declared


def test_one_seed_is_one_world(
    pipeline: Pipeline, cards: pl.DataFrame, simulated: tuple[pl.DataFrame, pl.DataFrame]
) -> None:
    again = pipeline.stages["simulated"](cards)
    assert all(map(pl.DataFrame.equals, again, simulated))
    other, _ = pipeline.stages["simulated"](cards, seed=21)
    assert not other.equals(simulated[0])


def test_the_ledger_tells_the_same_past_one_payment_at_a_time(
    pipeline: Pipeline, simulated: tuple[pl.DataFrame, pl.DataFrame], known: pl.DataFrame
) -> None:
    ledger, told = module(pipeline, "ledger").Ledger(), []
    for payment in simulated[0].sort("at", "card").iter_rows(named=True):
        told.append(ledger.ask(payment))
        ledger.add(payment)
    past = known.drop("limit_cents", "km_from_home")
    assert_frame_equal(pl.DataFrame(told, schema=past.schema), past, check_exact=True)


def test_nothing_that_is_paid_later_reaches_a_row(
    pipeline: Pipeline, simulated: tuple[pl.DataFrame, pl.DataFrame], known: pl.DataFrame
) -> None:
    moment = dt.datetime(2025, 4, 1, tzinfo=dt.UTC)
    earlier = pl.col("at") < moment
    past_of = module(pipeline, "history").past_of
    forged = simulated[0].with_columns(
        cents=pl.when(earlier).then("cents").otherwise(1),
        shop=pl.when(earlier).then("shop").otherwise(7),
    )
    columns = known.drop("limit_cents", "km_from_home").columns
    before = known.filter(earlier).select(columns)
    assert past_of(forged).filter(earlier).select(columns).equals(before)
    assert past_of(simulated[0].filter(earlier)).select(columns).equals(before)


def test_a_move_counts_from_when_the_bank_knew_of_it(
    cards: pl.DataFrame, known: pl.DataFrame
) -> None:
    moved = cards.filter(pl.col("since") != pl.col("known_at")).row(0, named=True)
    first = cards.filter(pl.col("card") == moved["card"]).row(0, named=True)
    rows = known.filter(pl.col("card") == moved["card"], pl.col("shop_x").is_not_null())
    for home, when in (
        (first, pl.col("at") < moved["known_at"]),
        (moved, pl.col("at") >= moved["known_at"]),
    ):
        there = rows.filter(when)
        assert there.height
        distance = np.hypot(there["shop_x"] - home["home_x"], there["shop_y"] - home["home_y"])
        assert np.allclose(there["km_from_home"].to_numpy(), distance)


def test_reports_are_no_column_of_what_is_known(known: pl.DataFrame) -> None:
    contract = Contract.read(FOLDER / "contracts" / "known.toml")
    with pytest.raises(ContractViolation, match="fraud"):
        validate(known.with_columns(fraud=pl.lit(False)), contract, table="known")


def test_training_ends_before_reports_are_out(parts: tuple[pl.DataFrame, ...]) -> None:
    train, valid, test = parts
    begin = dt.datetime(2025, 7, 1, tzinfo=dt.UTC)
    assert train["at"].max() < dt.datetime(2025, 4, 16, tzinfo=dt.UTC) <= valid["at"].min()
    assert valid["at"].max() + dt.timedelta(days=45) <= begin <= test["at"].min()


def test_a_training_row_sees_reports_that_had_come_in(
    features: FeatureSet, parts: tuple[pl.DataFrame, ...]
) -> None:
    train = parts[0]
    _, matrix = features.fit_transform(train, label="fraud")
    found = matrix["fraud_mean_by_shop"]
    checked = 0
    for row in np.flatnonzero(found.is_not_null().to_numpy())[::3_000].tolist():
        at = train["at"][row] - dt.timedelta(days=45)
        told = train.filter(pl.col("at") < at)
        here = told.filter(pl.col("shop") == train["shop"][row])
        rate = int(told["fraud"].sum()) / told.height
        expected = (int(here["fraud"].sum()) + 50 * rate) / (here.height + 50)
        assert found[row] == pytest.approx(expected, rel=1e-6)
        checked += 1
    assert checked > 5
    early = train["at"] < dt.datetime(2025, 2, 15, tzinfo=dt.UTC)
    assert found.filter(early).null_count() == early.sum()


def test_no_feature_knows_too_much(features: FeatureSet, parts: tuple[pl.DataFrame, ...]) -> None:
    report = check_leakage(
        features, parts[0], label="fraud", later={"test": parts[2]}, ceiling=0.95
    )
    assert report.leaks == (), str(report)


def test_payments_have_the_same_bits_in_every_way(
    features: FeatureSet, parts: tuple[pl.DataFrame, ...]
) -> None:
    train, valid, test = parts
    spec, matrix = features.fit_transform(train, label="fraud")
    booster = fit_xgboost(matrix, spec.transform(valid), seed=0, rounds=20, nthread=1)
    bundle = make_bundle(None, name="cards", spec=spec, booster=booster, sample=test)
    rows = test.select(column.name for column in spec.inputs).gather_every(4)
    compare(spec, rows).require()
    with (
        Server(Models([ServedModel("cards", bundle)]), ServerSettings(port=0)) as server,
        Client(server.address, timeout=60) as client,
    ):
        answers = [
            answer.probability
            for part in rows.iter_slices(1_000)
            for answer in client.predict("cards", part.to_dicts())
        ]
    served = bits(np.array(answers, np.float32))
    assert (served == bits(score(bundle, rows)["probability"].to_numpy())).all()
