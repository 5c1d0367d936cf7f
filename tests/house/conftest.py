"""What the house tests look at: the project's own Python files, parsed once."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = {
    "dagrun": "dagrun",
    "engine": "dagrun.engine",
    "stages": "dagrun.stages",
    "server": "dagrun.server",
    "proto": "dagrun.proto",
}


def is_generated(path: Path) -> bool:
    return path.stem.endswith(("_pb2", "_pb2_grpc"))


def import_name(path: Path) -> str:
    """Return the name that a file of one of our folders is imported by."""
    folder, *rest = path.relative_to(ROOT).with_suffix("").parts
    return ".".join([FOLDERS[folder], *(part for part in rest if part != "__init__")])


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def folders() -> dict[str, str]:
    """Top folder -> the name it is imported by."""
    return FOLDERS


@pytest.fixture(scope="session")
def modules() -> dict[str, tuple[Path, ast.Module]]:
    """Import name -> file and syntax tree, for every module that is shipped."""
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    return {import_name(path): (path, ast.parse(path.read_bytes())) for path in paths}


@pytest.fixture(scope="session")
def written() -> dict[Path, str]:
    """File -> text of every Python file that somebody wrote, tests and benchmarks included."""
    tops = [*FOLDERS, "tests", "benchmarks", "examples", "docs"]
    paths = [path for top in tops for path in sorted((ROOT / top).rglob("*.py"))]
    return {
        path.relative_to(ROOT): path.read_text("utf-8") for path in paths if not is_generated(path)
    }
