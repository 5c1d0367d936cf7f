"""The lock files name versions and hashes of everything, and no place to fetch them from."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCKS = [
    "requirements.lock",
    "examples/requirements.lock",
    "benchmarks/requirements.lock",
    "benchmarks/peers/doit.lock",
    "benchmarks/peers/great_expectations.lock",
    "benchmarks/peers/hamilton.lock",
    "benchmarks/peers/joblib.lock",
    "benchmarks/peers/mlserver_flights.lock",
    "benchmarks/peers/pandera.lock",
    "benchmarks/peers/prefect.lock",
    "benchmarks/peers/projects.lock",
    "benchmarks/peers/redun.lock",
    "proto/requirements.lock",
    "tests/peers/grpc_requests.lock",
    "tests/peers/mlflow.lock",
    "tests/peers/mlserver.lock",
    "tests/peers/moto.lock",
    "tests/peers/tritonclient.lock",
]


def pins(path: Path) -> list[tuple[Requirement, int]]:
    """Return each pin with the number of its hashes."""
    entries = path.read_text("utf-8").replace("\\\n", " ").splitlines()
    lines = [line for line in entries if line.strip() and not line.lstrip().startswith("#")]
    return [
        (Requirement(line.partition("--hash=")[0].strip()), line.count("--hash=sha256:"))
        for line in lines
    ]


@pytest.fixture(scope="module")
def project(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text("utf-8"))


def test_every_lock_file_is_looked_at(root: Path) -> None:
    tops = ["dagrun", "engine", "stages", "server", "proto", "tests", "benchmarks", "examples"]
    found = {*root.glob("*.lock"), *(path for top in tops for path in (root / top).rglob("*.lock"))}
    assert {str(path.relative_to(root)) for path in found} == set(LOCKS)


@pytest.mark.parametrize("name", LOCKS)
def test_no_lock_file_names_an_address(root: Path, name: str) -> None:
    text = (root / name).read_text("utf-8")
    assert re.findall(r"\S*(?:://|@ |--index|--find-links|--extra|--trusted)\S*", text) == []


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_is_exact_and_hashed(root: Path, name: str) -> None:
    for pin, hashes in pins(root / name):
        assert re.fullmatch(r"==[^*,]+", str(pin.specifier)), pin
        assert hashes >= 1, pin


def pinned(path: Path, python: str) -> dict[str, str]:
    """Return name -> version for one Python version on Linux x86-64."""
    host = {
        "python_version": python,
        "python_full_version": python + ".0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
    }
    environment: Any = {**default_environment(), **host}
    return {
        canonicalize_name(pin.name): str(pin.specifier).removeprefix("==")
        for pin, _ in pins(path)
        if pin.marker is None or pin.marker.evaluate(environment)
    }


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_every_dependency_of_the_project_is_pinned(
    root: Path, project: dict[str, Any], python: str
) -> None:
    locked = pinned(root / "requirements.lock", python)
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    for requirement in map(Requirement, wanted):
        if requirement.marker is None or requirement.marker.evaluate({"python_version": python}):
            assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)])


def test_the_benchmarks_add_to_the_lock_and_never_change_it(root: Path) -> None:
    wanted = (root / "benchmarks/requirements.in").read_text("utf-8").splitlines()
    names = {
        canonicalize_name(Requirement(line).name)
        for line in wanted
        if line.strip() and not line.startswith("#")
    }
    for python in ("3.11", "3.12", "3.13"):
        locked = pinned(root / "requirements.lock", python)
        added = pinned(root / "benchmarks/requirements.lock", python)
        assert names <= set(added)
        assert {name: locked[name] for name in added if name in locked} == {
            name: version for name, version in added.items() if name in locked
        }
