"""`dagrun proto` and `dagrun explain`, on a registry of two versions."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from tests_cli import Answer, Call
from tests_project import ProjectFolder
from tests_typed import bundle_of

from dagrun.cli.main import main
from dagrun.engine.store.store import Store
from dagrun.stages.bundle import Registry, explain


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ProjectFolder:
    folder = ProjectFolder(tmp_path_factory.mktemp("typed"))
    folder.write("pyproject.toml", "[tool.dagrun]\npipeline = 'pipeline.py'\n")
    folder.write("pipeline.py", "")
    registry = Registry(Store.open(folder.root))
    registry.register("late", bundle_of("gate", "wind_speed"), alias="champion")
    registry.register("late", bundle_of("tail", "wind_speed"), alias="challenger")
    registry.register("other", bundle_of("gate"), alias="champion")
    rows = pl.DataFrame({"wind_speed": [1.0, None, 30.0, 4.0], "gate": ["A1", "far", None, "B"]})
    rows.write_parquet(folder.root / "rows.parquet")
    return folder


@pytest.fixture
def call(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Call:
    monkeypatch.chdir(project.root)
    capfd.readouterr()

    def called(*arguments: str) -> Answer:
        code = main(arguments)
        out, err = capfd.readouterr()
        return Answer(code, out, err)

    return called


def row_of(text: str) -> list[str]:
    lines = [line.strip() for line in text.splitlines()]
    body = lines[lines.index("message Row {") + 1 :]
    return body[: body.index("}")]


def test_proto_writes_the_columns_of_a_version_and_reserves_the_others(call: Call) -> None:
    answer = call("proto", "late")
    assert answer.code == 0
    assert "package dagrun.models.late;" in answer.out
    assert "service Late {" in answer.out
    assert row_of(answer.out) == [
        "reserved 3;",
        "optional double wind_speed = 1;",
        "optional string gate = 2;",
    ]
    assert row_of(call("proto", "late@challenger").out) == [
        "reserved 2;",
        "optional double wind_speed = 1;",
        "optional string tail = 3;",
    ]


def test_proto_writes_one_file_for_several_versions(call: Call, tmp_path: Path) -> None:
    written = tmp_path / "late.proto"
    answer = call("proto", "late@1", "late@2", "-o", str(written))
    assert answer.out == f"late@1, late@2 -> {written}  3 columns\n"
    assert len(row_of(written.read_text("utf-8"))) == 3
    answer = call("proto", "late@1", "-o", str(written))
    assert answer.out == f"late@1 -> {written}  2 columns, 1 number kept for others\n"


def test_proto_refuses_files_and_different_models(call: Call) -> None:
    assert "Register it first: dagrun import" in call("proto", "./rows.parquet").err
    assert "late and other are different models" in call("proto", "late", "other").err


def test_explain_shows_what_adds_most(call: Call) -> None:
    answer = call("explain", "late", "rows.parquet", "--first", "2", "--top", "1")
    assert answer.code == 0
    lines = answer.out.splitlines()
    assert [line.split(":")[0] for line in lines if line.startswith("row")] == ["row 0", "row 1"]
    assert len(lines) == 6
    assert "other features" in lines[2]
    assert answer.err == "2 rows of 4 shown; all go to a file with -o\n"


def test_explain_writes_every_contribution(
    call: Call, project: ProjectFolder, tmp_path: Path
) -> None:
    written = tmp_path / "parts.parquet"
    answer = call("explain", "late", "rows.parquet", "-o", str(written))
    assert answer.err == f"4 rows explained with late@1 -> {written}\n"
    registry = Registry(Store.open(project.root))
    bundle = registry.load(registry.resolve("late"))
    expected = explain(bundle, pl.read_parquet(project.root / "rows.parquet"))
    assert pl.read_parquet(written).equals(expected)
