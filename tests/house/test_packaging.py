"""The wheel holds the package `dagrun`, whole, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

SHIPPED = {".py", ".pyi", ".proto", ".binpb", ".typed"}


@pytest.fixture(scope="module")
def settings(root: Path) -> dict[str, Any]:
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    return dict(project["tool"]["setuptools"])


@pytest.fixture(scope="module")
def wheel_files(
    root: Path, folders: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> set[str]:
    """Build a wheel from a copy of the tree, in a process of its own, and list its files."""
    copy = tmp_path_factory.mktemp("tree")
    for folder in folders:
        shutil.copytree(root / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, copy / name)
    code = "from setuptools import build_meta; build_meta.build_wheel('out')"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=copy, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = (copy / "out").glob("dagrun-*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def test_the_package_list_is_the_tree(
    root: Path, folders: dict[str, str], settings: dict[str, Any]
) -> None:
    rooms = {
        ".".join([name, *path.parent.relative_to(root / folder).parts])
        for folder, name in folders.items()
        for path in (root / folder).rglob("__init__.py")
    }
    assert rooms == set(settings["packages"])
    mapped = {name: folder for folder, name in folders.items() if folder != name}
    assert settings["package-dir"] == mapped


def test_every_folder_with_code_is_a_package(root: Path, folders: dict[str, str]) -> None:
    homes = {path.parent for folder in folders for path in (root / folder).rglob("*.py")}
    assert [home for home in homes if not (home / "__init__.py").exists()] == []


def test_the_wheel_holds_every_shipped_file_and_nothing_else(
    root: Path, folders: dict[str, str], wheel_files: set[str]
) -> None:
    tree = {
        "/".join([*name.split("."), *path.relative_to(root / folder).parts])
        for folder, name in folders.items()
        for path in (root / folder).rglob("*")
        if path.is_file() and path.suffix in SHIPPED | {""} and "__pycache__" not in path.parts
    }
    assert {name for name in wheel_files if not name.startswith("dagrun-")} == tree


def test_the_wheel_is_typed_and_carries_its_protocols_and_licence(wheel_files: set[str]) -> None:
    assert "dagrun/py.typed" in wheel_files
    assert any(name.startswith("dagrun/proto/") and name.endswith(".proto") for name in wheel_files)
    assert any(name.endswith("/licenses/LICENSE") for name in wheel_files)


def test_nothing_lands_beside_the_package(wheel_files: set[str]) -> None:
    tops = {name.partition("/")[0] for name in wheel_files}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"dagrun"}
