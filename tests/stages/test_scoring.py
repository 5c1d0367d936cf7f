"""Scoring inside a pipeline: bits, order, laziness, and models of the registry."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from tests_bundles import FEATURES, flights
from tests_project import ProjectFolder

from dagrun.engine.store.store import Store
from dagrun.stages import RegisteredModel, fit_xgboost, make_bundle, register, score, score_table
from dagrun.stages.bundle import Bundle, Registry
from dagrun.stages.ops.errors import UnknownColumn
from dagrun.stages.scoring import ModelUnavailable, PredictionNamesTaken

PIPELINE = """
import polars as pl
from dagrun import Files, stage
from dagrun.stages import RegisteredModel, score_table

@stage
def today(files: Files = Files("today.parquet")) -> pl.LazyFrame:
    return files.scan_parquet()

@stage
def scored(today: pl.LazyFrame, model: RegisteredModel = RegisteredModel("late")) -> pl.LazyFrame:
    return score_table(model.load(), today)

@stage
def positive(scored: pl.LazyFrame) -> int:
    return scored.select(pl.col("label").sum()).collect().item()

@stage
def counted(today: pl.LazyFrame) -> int:
    return today.select(pl.len()).collect().item()
"""


def made(depth: int) -> Bundle:
    spec, matrix = FEATURES.fit_transform(flights(300), label="late")
    valid = spec.transform(flights(100, seed=1))
    booster = fit_xgboost(matrix, valid, seed=0, max_depth=depth, rounds=10)
    return make_bundle(None, name="late", spec=spec, booster=booster, sample=flights(100))


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return made(3)


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    """More rows than are scored at a time."""
    few = flights(10_000, seed=4)
    return pl.concat([few] * 14).with_row_index("id")


@pytest.fixture
def scan(rows: pl.DataFrame, tmp_path: Path) -> pl.LazyFrame:
    rows.write_parquet(tmp_path / "rows.parquet", row_group_size=10_000)
    return pl.scan_parquet(tmp_path / "rows.parquet")


def test_a_frame_gets_its_predictions(bundle: Bundle, rows: pl.DataFrame) -> None:
    scored = score_table(bundle, rows)
    assert scored.equals(rows.hstack(score(bundle, rows)))


def test_a_lazy_frame_is_scored_as_it_is_read(
    bundle: Bundle, rows: pl.DataFrame, scan: pl.LazyFrame
) -> None:
    lazy, whole = score_table(bundle, scan), score_table(bundle, rows)
    assert lazy.collect_schema() == whole.schema
    assert lazy.collect().equals(whole)
    assert lazy.collect(engine="streaming").equals(whole)
    probability = pl.col("probability")
    for plan in (
        lambda f: f.filter(probability > 0.5),
        lambda f: f.filter(probability > probability.mean()).select("id"),
        lambda f: f.head(70_000).filter(probability > 0.5),
        lambda f: f.filter(probability > 0.5).head(70),
        lambda f: f.slice(65_000, 2_000).select("label", "id"),
        lambda f: f.select(pl.len()),
    ):
        assert plan(lazy).collect().equals(plan(whole.lazy()).collect())


def test_a_plan_without_a_steady_order_is_scored_in_its_own(
    bundle: Bundle, rows: pl.DataFrame, scan: pl.LazyFrame
) -> None:
    names = rows.select("id", name=pl.format("n{}", "id"))
    joined = scan.join(names.lazy(), on="id", how="left", maintain_order="left")
    scored = score_table(bundle, joined).collect()
    assert scored.drop("name").equals(score_table(bundle, rows))


def test_what_does_not_fit_is_told_before_anything_is_scored(
    bundle: Bundle, scan: pl.LazyFrame
) -> None:
    with pytest.raises(UnknownColumn, match="distance"):
        score_table(bundle, scan.drop("distance"))
    with pytest.raises(PredictionNamesTaken, match="'margin'"):
        score_table(bundle, scan.with_columns(margin=1.0))


def test_no_rows_are_no_predictions(bundle: Bundle, scan: pl.LazyFrame) -> None:
    assert score_table(bundle, scan.head(0)).collect().height == 0
    assert score_table(bundle, flights(1).head(0)).height == 0


def test_promoting_a_model_scores_again_and_nothing_else(tmp_path: Path, bundle: Bundle) -> None:
    project = ProjectFolder(tmp_path)
    project.write("pyproject.toml", "")
    project.write("pipeline.py", PIPELINE)
    flights(200, seed=9).write_parquet(tmp_path / "today.parquet")
    with pytest.raises(ModelUnavailable, match=r"param scored\.model: 'late' cannot"):
        project.run()
    store = Store.open(tmp_path)
    register("late", bundle, alias="champion", store=store)
    first = {stage.name: stage.status for stage in project.run().stages}
    assert set(first.values()) == {"ran"}
    assert {stage.status for stage in project.run().stages} == {"hit"}
    register("late", made(2), alias="challenger", store=store)
    assert {stage.status for stage in project.run().stages} == {"hit"}
    Registry(store).set_alias("late", "champion", 2, reason="better")
    (cause,) = project.why("scored").causes
    assert (cause.kind, cause.name) == ("source", "model")
    assert cause.before == f"bundle {bundle.digest[:12]}"
    second = {stage.name: stage.status for stage in project.run().stages}
    assert second["scored"] == "ran"
    assert second["today"] == second["counted"] == "hit"
    Registry(store).rollback("late", reason="worse")
    assert {stage.status for stage in project.run().stages} == {"hit"}


def test_the_registry_of_another_project(tmp_path: Path, bundle: Bundle) -> None:
    (tmp_path / "training").mkdir()
    (tmp_path / "scoring").mkdir()
    register("late", bundle, alias="champion", store=Store.open(tmp_path / "training"))
    model = RegisteredModel("late@champion", project="../training")
    assert model.bind(tmp_path / "scoring", None).load().digest == bundle.digest  # type: ignore[arg-type]
