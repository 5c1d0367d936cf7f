"""The houses example on its real table: no price in a feature, one set of bits for every row."""

from __future__ import annotations

import importlib.util
import math
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from dagrun import Files
from dagrun.cli.main import main
from dagrun.engine.pipeline import Pipeline, load_pipeline
from dagrun.engine.project import find_project
from dagrun.engine.workspace import Workspace
from dagrun.server.client import Client
from dagrun.server.serving import Models, ServedModel, Server, ServerSettings
from dagrun.stages.bundle import Bundle, Registry, RowScorer, score
from dagrun.stages.bundle.golden_rows import bits
from dagrun.stages.features import FeatureDefinitionError, FeatureSet, cast, interact
from dagrun.stages.proof import compare
from dagrun.stages.validate import Contract, ContractViolation, check_leakage, validate

FOLDER = Path(__file__).parents[2] / "examples" / "houses"
SALES = 21_613
QUICK = ("-p", "model.max_depth=5", "-p", "model.learning_rate=0.2")
"""Params of a model that is trained in a second and passes the gates."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example, run once."""
    folder = tmp_path_factory.mktemp("example") / "houses"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns(".dagrun", "__pycache__"))
    assert carried_out(folder) == 0
    return folder


def carried_out(folder: Path) -> int:
    """Run the pipeline in this process and forget its modules; return the exit code."""
    with pytest.MonkeyPatch.context() as patch, forgetting(folder):
        patch.chdir(folder)
        return main(["run", "--executor", "inline", *QUICK])


