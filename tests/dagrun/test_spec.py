"""`dagrun spec` and `dagrun bundle refresh` over a pipeline's spec, its bundle and their files."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import polars as pl
import pytest
from tests_bundles import FEATURES, flights
from tests_cli import Answer, Call
from tests_project import ProjectFolder

from dagrun.cli.main import main
from dagrun.engine.explaining.artifacts import Artifacts
from dagrun.stages.bundle import read_bundle
from dagrun.stages.features import feature_set, log1p, norm_text, ordinal, standardize
from dagrun.stages.features.codec import SPEC
from dagrun.stages.features.facts import features_of

FITTED = FEATURES.fit(flights(600), label="late")
FOUND = len(features_of(FITTED))

PIPELINE = """
import polars as pl
from dagrun import Context, stage
from dagrun.stages import Booster, Bundle, FeatureSpec, fit_xgboost, make_bundle, refresh, register
from tests_bundles import FEATURES, flights

@stage(outputs=("train", "valid"))
def rows(n: int = 600):
    return flights(n), flights(100, seed=1)

@stage
def newer() -> pl.DataFrame:
    return flights(800, seed=5)

@stage(outputs=("spec", "matrix"))
def features(train: pl.DataFrame):
    return FEATURES.fit_transform(train, label="late")

@stage
def model(ctx: Context, spec: FeatureSpec, matrix: pl.DataFrame, valid: pl.DataFrame) -> Booster:
    return fit_xgboost(matrix, spec.transform(valid), seed=ctx.seed, max_depth=3, rounds=10)

@stage
def bundle(ctx: Context, spec: FeatureSpec, model: Booster, train: pl.DataFrame) -> Bundle:
    return make_bundle(ctx, name="late", spec=spec, booster=model, sample=train)

@stage
def renewed(ctx: Context, bundle: Bundle, newer: pl.DataFrame) -> Bundle:
    return refresh(ctx, bundle, newer)

@stage(effect=True)
def publish(bundle: Bundle) -> None:
    register("late", bundle, alias="champion", reason="it is new")
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> ProjectFolder:
    """A project whose registry has late@1."""
    folder = ProjectFolder(tmp_path_factory.mktemp("specs"))
    folder.write("pyproject.toml", "[tool.dagrun]\npipeline = 'pipeline.py'\n")
    folder.write("pipeline.py", PIPELINE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder.root)
        assert main(["run", "--executor", "inline"]) == 0
    return folder


