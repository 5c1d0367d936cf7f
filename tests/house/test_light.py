"""What must start quickly pulls in nothing heavy; seen in fresh processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"polars", "networkx", "xgboost", "grpc", "pyarrow", "numpy"}
DAGRUN = Path(sys.executable).with_name("dagrun")
LIGHT_MODULES = [
    "dagrun",
    "dagrun.cli.main",
    "dagrun.cli.start",
    "dagrun.engine.canonical",
    "dagrun.engine.codec",
    "dagrun.engine.context",
    "dagrun.engine.errors",
    "dagrun.engine.events",
    "dagrun.engine.sources",
    "dagrun.engine.stage",
]


def heavy_imports(*command: str) -> set[str]:
    """Run a command and return which of the heavy packages it imported."""
    environment = os.environ | {"PYTHONPROFILEIMPORTTIME": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    packages = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}
    assert "dagrun" in packages
    return packages & HEAVY


@pytest.mark.parametrize("module", LIGHT_MODULES)
def test_importing_pulls_in_nothing_heavy(module: str) -> None:
    assert heavy_imports(sys.executable, "-P", "-c", f"import {module}") == set()


def test_the_names_of_the_first_hour_pull_in_nothing_heavy() -> None:
    sources = "Cursor, Files, Http, NextLink, Numbered, Objects, Query"
    code = f"from dagrun import Context, DagrunError, Verdict, stage, {sources}"
    assert heavy_imports(sys.executable, "-P", "-c", code) == set()


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"]])
def test_the_command_line_answers_without_anything_heavy(arguments: list[str]) -> None:
    assert heavy_imports(str(DAGRUN), *arguments) == set()


def test_the_measure_does_see_a_heavy_import() -> None:
    assert heavy_imports(sys.executable, "-P", "-c", "import dagrun, numpy") == {"numpy"}
