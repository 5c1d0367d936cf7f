"""`dagrun registry`, `predict` and `serve`: from a pipeline's bundle to scored files."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from tests_bundles import flights
from tests_cli import DAGRUN, Answer, Call, steady
from tests_project import ProjectFolder

from dagrun.cli.main import main

PIPELINE = """
import polars as pl
from dagrun import Context, stage
from dagrun.stages import Booster, Bundle, FeatureSpec, fit_xgboost, make_bundle, register
from tests_bundles import FEATURES, flights

@stage(outputs=("train", "valid"))
def rows(n: int = 300):
    return flights(n), flights(100, seed=1)

@stage(outputs=("spec", "matrix"))
def features(train: pl.DataFrame):
    return FEATURES.fit_transform(train, label="late")

@stage
def model(ctx: Context, spec: FeatureSpec, matrix: pl.DataFrame, valid: pl.DataFrame,
          depth: int = 3) -> Booster:
    return fit_xgboost(matrix, spec.transform(valid), seed=ctx.seed, max_depth=depth, rounds=10)

@stage
def bundle(ctx: Context, spec: FeatureSpec, model: Booster, train: pl.DataFrame) -> Bundle:
    return make_bundle(ctx, name="late", spec=spec, booster=model, sample=train)

@stage(effect=True)
def publish(bundle: Bundle) -> None:
    register("late", bundle, alias="champion", reason="it is new")
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> ProjectFolder:
    """A project whose registry has late@1 and late@2."""
    folder = ProjectFolder(tmp_path_factory.mktemp("models"))
    folder.write("pyproject.toml", "[tool.dagrun]\npipeline = 'pipeline.py'\n")
    folder.write("pipeline.py", PIPELINE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder.root)
        assert main(["run", "--executor", "inline"]) == 0
        assert main(["run", "--executor", "inline", "-p", "model.depth=2"]) == 0
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


