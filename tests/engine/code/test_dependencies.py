"""What a stage reaches, as a list: every symbol of the code version, with its place and its way."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from closure_project import FILES
from tests_project import ProjectFolder

from dagrun.engine.code.dependencies import _find

MODULE = """
import json as j, os.path
from a import b as c

ONE = 1
TWO: int = 2
if ONE:
    THREE, (FOUR, *FIVE) = 3, (4, 5)

@decorator
def f():
    LOCAL = 1
    def inner():
        pass

class K:
    ATTRIBUTE = 1
    @property
    def method(self):
        pass

def twice(): pass
def twice(): pass
"""
PLACES = {
    "*": ("module", 1),
    "j": ("constant", 2),
    "os": ("constant", 2),
    "c": ("constant", 3),
    "ONE": ("constant", 5),
    "TWO": ("constant", 6),
    "FIVE": ("constant", 8),
    "f": ("function", 10),
    "@f": ("function", 10),
    "f()": ("function", 10),
    "f.<locals>.inner": ("function", 13),
    "K": ("class", 16),
    "K.method": ("function", 18),
    "twice": ("function", 23),
    "LOCAL": ("constant", None),
    "gone": ("constant", None),
}


@pytest.mark.parametrize("name", PLACES)
def test_a_name_is_found_where_it_is_bound(name: str) -> None:
    assert _find(ast.parse(MODULE), name) == PLACES[name]


# In a process of its own: the project's modules have everyday names.
LISTING = """
import json, sys
from pathlib import Path
from dagrun.engine.workspace import Workspace
from dagrun.engine.code.closure import code_version
root = Path(sys.argv[1])
workspace = Workspace.open(folder=root)
found = workspace.dependencies("model")
code = code_version(workspace.pipeline.stages["model"].function, root, "model")
assert {symbol.name: symbol.digest for symbol in found.symbols} == dict(code.symbols)
print(json.dumps([[s.name, s.kind, str(s.file), s.line, s.path] for s in found.symbols]))
"""


def test_every_symbol_of_a_code_version_is_placed(tmp_path: Path) -> None:
    for name, text in FILES.items():
        if not name.startswith("dagrun_"):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(
                text.replace("from dagrun.stages.extra import ready_made", "").replace(
                    " + ready_made(1)", ""
                )
            )
    (tmp_path / "rows.csv").write_text("a\n")
    site = tmp_path / ".venv/site-packages"
    command = [sys.executable, "-P", "-c", LISTING, str(tmp_path)]
    done = subprocess.run(
        command, env={"PYTHONPATH": str(site)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    listed = ast.literal_eval(done.stdout.replace("null", "None"))
    assert listed[0][0] == "pipeline:model"
    lines = {
        name: (tmp_path / name).read_text().splitlines()
        for name in FILES
        if ".py" in name and (tmp_path / name).exists()
    }
    for name, kind, file, line, path in listed:
        assert path[0] == "pipeline:model"
        assert path[-1] == name
        qualname = name.partition(":")[2].strip("@()")
        assert line is not None, name
        near = "\n".join(lines[file][line - 1 : line + 3])
        assert qualname.rpartition(".")[2] in near, (name, near)
        first = next(text for text in near.splitlines() if not text.startswith("@"))
        assert (kind == "class") == first.startswith("class "), (name, near)


def test_distributions_and_warnings_are_listed(tables: ProjectFolder) -> None:
    tables.edit("helper.py", "return x * FACTOR", "return x * eval('FACTOR')")
    found = tables.open().dependencies("low")
    assert found.stage == "split"
    assert list(found.distributions) == ["polars"]
    (warning,) = tables.open().dependencies("scaled").warnings
    assert "helper.py:4" in warning
