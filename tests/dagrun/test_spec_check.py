"""`dagrun spec check`, and ops of a project in its bundles: served at home, refused elsewhere."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from tests_cli import Answer, Call
from tests_project import ProjectFolder

OPS = '''
"""Ops of this project."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from dagrun.stages.features import Features, Names, Op, Source, each


@dataclass(frozen=True, slots=True, kw_only=True)
class Capped(Op):
    """The least of x and the cap; null stays null."""

    op = "capped"
    cap: float

    def batch(self, x: Sequence[pl.Expr]) -> pl.Expr:
        return pl.when(x[0] > self.cap).then(self.cap).otherwise(x[0])

    def row(self, x: Names) -> str:
        return f"{self.cap!r} if {x[0]} > {self.cap!r} else {x[0]}"


def capped(*columns: Source, cap: float, name: str | None = None) -> Features:
    """Hold numbers at or below a cap."""
    return each(Capped(cap=cap), columns, name, "capped")
'''
PIPELINE = """
import polars as pl
from dagrun import Context, stage
from dagrun.stages import Booster, Bundle, FeatureSpec, feature_set, fit_xgboost, log1p
from dagrun.stages import make_bundle, register
from ops import capped

FEATURES = feature_set(capped("x", cap=3.0), log1p("x"))

@stage
def rows() -> pl.DataFrame:
    made = [n % 11 - 2.0 for n in range(200)]
    return pl.DataFrame({"x": made, "late": [x > 2 for x in made]})

@stage(outputs=("spec", "matrix"))
def features(rows: pl.DataFrame):
    return FEATURES.fit_transform(rows, label="late")

@stage
def bundle(ctx: Context, spec: FeatureSpec, matrix: pl.DataFrame, rows: pl.DataFrame) -> Bundle:
    model = fit_xgboost(matrix, matrix, seed=1, rounds=3)
    return make_bundle(ctx, name="late", spec=spec, booster=model, sample=rows)

@stage(effect=True)
def publish(bundle: Bundle, rows: pl.DataFrame) -> None:
    register("late", bundle, alias="champion")
"""


@pytest.fixture
def project(tmp_path: Path) -> ProjectFolder:
    folder = ProjectFolder(tmp_path / "home")
    folder.write("pyproject.toml", "[tool.dagrun]\npipeline = 'pipeline.py'\n")
    folder.write("ops.py", OPS)
    folder.write("pipeline.py", PIPELINE)
    return folder


def check(call: Call, *arguments: str) -> Answer:
    return call("spec", "check", "--examples", "5", *arguments)


def test_the_projects_feature_sets_are_proved(call: Call) -> None:
    answer = check(call)
    assert answer.code == 0, answer.err
    first, capped, log = answer.out.splitlines()
    assert first == "pipeline:FEATURES"
    assert capped.startswith("  proved   x_capped  capped 1 (ops:Capped)  ")
    assert log.startswith("  proved   x_log1p  log1p  ")
    assert "values in 6 ways: 0 bits differ" in log


def test_one_op_is_named_by_its_place_and_another_is_skipped(
    call: Call, project: ProjectFolder
) -> None:
    project.edit("ops.py", "def capped(", "LOW = Capped(cap=-1.0)\n\n\ndef capped(")
    project.edit("pipeline.py", 'capped("x", cap=3.0), ', "")
    assert check(call, "ops:LOW").out.startswith("ops:LOW\n  proved   capped  ")
    answer = check(call)
    assert (answer.code, answer.out.count("\n")) == (0, 3), answer.err
    assert "skipped  ops:Capped  no feature set that was found uses it" in answer.out
    unknown = check(call, "ops:LOWW")
    assert (unknown.code, "Did you mean 'LOW'?" in unknown.err) == (2, True)


def test_a_difference_shows_raw_values_and_bits(call: Call, project: ProjectFolder) -> None:
    project.edit("ops.py", 'else {x[0]}"', 'else {x[0]} + 1.0"')
    answer = call("spec", "check", "pipeline:FEATURES", "--examples", "20")
    assert answer.code == 5
    assert "differs  x_capped  capped 1 (ops:Capped)" in answer.out
    assert re.search(r"x_capped, row \d: batch twin 0x\w{8} .*, row twin 0x\w{8} ", answer.out)
    assert " given x=" in answer.out


def test_what_the_linter_refuses_is_named_with_its_safe_form(
    call: Call, project: ProjectFolder
) -> None:
    project.edit("ops.py", "otherwise(x[0])", "otherwise(x[0] / 3.0)")
    answer = check(call, "--json")
    assert answer.code == 2
    (refused, proved) = answer.document["checked"]
    assert [refused["verdict"], proved["verdict"]] == ["refused", "proved"]
    assert refused["findings"][0]["rule"] == "divide-by-literal"
    text = check(call).out
    assert "    batch: [x[0] / 3]  [divide-by-literal]\n        why: " in text
    assert "        instead: multiply by the reciprocal" in text
    assert "divide-by-literal" in call("run").err


def test_a_module_that_cannot_be_imported_is_told(call: Call, project: ProjectFolder) -> None:
    project.write("twisted.py", "x = = 1\n")
    project.write("failing.py", "raise RuntimeError('no')\n")
    for module, said in (("twisted", "SyntaxError"), ("failing", "RuntimeError: no")):
        answer = check(call, f"{module}:ONE")
        assert (answer.code, f"{module} cannot be imported ({said}" in answer.err) == (2, True)


@pytest.fixture
def made(project: ProjectFolder, call: Call) -> ProjectFolder:
    assert call("run", "--executor", "inline").code == 0
    assert call("export", "late", "-o", "../late.bundle").code == 0
    return project


def test_a_bundle_is_used_at_home_and_refused_elsewhere(
    made: ProjectFolder, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.write("rows.csv", "x\n1.5\n\n9\n")
    for name in ("late@champion", "../late.bundle"):
        assert call("predict", name, "rows.csv", "-o", "scored.csv").code == 0
    assert call("spec", "check", "late@champion", "--examples", "3").code == 0

    away = ProjectFolder(made.root.parent / "away")
    away.write("pyproject.toml", "")
    away.write("pipeline.py", "from dagrun import stage\n\n@stage\ndef one():\n    return 1\n")
    monkeypatch.setattr("sys.path", [path for path in sys.path if Path(path).name != "home"])
    monkeypatch.delitem(sys.modules, "ops")
    monkeypatch.chdir(away.root)
    assert call("run").code == 0
    for command in (
        ("import", "../late.bundle", "--reason", "moved"),
        ("predict", "../late.bundle", "../home/rows.csv", "-o", "scored.csv"),
        ("serve", "../late.bundle", "--port", "0"),
    ):
        answer = call(*command)
        assert answer.code == 2
        assert "defined by a project as ops:Capped, which cannot be imported here" in answer.err
        assert "there is no module 'ops'" in answer.err


def test_an_edit_of_a_twin_reruns_the_stage_and_spoils_the_bundle(
    made: ProjectFolder, call: Call
) -> None:
    made.edit("ops.py", 'return f"{self.cap!r} if', 'return f"{self.cap + 0.0!r} if')
    why = call("why", "features").out
    assert "reached by features -> FEATURES -> Capped()" in why
    assert "+ " in why
    assert "{self.cap + 0.0!r}" in why
    made.write("rows.csv", "distance\n1\n")
    answer = call("predict", "late@champion", "rows.csv", "-o", "scored.csv")
    assert answer.code == 2
    assert "was edited after the feature spec was fitted, but is version 1 still" in answer.err
    assert "set version = 2 in the class and fit again" in answer.err