@pytest.fixture(scope="module")
def server(models: ProjectFolder) -> Iterator[str]:
    """The address of a server for late@champion, which ends well on SIGTERM."""
    process = subprocess.Popen(
        [DAGRUN, "serve", "late@champion", "--port", "0"],
        cwd=models.root,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    lines = [process.stderr.readline() for _ in range(4)]
    assert re.match(r"bundle [0-9a-f]{4} \(spec [0-9a-f]{4}, model [0-9a-f]{4}\)", lines[0])
    assert re.match(r"golden rows: (\d+) of \1 bit-identical", lines[1])
    found = re.match(r"gRPC on (127\.0\.0\.1:\d+)", lines[2])
    assert found
    yield found[1]
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate()
    assert process.returncode == 0, err
    assert "stopped" in err


def read(path: str) -> pl.DataFrame:
    return pl.read_parquet(Path.cwd() / path)


def test_a_server_and_this_process_score_with_the_same_bits(call: Call, server: str) -> None:
    rows = flights(500, seed=2)
    rows.with_row_index("id").write_parquet("rows.parquet")
    answer = call("predict", "late", "rows.parquet", "-o", "off.parquet")
    assert answer.code == 0
    assert re.match(r"500 rows scored with late@\d in .* labelled true -> off.parquet", answer.err)
    assert call("predict", "late", "rows.parquet", "-o", "on.parquet", "--target", server).code == 0
    offline, online = read("off.parquet"), read("on.parquet")
    assert offline.columns == ["id", *rows.columns, "probability", "margin", "label"]
    assert offline.equals(online)
    bits = [frame["probability"].to_numpy().view("u4") for frame in (offline, online)]
    assert (bits[0] == bits[1]).all()


def test_a_csv_scores_as_the_parquet_it_was_written_from(call: Call, server: str) -> None:
    rows = flights(200, seed=3)
    rows.write_parquet("rows.parquet")
    rows.with_columns(pl.col("sched_dep").dt.strftime("%Y-%m-%dT%H:%M:%S%:z")).write_csv(
        "rows.csv", null_value="NA", quote_style="non_numeric"
    )
    call("predict", "late", "rows.parquet", "-o", "expected.parquet")
    expected = read("expected.parquet").select("probability", "margin", "label")
    for target in ([], ["--target", server]):
        command = ("predict", "late", "rows.csv", "--null", "NA", "-o")
        assert call(*command, "out.parquet", *target).code == 0
        assert read("out.parquet").select(expected.columns).equals(expected)
        assert call(*command, "out.csv", *target).code == 0
        again = pl.read_csv("out.csv", schema_overrides=expected.schema, null_values=["NA", ""])
        assert again.select(expected.columns).equals(expected)


@pytest.mark.parametrize(
    ("column", "text", "wanted"),
    [
        ("distance", "far", "not a number"),
        ("seats", "2.5", "not a whole number"),
        ("sched_dep", "2013-07-01T06:00:00", "a time with its offset"),
        ("sched_dep", "tomorrow", "a time with its offset"),
    ],
)
def test_a_wrong_field_is_named(call: Call, column: str, text: str, wanted: str) -> None:
    fields = {
        "distance": "1.5",
        "wind": "",
        "seats": "3",
        "carrier": "UA",
        "sched_dep": "2013-07-01T06:00:00Z",
    }
    bad = {**fields, column: text}
    lines = [",".join(fields), ",".join(fields.values()), ",".join(bad.values())]
    Path("bad.csv").write_text("\n".join(lines) + "\n")
    answer = call("predict", "late", "bad.csv", "-o", "out.csv")
    assert answer.code == 2
    assert f"column {column!r}, row 2: {text!r}" in answer.err
    assert wanted in answer.err


def test_what_predict_refuses(call: Call) -> None:
    flights(3).write_parquet("rows.parquet")
    cases = {
        ("late", "rows.parquet", "-o", "out.txt"): "must be .parquet or .csv",
        ("late", "rows.parquet", "-o", "nowhere/out.csv"): "folder nowhere does not exist",
        ("lte", "rows.parquet", "-o", "out.csv"): "Did you mean 'late'?",
        ("./late.bundle", "rows.parquet", "-o", "out.csv"): "there is no file late.bundle",
        ("pyproject.toml", "rows.parquet", "-o", "out.csv", "--target", "x:1"): "not the file",
        ("late", "rows.parquet", "-o", "out.csv", "--tls"): "only with --target",
        ("late", "rows.parquet", "-o", "out.csv", "--from-row", "3"): "nothing is left",
        ("late", "gone.parquet", "-o", "out.csv"): "does not exist",
        ("late", "pipeline.py", "-o", "out.csv"): "must be .parquet or .csv",
    }
    for arguments, message in cases.items():
        answer = call("predict", *arguments)
        assert answer.code == 2
        assert message in answer.err
    Path("junk.parquet").write_text("junk")
    assert "cannot be read" in call("predict", "late", "junk.parquet", "-o", "out.csv").err
    flights(3).with_columns(margin=1.0).write_parquet("taken.parquet")
    assert "'margin'" in call("predict", "late", "taken.parquet", "-o", "out.csv").err
    flights(3).drop("wind").write_parquet("short.parquet")
    assert "no column 'wind'" in call("predict", "late", "short.parquet", "-o", "out.csv").err


def test_a_server_that_is_not_there_is_code_1(call: Call) -> None:
    flights(3).write_parquet("rows.parquet")
    command = ("predict", "late", "rows.parquet", "-o", "out.csv", "--target", "127.0.0.1:1")
    answer = call(*command)
    assert answer.code == 1
    assert "Is it up?" in answer.err


def test_a_bundles_file_is_scored_and_a_changed_one_refused(
    call: Call, models: ProjectFolder
) -> None:
    flights(20).write_parquet("rows.parquet")
    store = models.open().store
    output = store.find(call("show", "bundle", "--json").document["key"]).outputs["bundle"]
    data = store.blobs.read(output.blob)
    Path("late.bundle").write_bytes(data)
    assert call("predict", "late.bundle", "rows.parquet", "-o", "out.csv").code == 0
    Path("late.bundle").write_bytes(data.replace(b"distance", b"distancy"))
    for command in (
        ["predict", "late.bundle", "rows.parquet", "-o", "o.csv"],
        ["serve", "late.bundle"],
    ):
        answer = call(*command)
        assert answer.code == 2
        assert "error: the bundle is damaged" in answer.err


def test_registry_lists_and_moves_aliases(call: Call) -> None:
    listed = steady(call("registry", "list").out)
    assert listed == "late  newest @2  just now  champion -> @2\n"
    (model,) = call("registry", "list", "--json").document["models"]
    assert (model["name"], model["newest"]["version"]) == ("late", 2)
    lines = call("registry", "show", "late").out.splitlines()
    assert [line.split()[0] for line in lines] == ["late@2", "late@1"]
    assert lines[0].endswith("champion  it is new")
    why = ("--reason", "drift")
    rolled = call("registry", "rollback", "late", "champion", *why)
    assert rolled.out == "late@champion -> late@1 (was @2)\n"
    moves = call("registry", "history", "late", "champion", "--json").document["moves"]
    assert [(move["version"], move["rollback"]) for move in moves] == [
        (1, True),
        (2, False),
        (1, False),
    ]
    assert steady(call("registry", "history", "late", "champion").out).startswith(
        "-> @1  rollback  just now"
    )
    assert call("registry", "rollback", "late", "champion", *why).code == 2
    promoted = call("registry", "promote", "late@2", "champion", *why)
    assert promoted.out == "late@champion -> late@2 (was @1)\n"
    again = call("registry", "promote", "late@champion", "champion", *why)
    assert again.out == "late@champion already -> late@2\n"


def test_a_model_moves_to_another_project_as_a_file(
    call: Call, models: ProjectFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flights(20).write_parquet("rows.parquet")
    assert call("predict", "late@1", "rows.parquet", "-o", "here.csv").code == 0
    told = call("export", "late@1").out
    assert told.startswith("late@1 -> late-1.bundle  bundle ")
    assert "the folder nowhere does not exist" in call("export", "late", "-o", "nowhere/x").err
    other = ProjectFolder(tmp_path / "other")
    other.write("pyproject.toml", "")
    other.write(
        "pipeline.py", "from dagrun import stage\n\n@stage\ndef one() -> int:\n    return 1\n"
    )
    monkeypatch.chdir(other.root)
    assert call("run").code == 0
    file, why = str(models.root / "late-1.bundle"), ("--reason", "moved")
    told = call("import", file, "--name", "later", "--alias", "champion", *why).out
    assert "-> later@1  bundle" in told
    assert "golden rows bit-identical, champion -> @1" in told
    rows = str(models.root / "rows.parquet")
    assert call("predict", "later", rows, "-o", "there.csv").code == 0
    assert Path("there.csv").read_text() == (models.root / "here.csv").read_text()
    assert "-> later@1" in call("import", file, "--name", "later", *why).out
    Path("bad.bundle").write_bytes((models.root / "late-1.bundle").read_bytes()[:-9])
    assert "the bundle is damaged" in call("import", "bad.bundle", *why).err
    assert call("import", "bad.bundle", *why).code == 2


def test_registry_refuses_what_is_not_there(call: Call) -> None:
    why = ("--reason", "because")
    assert "late@VERSION" in call("registry", "promote", "late", "champion", *why).err
    assert call("registry", "promote", "late@9", "champion", *why).code == 2
    assert "There is: 1, 2" in call("registry", "promote", "late@9", "champion", *why).err
    assert "--reason" in call("registry", "promote", "late@1", "champion").err
    assert call("serve", "nobody").code == 2


def test_what_show_tells_of_models(call: Call) -> None:
    text = call("show", "bundle").out
    assert "  model: late\n" in text
    assert "inputs: distance double, wind double, seats int64, carrier string" in text
    assert "objective: binary:logistic" in call("show", "model").out
    assert "label: late" in call("show", "spec").out
