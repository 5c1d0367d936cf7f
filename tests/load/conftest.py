"""A store with versions of a model that differ in their trees, and what each says about rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import xgboost
from tests_bundles import FEATURES, flights
from tests_load import Known, MakeBundle

from dagrun.engine.store.store import Store
from dagrun.stages.bundle import Booster, Bundle, Registry, make_bundle


@pytest.fixture(scope="module")
def make_version() -> MakeBundle:
    """Make bundles of 200 trees each, of which no two have the same."""
    raw = flights(2_000)
    spec, matrix = FEATURES.fit_transform(raw, label="late")
    values = matrix.select(pl.col(spec.names).cast(pl.Float32)).to_numpy()
    train = xgboost.DMatrix(values, matrix["late"].to_numpy(), feature_names=list(spec.names))
    params = {"objective": "binary:logistic", "nthread": 1, "max_depth": 6, "eta": 0.02}
    model = xgboost.train(params, train, 420)

    def made(number: int) -> Bundle:
        trees = model[number : number + 200]
        booster = Booster(
            ubj=bytes(trees.save_raw("ubj")),
            features=spec.names,
            objective="binary:logistic",
            rounds=200,
        )
        return make_bundle(None, name="flights", spec=spec, booster=booster, sample=raw)

    return made


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(Store.open(tmp_path))


@pytest.fixture
def known(registry: Registry, make_version: MakeBundle, tmp_path: Path) -> Path:
    """Register three versions, the first one as champion; return what they say about rows."""
    versions = {}
    for version, threshold in ((1, 0.4), (2, 0.5), (3, 0.6)):
        bundle = replace(make_version(version), threshold=threshold)
        assert registry.register("flights", bundle, reason="made").version == version
        versions[version] = bundle
    registry.set_alias("flights", "champion", 1, reason="first")
    return Known.of("flights", flights(2_000, seed=7).drop("late"), versions).save(
        tmp_path / "known"
    )
