"""`dagrun spec rehearse`: golden rows replayed here and by another interpreter."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from tests_bundles import FEATURES, flights, redigested
from tests_cli import Answer

from dagrun.cli.main import main
from dagrun.stages.bundle import Bundle, make_bundle
from dagrun.stages.proof.rehearsal import rehearse, rehearse_with
from dagrun.stages.train import fit_xgboost


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    train = flights(200)
    spec, matrix = FEATURES.fit_transform(train, label="late")
    booster = fit_xgboost(matrix, spec.transform(flights(80, seed=1)), seed=1, rounds=4)
    return make_bundle(None, name="late", spec=spec, booster=booster, sample=train)


@pytest.fixture
def file(bundle: Bundle, tmp_path: Path) -> Path:
    path = tmp_path / "late.bundle"
    path.write_bytes(bundle.to_bytes())
    return path


@pytest.fixture
def tampered(bundle: Bundle, tmp_path: Path) -> Path:
    """A bundle whose mean of distances is another, all digests made anew."""

    def change(data: bytes) -> bytes:
        form = json.loads(data)
        step = next(one for one in form["steps"] if one["op"] == "standardize")
        offset = float.fromhex(step["state"]["offset"]["hex"]) + 0.25
        step["state"]["offset"] = {"dec": repr(offset), "hex": offset.hex()}
        return json.dumps(form, sort_keys=True, separators=(",", ":")).encode()

    path = tmp_path / "tampered.bundle"
    path.write_bytes(redigested(bundle, "spec.json", change))
    return path


def called(capfd: pytest.CaptureFixture[str], *arguments: str) -> Answer:
    capfd.readouterr()
    code = main(["spec", "rehearse", *arguments])
    out, err = capfd.readouterr()
    return Answer(code, out, err)


def test_nothing_would_change_here(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    answer = called(capfd, str(file))
    assert answer.code == 0, answer.err
    assert re.search(rf"^polars +{re.escape(pl.__version__)}$", answer.out, re.M)
    assert "0 of " in answer.out


def test_another_interpreter_replays_with_its_own_libraries(
    bundle: Bundle, file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert rehearse_with(bundle, sys.executable) == rehearse(bundle)
    answer = called(capfd, str(file), "--python", sys.executable, "--json")
    assert answer.code == 0
    assert answer.document["here"] == answer.document["versions"]
    assert answer.document["differences"] == []


def test_what_would_change_is_listed_by_feature(
    tampered: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    here = called(capfd, str(tampered))
    there = called(capfd, str(tampered), "--python", sys.executable)
    assert here.code == there.code == 5
    assert here.out.splitlines()[-1] == there.out.splitlines()[-1]
    for line in ("distance_standardized  batch path", "distance_standardized  row path"):
        assert line in here.out
    assert ": expected 0x" in here.out
    document = called(capfd, str(tampered), "--json").document
    assert {one["twin"] for one in document["differences"]} == {"batch", "row"}


def test_an_interpreter_without_dagrun_is_named(
    file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    answer = called(capfd, str(file), "--python", str(bare / "bin" / "python"))
    assert answer.code == 2
    assert "No module named 'dagrun'" in answer.err
    missing = called(capfd, str(file), "--python", os.devnull)
    assert missing.code == 2
