"""`dagrun reproduce`: a bundle from its lineage again, and what is said when it is another."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests_bundles import flights
from tests_cli import Call
from tests_project import ProjectFolder

from dagrun.engine.upkeep.gc import Policy, collect

PIPELINE = """
import random
import polars as pl
from dagrun import Context, Files, stage
from dagrun.stages import Booster, Bundle, FeatureSpec, fit_xgboost, make_bundle, register
from dagrun.stages.features import feature_set, one_hot, standardize, target_mean
from rules import far

FEATURES = feature_set(
    standardize("distance", "wind"), one_hot("carrier"), target_mean("late", by="carrier")
)

@stage
def rows(files: Files = Files("data/*.parquet")) -> pl.DataFrame:
    return files.read_parquet()

@stage(over={"part": (0, 1)})
def parts(rows: pl.DataFrame, part: int) -> pl.DataFrame:
    return far(rows)[part::2]

@stage(outputs=("spec", "matrix"))
def features(parts: pl.DataFrame):
    return FEATURES.fit_transform(parts, label="late")

@stage
def model(ctx: Context, spec: FeatureSpec, matrix: pl.DataFrame, depth: int = 3) -> Booster:
    return fit_xgboost(matrix, matrix, seed=ctx.seed, max_depth=depth, rounds=5, nthread=1)

@stage
def bundle(ctx: Context, spec: FeatureSpec, model: Booster, rows: pl.DataFrame) -> Bundle:
    return make_bundle(ctx, name="late", spec=spec, booster=model, sample=rows)

@stage(effect=True)
def publish(bundle: Bundle) -> None:
    register("late", bundle, alias="champion", reason="it is new")
"""
RULES = """
import polars as pl

def far(rows):
    return rows.filter(pl.col("distance") > 500)
