"""Another release of dagrun: what an edit of its own packages does to a stage's key."""

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCRIPT = """
import json, sys
from pathlib import Path
import dagrun.engine.keys
from dagrun.engine.workspace import Workspace
assert sys.argv[1] in dagrun.engine.keys.__file__, dagrun.engine.keys.__file__
workspace = Workspace.open(folder=Path(sys.argv[2]))
print(json.dumps([stage.key for stage in workspace.plan(workspace.select())[1].stages]))
"""
PIPELINE = """
from dagrun import stage
from dagrun.stages import split_by_time


@stage
def model():
    return split_by_time
"""


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Return a function that plans one project with an edited copy of dagrun."""
    home = tmp_path_factory.mktemp("releases")
    project = home / "project"
    project.mkdir()
    (project / "pyproject.toml").touch()
    (project / "pipeline.py").write_text(textwrap.dedent(PIPELINE))

    def plan(name: str, file: str, old: str, new: str) -> list[str]:
        site = home / name
        shutil.copytree(ROOT / "dagrun", site / "dagrun")
        for part in ("engine", "stages", "server", "proto"):
            shutil.copytree(ROOT / part, site / "dagrun" / part)
        for path in sorted((site / "dagrun").glob(file)):
            text = path.read_text()
            assert re.search(old, text), path
            path.write_text(re.sub(old, new, text, count=1))
        environment = os.environ | {"PYTHONPATH": str(site)}
        command = [sys.executable, "-P", "-B", "-c", SCRIPT, str(site), str(project)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return plan


@pytest.fixture(scope="module")
def before(keys):
    return keys("before", "engine/keys.py", r"\A", "")


def test_every_module_of_the_engine_edited(keys, before):
    assert (
        keys("engine", "engine/**/*.py", r"\Z", "\n\ndef unheard_of():\n    return 1\n") == before
    )


def test_schema_version_raised(keys, before):
    after = keys("schema", "engine/keys.py", r"SCHEMA_VERSION = \d+", "SCHEMA_VERSION = 1000")
    assert after != before


def test_ready_made_function_that_the_stage_reaches(keys, before):
    edit = r"(def split_by_time\((?:.|\n)*?\n    \"\"\"(?:.|\n)*?\"\"\"\n)"
    assert keys("reached", "stages/split.py", edit, r"\1    int()\n") != before


def test_ready_made_function_that_the_stage_does_not_reach(keys, before):
    after = keys("unreached", "stages/train/*.py", r"\Z", "\n\ndef unheard_of():\n    return 1\n")
    assert after == before
