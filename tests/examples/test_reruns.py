"""Every case study: run again it is all hits, an edit reruns what depends on it, and what was
published is built again to the same digest.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
DAGRUN = str(Path(sys.executable).with_name("dagrun"))
AFTER_FEATURES = {"features", "model", "report", "verdict", "bundle"}


@dataclass(frozen=True, kw_only=True)
class Study:
    """A case study, params that make it quick, and an edit of one feature."""

    name: str
    quick: tuple[str, ...]
    old: str
    new: str
    rerun: frozenset[str] = frozenset(AFTER_FEATURES)


STUDIES = (
    Study(
        name="houses",
        quick=("model.max_depth=5", "model.learning_rate=0.2"),
        old="edges=(0, 5, 15, 30, 50, 80)",
        new="edges=(0, 10, 40, 80)",
    ),
    Study(
        name="cards",
        quick=("cards.count=500", "model.learning_rate=0.3"),
        old='by=("sort", "entry"), prior=200',
        new='by=("sort", "entry"), prior=100',
    ),
    Study(
        name="flights",
        quick=("model.max_depth=4", "model.learning_rate=0.3"),
        old='group_agg("flight", by=("origin", "carrier"), how="count"',
        new='group_agg("flight", by=("origin", "dest"), how="count"',
    ),
)
SOAK = bool(os.environ.get("DAGRUN_SOAK"))


def dagrun(folder: Path, *words: str, code: int = 0) -> Any:
    """Carry out a command in a process of its own; return the document that it prints."""
    done = subprocess.run(
        [DAGRUN, *words, "--json"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr[-3000:] + done.stdout[-3000:]
    return json.loads(done.stdout)


def statuses(document: Any) -> dict[str, str]:
    return {stage["name"]: stage["status"] for stage in document["stages"]}


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
@pytest.mark.timeout(900)
def test_a_case_study_hits_reruns_what_depends_and_is_reproduced(
    study: Study, tmp_path: Path
) -> None:
    if study.name != "houses" and not SOAK:
        pytest.skip("hundreds of thousands of rows, five times over: with DAGRUN_SOAK=1")
    folder = tmp_path / study.name
    left = shutil.ignore_patterns(".dagrun", "__pycache__")
    shutil.copytree(EXAMPLES / study.name, folder, ignore=left)
    git(folder, "init", "-q")
    (folder / ".gitignore").write_text(".dagrun\n__pycache__\n")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "the study")
    quick = [word for param in study.quick for word in ("-p", param)]
    first = statuses(dagrun(folder, "run", *quick))
    assert set(first.values()) == {"ran"}
    assert set(statuses(dagrun(folder, "run", *quick)).values()) == {"hit"}
    declared = folder / "features.py"
    text = declared.read_text("utf-8")
    assert study.old in text
    declared.write_text(text.replace(study.old, study.new), "utf-8")
    again = statuses(dagrun(folder, "run", *quick))
    assert {name for name, status in again.items() if status == "ran"} == study.rerun
    # The first is the commit's, the second that of the tree, which no commit has.
    for version in (1, 2) if SOAK else (1,):
        found = dagrun(folder, "reproduce", f"{study.name}@{version}")
        assert found["identical"], found
        assert found["same_file"]
        assert {stage["fate"] for stage in found["stages"]} == {"identical"}


def git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)
