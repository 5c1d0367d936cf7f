"""Project code runs as its source says, even where Python would trust stale bytecode."""

from __future__ import annotations

import os
import py_compile
from pathlib import Path

import pytest
from tests_project import ProjectFolder, statuses

from dagrun.engine.code.imports import is_installed
from dagrun.engine.errors import DefinitionError

PIPELINE = """
    from dagrun import stage
    from package import factor

    @stage
    def scaled() -> dict:
        return {"is": factor.FACTOR * factor.OWN}
"""


@pytest.mark.parametrize("executor", ["inline", "processes"])
def test_an_edit_that_keeps_size_and_time_is_what_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, executor: str
) -> None:
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    project = ProjectFolder(tmp_path)
    project.write("pyproject.toml", "")
    pipeline = project.write("pipeline.py", PIPELINE)
    project.write("package/__init__.py", "")
    helper = project.write("package/factor.py", "FACTOR = 2\nOWN = 10\n")
    for file in (pipeline, helper):
        os.utime(file, (10**9, 10**9))
        py_compile.compile(str(file))
    assert scaled(project, executor) == 20

    project.edit("package/factor.py", "FACTOR = 2", "FACTOR = 3")
    for file in (pipeline, helper):
        os.utime(file, (10**9, 10**9))
    assert scaled(project, executor) == 30


def scaled(project: ProjectFolder, executor: str) -> int:
    assert statuses(project.run(executor=executor)) == {"scaled": "ran"}
    entry = project.plan().decisions["scaled"].entry
    assert entry
    value: int = project.open().store.load(entry.outputs["scaled"], dict)["is"]
    return value


def test_what_is_installed_keeps_its_bytecode() -> None:
    assert is_installed(pytest.__file__)
    assert is_installed(os.__file__)
    assert not is_installed("/home/ada/project/pipeline.py")


def test_a_pipeline_must_be_python(tmp_path: Path) -> None:
    project = ProjectFolder(tmp_path)
    project.write("pyproject.toml", '[tool.dagrun]\npipeline = "pipeline.txt"\n')
    project.write("pipeline.txt", "")
    with pytest.raises(DefinitionError, match=r"pipeline\.txt is not a Python file"):
        project.open()
