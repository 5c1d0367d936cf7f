"""The flights example under the leakage check: silence on resamples of its real tables."""

from __future__ import annotations

import datetime as dt
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from dagrun import Files
from dagrun.engine.pipeline import Pipeline, load_pipeline
from dagrun.engine.project import find_project
from dagrun.stages.features import FeatureSet
from dagrun.stages.validate import check_leakage

FOLDER = Path(__file__).parents[2] / "examples" / "flights"


@pytest.fixture(scope="module")
def pipeline() -> Iterator[Pipeline]:
    path, modules = list(sys.path), set(sys.modules)
    yield load_pipeline(find_project(None, FOLDER))
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(FOLDER)):
            del sys.modules[name]


@pytest.fixture(scope="module")
def train(pipeline: Pipeline) -> pl.DataFrame:
    stages = pipeline.stages
    made = {
        name: stages[name](
            **{param: source.bind(FOLDER) for param, source in stages[name].params.items()}
        )
        for name in ("flights", "weather", "planes", "airports", "airlines")
    }
    destinations = stages["destinations"](made["airports"])
    departures = stages["departures"](
        stages["timetable"](made["flights"], destinations),
        stages["observations"](made["weather"]),
        stages["aircraft"](made["planes"]),
        destinations,
        made["airlines"],
        Files("contracts/departures.toml").bind(FOLDER),
    )
    frame: pl.DataFrame = stages["split"](departures, stages["outcomes"](made["flights"]))[0]
    return frame.sample(6_000, seed=1)


@pytest.fixture(scope="module")
def features(pipeline: Pipeline) -> FeatureSet:
    assert pipeline.project.root == FOLDER
    declared: FeatureSet = importlib.import_module("features").FEATURES
    return declared


def test_no_feature_is_taken_for_a_leak(features: FeatureSet, train: pl.DataFrame) -> None:
    for seed in range(20):
        rows = train.sample(fraction=1.0, with_replacement=True, seed=seed)
        assert check_leakage(features, rows, label="late").leaks == ()


def test_the_spec_says_until_when_it_knows(features: FeatureSet, train: pl.DataFrame) -> None:
    last = train["sched_dep"].max()
    assert isinstance(last, dt.datetime)
    spec = features.fit(train, label="late")
    assert spec.as_of == last.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
