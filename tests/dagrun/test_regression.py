"""A regression on the command line: import, show, predict offline and by a server, profile."""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl
import pytest
from tests_cli import Answer, Call
from tests_project import ProjectFolder
from tests_regression import delayed, delays

from dagrun.cli.main import main
from dagrun.server.serving import Models, ServedModel, Server, ServerSettings
from dagrun.stages.bundle import score


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Call:
    """Carry out a command line inside an empty project."""
    folder = ProjectFolder(tmp_path)
    folder.write("pyproject.toml", "[tool.dagrun]\npipeline = 'pipeline.py'\n")
    folder.write(
        "pipeline.py", "from dagrun import stage\n\n@stage\ndef one() -> int:\n    return 1\n"
    )
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--executor", "inline"]) == 0

    def called(*arguments: str) -> Answer:
        capfd.readouterr()
        code = main(arguments)
        out, err = capfd.readouterr()
        return Answer(code, out, err)

    return called


def test_a_regression_goes_the_way_of_any_model(call: Call) -> None:
    Path("delays.bundle").write_bytes(delays().to_bytes())
    assert call("import", "delays.bundle", "--alias", "champion", "--reason", "first").code == 0
    assert call("export", "delays@champion", "-o", "again.bundle").code == 0
    assert Path("again.bundle").read_bytes() == delays().to_bytes()
    profiled = call("spec", "profile", "again.bundle", "--json")
    assert profiled.code == 0
    assert any(feature["gain"] for feature in json.loads(profiled.out)["features"])


def test_files_are_scored_alike_here_and_by_a_server(call: Call) -> None:
    Path("delays.bundle").write_bytes(delays().to_bytes())
    rows = delayed(300, seed=4)
    rows.write_parquet("rows.parquet")
    answer = call("predict", "delays.bundle", "rows.parquet", "-o", "off.parquet")
    assert answer.code == 0
    assert re.match(r"300 rows scored with delays.bundle in .*: values from \S+ to \S+", answer.err)
    with Server(Models([ServedModel("delays", delays())]), ServerSettings(port=0)) as server:
        command = ("predict", "delays", "rows.parquet", "-o", "on.parquet", "--target")
        assert call(*command, server.address).code == 0
    offline = pl.read_parquet("off.parquet")
    assert offline.columns == [*rows.columns, "value"]
    assert offline.select("value").equals(score(delays(), rows))
    assert pl.read_parquet("on.parquet").equals(offline)
    taken = call("predict", "delays.bundle", "off.parquet", "-o", "x.parquet")
    assert "already has the column(s) 'value'" in taken.err