@pytest.fixture
def call(
    models: ProjectFolder, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Call:
    """Carry out a command line inside the project with models."""
    monkeypatch.chdir(models.root)
    capfd.readouterr()

    def called(*arguments: str) -> Answer:
        code = main(arguments)
        out, err = capfd.readouterr()
        return Answer(code, out, err)

    return called


def test_a_spec_is_shown_by_model_artifact_and_file(call: Call, tmp_path: Path) -> None:
    lines = call("spec", "show", "late").out.splitlines()
    assert lines[0].startswith("spec ")
    assert ", bundle " in lines[0]
    assert "  label     late" in lines
    assert "  row path  exact: one generated Python function (see: --row)" in lines
    assert "inputs  5 columns" in lines
    assert "  sched_dep  timestamp (UTC)" in lines
    assert f"features  {FOUND}, in {len(FITTED.names)} columns of the matrix" in lines
    (mean,) = (line for line in lines if line.startswith("  late_mean_by_carrier"))
    assert "target_mean(carrier, of=late, prior=20, folds=5)" in mean
    assert "4 keys, values 0." in mean
    bundle, spec = tmp_path / "late.bundle", tmp_path / "spec.bin"
    assert call("export", "late", "-o", str(bundle)).code == 0
    SPEC.dump(read_bundle(bundle).spec, spec)
    for name in ("spec", "last:spec", "bundle", "late@1", str(bundle), str(spec)):
        answer = call("spec", "show", name)
        assert answer.code == 0
        assert answer.out.splitlines()[1:] == lines[1:]


def test_a_part_the_row_function_and_the_document(call: Call, models: ProjectFolder) -> None:
    lines = call("spec", "show", "spec", "--feature", "wind*").out.splitlines()
    assert f"features  2, of {FOUND}, in 2 columns of the matrix" in lines
    assert "inputs  1 column" in lines
    row = call("spec", "show", "spec", "--row", "--feature", "wind_log1p").out
    assert row.startswith("def make(nan, log1p):")
    assert "wind_log1p = log1p(wind) if wind > -1.0 else nan" in row
    document = call("spec", "show", "spec", "--json").document
    assert document == json.loads(FITTED.to_bytes())
    assert FITTED.digest.startswith(call("spec", "show", "spec").out[5:17])


def test_what_cannot_be_shown_is_told(call: Call, models: ProjectFolder) -> None:
    cases = {
        ("train",): "train now is a table, which holds no feature spec",
        ("lte",): "'lte' names no model and no artifact. Did you mean 'late'?",
        ("late@9",): "no version of late '9' is registered",
        ("last:nothing",): "names no artifact",
        ("./late.bundle",): "there is no file late.bundle",
        ("pipeline.py",): "neither a bundle's nor a spec's file",
        ("spec", "--feature", "winds"): "no feature is called 'winds'. Did you mean 'wind",
    }
    for arguments, message in cases.items():
        answer = call("spec", "show", *arguments)
        assert answer.code == 2
        assert message in answer.err


def test_five_hundred_features_are_a_few_lines(call: Call, tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(250)]
    frame = pl.DataFrame({name: [1.0, 2.0] for name in names} | {"s": ["A", "b"]})
    features = feature_set(standardize(*names), log1p(*names), ordinal(norm_text("s")))
    path = tmp_path / "wide.spec"
    SPEC.dump(features.fit(frame), path)
    lines = call("spec", "show", str(path)).out.splitlines()
    place = lines.index("features  501, in 501 columns of the matrix")
    assert lines[place + 1 :] == [
        "  standardize  250  c0_standardized, c1_standardized, c2_standardized, ...",
        "  log1p        250  c0_log1p, c1_log1p, c2_log1p, ...",
        "  ordinal        1  s_normal_ordinal",
        "see them with: --all, or --feature 'PATTERN'",
    ]
    assert len(lines) < 60
    assert len(call("spec", "show", str(path), "--all").out.splitlines()) > 501
    frame.write_parquet(tmp_path / "rows.parquet")
    told = call("spec", "profile", str(path), "--rows", str(tmp_path / "rows.parquet"))
    assert "... and 441 more (all of them: --json)" in told.out


LOUD = """
from dataclasses import dataclass

from dagrun.stages.features import TEXT, Feature, Op


@dataclass(frozen=True, slots=True, kw_only=True)
class Loud(Op):
    \"\"\"The text in capitals. Null stays null.\"\"\"

    op = "loud"
    takes = (TEXT,)
    gives = "string"
    row_exact = False
    vouched = (("case-folding", "there is no row twin that it could differ from"),)

    def batch(self, x):
        return x[0].str.to_uppercase()


LOUD = Feature(name="loud", op=Loud(), inputs=("s",))
"""


def test_features_without_a_row_twin_are_named(
    call: Call, models: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    models.write("loudly.py", LOUD)
    monkeypatch.syspath_prepend(str(models.root))
    frame = pl.DataFrame({"s": ["A", "b"]})
    loud = importlib.import_module("loudly").LOUD
    SPEC.dump(feature_set(ordinal(loud)).fit(frame), models.root / "loud.spec")
    path = str(models.root / "loud.spec")
    wanted = "  row path  fallback: Polars on one row, since no exact row twin has: loud (loud)"
    assert wanted in call("spec", "show", path).out.splitlines()
    frame.write_parquet(models.root / "rows.parquet")
    told = call("spec", "profile", path, "--rows", str(models.root / "rows.parquet"))
    assert "computed by Polars even for one row" in told.out


def test_a_profile_over_golden_rows_and_over_a_file(call: Call, tmp_path: Path) -> None:
    lines = call("spec", "profile", "late").out.splitlines()
    assert lines[0].endswith("golden rows (hard cases included)")
    assert lines[1].split()[:3] == ["feature", "missing", "least"]
    assert len(lines) == 2 + FOUND + 1
    rows = tmp_path / "rows.parquet"
    flights(200).write_parquet(rows)
    ordered = ("--rows", str(rows), "--by", "gain")
    document = call("spec", "profile", "late", "--json", *ordered).document
    assert document["rows"] == 200
    assert document["features"][0]["name"] == "distance_standardized"
    first = call("spec", "profile", "late", *ordered).out.splitlines()[2].split()[0]
    best = max(document["features"], key=lambda feature: feature["gain"])
    assert first == best["name"]
    refused = call("spec", "profile", "spec")
    assert (refused.code, "--rows PARQUET" in refused.err) == (2, True)


def test_a_refresh_is_a_new_version_and_moves_an_alias_only_when_asked(call: Call) -> None:
    flights(800, seed=6).write_parquet("newer.parquet")
    why = ("--reason", "month end")
    same = call("bundle", "refresh", "late", "--rows", "train", *why)
    assert same.out.splitlines()[-1] == (
        "nothing to do: these rows give the tables that late@1 has"
    )
    narrow = call("bundle", "refresh", "late", "--rows", "newer", *why, "--mean-change", "0.000001")
    assert narrow.code == 3
    assert "NO: on the rows, predictions change by" in narrow.err
    assert "late@2" not in call("registry", "show", "late").out
    made = call("bundle", "refresh", "late", "--rows", "newer.parquet", *why)
    assert made.code == 0
    assert made.out.splitlines()[0].startswith("late_mean_by_carrier  4 keys: 4 changed")
    assert made.out.splitlines()[-1].startswith("late@1 -> late@2  bundle ")
    command = ("bundle", "refresh", "late@1", "--rows", "newer.parquet", *why, "--json")
    again = call(*command, "--alias", "challenger").document
    assert (again["version"]["version"], again["alias"]) == (2, "challenger")
    listed = call("registry", "show", "late").out
    assert "challenger  month end" in listed
    (model,) = call("registry", "list", "--json").document["models"]
    assert model["aliases"] == {"challenger": 2, "champion": 1}


def test_what_a_refresh_refuses(call: Call) -> None:
    why = ("--reason", "because")
    flights(20).drop("late").write_parquet("blind.parquet")
    cases = {
        ("late", "--rows", "blind.parquet"): "no column 'late'",
        ("late", "--rows", "model"): "is no table",
        ("late", "--rows", "nowhere"): "names no artifact",
        ("nobody", "--rows", "train"): "no model 'nobody' is registered",
        ("late", "--rows", "pipeline.py"): "cannot be read",
        ("late", "--rows", "newer", "--alias", "no/name"): "cannot be the name of an alias",
    }
    known = call("registry", "show", "late").out
    for arguments, message in cases.items():
        answer = call("bundle", "refresh", *arguments, *why)
        assert answer.code == 2
        assert message in answer.err
    assert call("registry", "show", "late").out == known


def test_two_specs_are_compared(call: Call) -> None:
    same = call("spec", "diff", "late@1", "spec").out
    assert same.splitlines()[-1] == "identical: they have the same digest"
    answer = call("spec", "diff", "late@1", "renewed")
    assert answer.code == 0
    assert "  changed  late_mean_by_carrier" in answer.out
    assert "bits: a row could get others: 1 feature with other state" in answer.out
    assert "golden rows have other bits: late_mean_by_carrier " in answer.out
    document = call("spec", "diff", "late@1", "renewed", "--json").document
    assert (document["identical"], document["same_bits"]) == (False, False)
    assert list(document["golden"]["differing"]) == ["late_mean_by_carrier"]
    (change,) = document["features"]
    assert change["values"][0]["table"]["changed"] == 4


def test_a_stage_may_refresh_and_its_lineage_says_so(call: Call, models: ProjectFolder) -> None:
    assert call("run").code == 0
    workspace = models.open()
    artifacts = Artifacts(workspace)
    bundle, renewed = (
        workspace.store.load(artifacts.last(name).output) for name in ("bundle", "renewed")
    )
    assert renewed.lineage.inputs["refreshed"] == bundle.digest
    assert renewed.lineage.inputs["bundle"] == bundle.digest
    assert renewed.lineage.inputs["rows"] == renewed.lineage.inputs["newer"]
    assert renewed.lineage.key