"""


def git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def published(project: ProjectFolder, call: Call) -> ProjectFolder:
    """A versioned project whose data is not in git, with late@1 from one run."""
    project.write("pipeline.py", PIPELINE)
    project.write("rules.py", RULES)
    project.write(".gitignore", ".dagrun\n__pycache__\ndata\n")
    (project.root / "data").mkdir()
    flights(300).write_parquet(project.root / "data" / "all.parquet")
    git(project.root, "init", "-q")
    git(project.root, "add", ".")
    git(project.root, "commit", "-qm", "the model")
    ran = call("run", "--executor", "inline", "--seed", "7", "-p", "model.depth=2")
    assert ran.code == 0, ran.err
    return project


def fates(call: Call) -> dict[str, str]:
    return {
        stage["stage"]: stage["fate"]
        for stage in call("reproduce", "late", "--json").document["stages"]
    }


def stored(project: ProjectFolder) -> list[tuple[str, int]]:
    kept = (project.root / ".dagrun").rglob("*")
    names = sorted((str(path), path.stat().st_size) for path in kept if path.is_file())
    return [each for each in names if "/locks/" not in each[0] and "/stats" not in each[0]]


def test_params_seed_mapped_stages_and_processes_of_their_own_come_out_the_same(
    published: ProjectFolder, call: Call
) -> None:
    published.edit("pipeline.py", "@stage\ndef model", '@stage(timeout="5m")\ndef model')
    git(published.root, "commit", "-qam", "a limit, which is not in the key")
    again = ("--seed", "7", "-p", "model.depth=2", "--force", "bundle")
    assert call("run", "--executor", "inline", *again).code == 0
    before = stored(published)
    answer = call("reproduce", "late@champion", "-o", "again.bundle")
    assert answer.code == 0, answer.err + answer.out
    assert "late@1 is identical" in answer.out
    assert "the same bytes" in answer.out
    assert "code: commit " in answer.out
    assert stored(published) == before
    assert call("export", "late", "-o", "late.bundle").code == 0
    again, exported = (Path(name).read_bytes() for name in ("again.bundle", "late.bundle"))
    assert again == exported
    document = call("reproduce", "late.bundle", "--json").document
    assert document["identical"]
    assert document["same_file"]
    assert {stage["fate"] for stage in document["stages"]} == {"identical"}


def test_later_edits_and_commits_do_not_matter(published: ProjectFolder, call: Call) -> None:
    published.edit("rules.py", "> 500", "> 900")
    published.edit("pipeline.py", "depth: int = 3", "depth: int = 9")
    assert call("reproduce", "late").code == 0
    git(published.root, "commit", "-qam", "another model")
    assert call("run", "--executor", "inline").code == 0
    for version in ("late@1", "late@2"):
        answer = call("reproduce", version)
        assert answer.code == 0, answer.out
        assert f"{version} is identical" in answer.out


def test_code_that_no_commit_has_is_told_to_the_line(published: ProjectFolder, call: Call) -> None:
    published.edit("rules.py", "> 500", "> 600")
    assert call("run", "--executor", "inline").code == 0
    assert call("reproduce", "late@2").code == 0  # from the working tree, which has it
    published.edit("rules.py", "> 600", "> 900")
    answer = call("reproduce", "late@2")
    assert answer.code == 5
    assert "not as it was recorded:" in answer.out
    assert "> 600" in answer.out
    assert "differs: stage 'parts'" in answer.out
    assert "model     differs" in answer.out
    assert "its inputs differ" in answer.out
    assert "late@2 is not identical" in answer.out
    assert "members" in answer.out


def test_raw_data_that_changed_or_went_is_taken_from_the_store(
    published: ProjectFolder, call: Call
) -> None:
    data = published.root / "data" / "all.parquet"
    flights(200).write_parquet(data)
    assert fates(call) == {
        "rows": "taken",
        **dict.fromkeys(("parts", "features", "model", "bundle"), "identical"),
    }
    data.unlink()
    answer = call("reproduce", "late")
    assert answer.code == 0, answer.out
    assert re.search(r"rows +from the store +its source is not what it was", answer.out)
    assert "no file matches 'data/*.parquet'; the folder data does not exist" in answer.out


def test_a_stage_that_is_not_deterministic_is_named(project: ProjectFolder, call: Call) -> None:
    project.write("rules.py", "def far(rows):\n    return rows\n")
    project.write("pipeline.py", PIPELINE.replace("far(rows)[part::2]", "rows.sample(90)"))
    (project.root / "data").mkdir()
    flights(300).write_parquet(project.root / "data" / "all.parquet")
    assert call("run", "--executor", "inline").code == 0
    answer = call("reproduce", "late")
    assert answer.code == 5
    assert "code: the working tree" in answer.out
    assert "differs: stage 'parts', although nothing that determines it does" in answer.out


def test_what_was_collected_is_named(published: ProjectFolder, call: Call) -> None:
    assert call("run", "--executor", "inline", "-p", "model.depth=4").code == 0
    collect(published.open().store, Policy(keep_runs=0, grace=0.0))
    answer = call("reproduce", "late@1")
    assert answer.code == 2
    assert "that made it" in answer.err
    assert "dagrun pin RUN" in answer.err


def test_a_bundle_of_no_run_cannot_be_reproduced(published: ProjectFolder, call: Call) -> None:
    published.write(
        "script.py",
        """
        from pathlib import Path
        from dataclasses import replace
        from dagrun.engine.store.store import Store
        from dagrun.stages import Registry
        from dagrun.stages.bundle.bundle import Lineage

        registry = Registry(Store.open(Path()))
        bundle = registry.load(registry.resolve("late"))
        registry.register("late", replace(bundle, lineage=Lineage()))
        """,
    )
    script = [sys.executable, "script.py"]
    subprocess.run(script, cwd=published.root, check=True)
    answer = call("reproduce", "late@2")
    assert answer.code == 2
    assert "made outside of a run" in answer.err