class forgetting:  # noqa: N801 - reads as a word
    """Leave no module of a folder behind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        self.path = list(sys.path)

    def __exit__(self, *error: object) -> None:
        sys.path[:] = self.path
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", "")).startswith(str(self.folder)):
                del sys.modules[name]
        importlib.invalidate_caches()


@pytest.fixture(scope="module")
def pipeline() -> Iterator[Pipeline]:
    with forgetting(FOLDER):
        yield load_pipeline(find_project(None, FOLDER))


@pytest.fixture(scope="module")
def sales(pipeline: Pipeline) -> pl.DataFrame:
    stage = pipeline.stages["sales"]
    bound = {param: source.bind(FOLDER) for param, source in stage.params.items()}
    frame: pl.DataFrame = stage(**bound)
    return frame


def known(pipeline: Pipeline, sales: pl.DataFrame) -> pl.DataFrame:
    frame: pl.DataFrame = pipeline.stages["homes"](
        sales, Files("contracts/homes.toml").bind(FOLDER)
    )
    return frame


@pytest.fixture(scope="module")
def parts(pipeline: Pipeline, sales: pl.DataFrame) -> tuple[pl.DataFrame, ...]:
    stages = pipeline.stages
    made: tuple[pl.DataFrame, ...] = stages["split"](
        known(pipeline, sales), stages["prices"](sales)
    )
    return made


@pytest.fixture(scope="module")
def features(pipeline: Pipeline) -> FeatureSet:
    assert pipeline.project.root == FOLDER
    declared: FeatureSet = importlib.import_module("features").FEATURES
    return declared


@pytest.fixture(scope="module")
def bundle(project: Path) -> Bundle:
    registry = Registry(Workspace.open(folder=project).store)
    return registry.load(registry.resolve("houses@champion"))


def test_prices_do_not_reach_what_is_known_of_a_house(
    pipeline: Pipeline, sales: pl.DataFrame
) -> None:
    homes = known(pipeline, sales)
    assert homes.height == SALES
    assert known(pipeline, sales.with_columns(price=pl.lit(1))).equals(homes)
    contract = Contract.read(FOLDER / "contracts" / "homes.toml")
    leaking = homes.with_columns(price_per_sqft=pl.lit(264.0))
    with pytest.raises(ContractViolation, match="price_per_sqft"):
        validate(leaking, contract, table="homes")


def test_a_row_s_own_price_is_in_no_feature_of_it(
    features: FeatureSet, parts: tuple[pl.DataFrame, ...]
) -> None:
    train = parts[0].head(4_000)
    spec, matrix = features.fit_transform(train, label="price")
    assert not {"price", "price_per_sqft"} & {column.name for column in spec.inputs}
    dearer = train.with_row_index().with_columns(
        pl.when(pl.col("index") == 17).then(pl.col(name) * 1000).otherwise(pl.col(name)).alias(name)
        for name in ("price", "price_per_sqft")
    )
    _, other = features.fit_transform(dearer.drop("index"), label="price")
    names = [name for name in matrix.columns if name != "price"]
    assert other.select(names).row(17) == matrix.select(names).row(17)
    zipcode = train["zipcode"][17]
    others = (train["zipcode"] == zipcode).to_numpy() & (np.arange(len(train)) != 17)
    moved = (other["local_price_per_sqft"] != matrix["local_price_per_sqft"]).to_numpy()
    assert moved[others].any()


def test_the_local_price_is_that_of_the_training_sales_alone(
    features: FeatureSet, parts: tuple[pl.DataFrame, ...]
) -> None:
    train, _, test = parts
    spec = features.fit(train, label="price")
    assert [part.height for part in parts] == [16_861, 1_875, 2_877]
    prices = train["price_per_sqft"]
    inside = prices.filter(train["zipcode"] == 98_103)
    expected = (inside.sum() + 20 * prices.mean()) / (len(inside) + 20)
    found = spec.transform(test.filter(pl.col("zipcode") == 98_103))["local_price_per_sqft"]
    assert found.n_unique() == 1
    assert found[0] == pytest.approx(expected, rel=1e-6)


def test_the_check_for_leaks_is_silent_until_one_is_planted(
    features: FeatureSet, parts: tuple[pl.DataFrame, ...]
) -> None:
    train = parts[0].sample(6_000, seed=1)
    for seed in range(5):
        rows = train.sample(fraction=1.0, with_replacement=True, seed=seed)
        assert check_leakage(features, rows, label="price").leaks == ()
    with pytest.raises(FeatureDefinitionError, match="'price_per_sqft': is a fit-only column"):
        replace(features, features=(*features.features, *cast("price_per_sqft"))).fit(train)
    (own,) = interact("rate", "sqft_living", name="own_price")
    planted = replace(features, features=(*features.features, own))
    leaking = train.with_columns(rate="price_per_sqft")
    (leak,) = check_leakage(planted, leaking, label="price").leaks
    assert (leak.kind, leak.name) == ("too_good", "own_price")


@pytest.mark.parametrize(
    ("changes", "feature", "value"),
    [
        ({"yr_built": 2015, "yr_renovated": 0}, "age", -1.0),
        ({"yr_built": 1984}, "age_bucket", 4.0),
        ({"yr_renovated": 0}, "years_since_renovation", None),
        ({"yr_renovated": 1991}, "years_since_renovation", 23.0),
        ({"yr_renovated": 0}, "never_renovated", 1.0),
        ({"bedrooms": None}, "sqft_per_bedroom", None),
        ({"bedrooms": 0}, "baths_per_bedroom", None),
    ],
)
def test_features_worked_out_by_hand(
    bundle: Bundle, changes: dict[str, object], feature: str, value: float | None
) -> None:
    row = bundle.golden.rows.tail(1).to_dicts()[0] | changes
    row["date"] = row["date"].replace(year=2014, month=6, day=1)
    frame = pl.DataFrame([row], schema=bundle.golden.rows.schema)
    assert bundle.spec.transform(frame)[feature].to_list() == [value]


def test_impossible_bedrooms_are_unknown(pipeline: Pipeline, sales: pl.DataFrame) -> None:
    homes = known(pipeline, sales)
    odd = homes.filter(pl.col("bedrooms").is_null())
    assert odd.select("id").to_series().to_list() == [2402100895]
    assert sales.filter(pl.col("id") == 2402100895)["bedrooms"].to_list() == [33]


def test_every_house_has_the_same_bits_in_every_way(
    bundle: Bundle, pipeline: Pipeline, sales: pl.DataFrame
) -> None:
    homes = known(pipeline, sales).select(column.name for column in bundle.spec.inputs)
    proof = compare(bundle.spec, homes).require()
    assert proof.compared["row twin"] == 2 * SALES * len(bundle.spec.names)
    values = bits(score(bundle, homes)["value"].to_numpy())
    scorer = RowScorer(bundle)
    assert scorer.left_to_xgboost == ""
    rows = bundle.spec.rows_of(homes)
    walked = np.array([scorer.score(row) for row in rows], np.float32)
    step = 1 if os.environ.get("DAGRUN_SOAK") else 4
    with (
        Server(Models([ServedModel("houses", bundle)]), ServerSettings(port=0)) as server,
        Client(server.address, timeout=60) as client,
    ):
        table = client.predict_table("houses", homes)
        answers = [
            answer.value
            for part in homes.gather_every(step).iter_slices(1_000)
            for answer in client.predict("houses", part.to_dicts())
        ]
    ways = {
        "row twin, margins": (bits(walked[:, 0]), values),
        "row twin, values": (bits(walked[:, 1]), values),
        "PredictTable": (bits(table["value"].to_numpy()), values),
        "Predict": (bits(np.array(answers, np.float32)), values[::step]),
    }
    differing = 0
    for name, (found, expected) in ways.items():
        assert found.shape == expected.shape
        differing += int(np.bitwise_count(found ^ expected).sum())
        print(f"\n{name}: {len(found):,} values compared", end="")
    print(f"\n{proof}\nrows compared: {homes.height:,}, bits differing: {differing}")
    assert differing == 0


def test_the_demo_counts_every_differing_bit() -> None:
    found = importlib.util.spec_from_file_location("houses_demo", FOLDER / "demo.py")
    assert found is not None
    assert found.loader is not None
    demo = importlib.util.module_from_spec(found)
    found.loader.exec_module(demo)
    computed = demo.bits(pl.Series("value", [1.0, None, 0.0], pl.Float32))
    assert demo.count_differing(demo.bits([1.0, math.nan, 0.0]), computed) == 0
    assert demo.count_differing(demo.bits([1.0, math.nan, -0.0]), computed) == 1
    with pytest.raises(ValueError, match="given"):
        demo.count_differing(computed[:2], computed)
