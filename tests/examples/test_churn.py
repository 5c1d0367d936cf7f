"""The churn example on its real table: candidates, selection, calibration, one set of bits."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from dagrun.cli.main import main
from dagrun.engine.workspace import Workspace
from dagrun.server.client import Client
from dagrun.server.serving import Models, ServedModel, Server, ServerSettings
from dagrun.stages.bundle import Bundle, Calibrated, Estimator, Registry, RowScorer, check, score
from dagrun.stages.bundle.golden_rows import bits
from dagrun.stages.train import Selection

FOLDER = Path(__file__).parents[2] / "examples" / "churn"
CUSTOMERS = 7_043
QUICK = ("-p", "first.trials=1", "-p", "second.trials=1")


def carried_out(folder: Path) -> int:
    """Run the pipeline in this process and forget its modules; return the exit code."""
    path = list(sys.path)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            return main(["run", "--executor", "inline", *QUICK])
    finally:
        sys.path[:] = path
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", "")).startswith(str(folder)):
                del sys.modules[name]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example with two folds, run once."""
    folder = tmp_path_factory.mktemp("example") / "churn"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns(".dagrun", "__pycache__"))
    pipeline = folder / "pipeline.py"
    pipeline.write_text(pipeline.read_text("utf-8").replace("FOLDS = 5", "FOLDS = 2"), "utf-8")
    assert carried_out(folder) == 0
    return folder


def made(project: Path, stage: str, output: str, wanted: type) -> object:
    workspace = Workspace.open(folder=project)
    entry = workspace.runs.last_entry(stage)
    assert entry is not None
    return workspace.store.load(entry.outputs[output], wanted)


@pytest.fixture(scope="module")
def bundle(project: Path) -> Bundle:
    registry = Registry(Workspace.open(folder=project).store)
    return registry.load(registry.resolve("churn@champion"))


def test_all_candidates_stand_in_the_selection(project: Path) -> None:
    selection = made(project, "selection", "selection", Selection)
    assert isinstance(selection, Selection)
    assert selection.rows == 4_227
    assert len(selection.standings) == 7
    assert all(0.8 < standing.low < standing.high < 0.9 for standing in selection.standings)
    assert selection.chosen == "logistic"
    assert Registry(Workspace.open(folder=project).store).versions("churn")[0].version == 1


def test_the_champion_is_a_calibrated_model_of_plain_numbers(bundle: Bundle) -> None:
    assert isinstance(bundle.booster, Calibrated)
    assert isinstance(bundle.booster.model, Estimator)
    assert check(bundle).different == 0
    assert not {column.name for column in bundle.spec.inputs} & {"churn", "customer"}
    assert bundle.metrics["calibration_error"] < 0.05


def test_every_customer_has_the_same_bits_in_every_way(project: Path, bundle: Bundle) -> None:
    table = made(project, "customers", "customers", pl.DataFrame)
    assert isinstance(table, pl.DataFrame)
    rows = table.select(column.name for column in bundle.spec.inputs)
    assert rows.height == CUSTOMERS
    scored = score(bundle, rows)
    scorer = RowScorer(bundle)
    walked = np.array([scorer.score(row) for row in bundle.spec.rows_of(rows)], np.float32)
    assert np.array_equal(bits(walked[:, 0]), bits(scored["margin"].to_numpy()))
    assert np.array_equal(bits(walked[:, 1]), bits(scored["probability"].to_numpy()))
    with (
        Server(Models([ServedModel("churn", bundle)]), ServerSettings(port=0)) as server,
        Client(server.address, timeout=60) as client,
    ):
        served = client.predict_table("churn", rows)
        answers = [
            answer.probability
            for part in rows.gather_every(4).iter_slices(500)
            for answer in client.predict("churn", part.to_dicts())
        ]
    assert served["probability"].equals(scored["probability"])
    assert np.array_equal(
        bits(np.array(answers, np.float32)), bits(scored["probability"].to_numpy()[::4])
    )


def test_a_rerun_is_all_hits_and_a_candidate_more_is_its_folds_more(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    assert carried_out(project) == 0
    told = capfd.readouterr().err
    assert re.search(r"done in \S+ s: 17 hit ", told), told
    pipeline = project / "pipeline.py"
    text = pipeline.read_text("utf-8")
    more = '    Candidate.logistic("logistic, held", C=0.01),\n    XGBOOST,\n'
    pipeline.write_text(text.replace("    XGBOOST,\n", more), "utf-8")
    assert carried_out(project) == 0
    told = capfd.readouterr().err
    assert re.search(r"out_of_fold\s+ran .*16 elements: 14 hit, 2 ran", told), told
    assert re.search(r"split\s+hit", told), told
