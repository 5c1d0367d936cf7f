"""Whose code a module is, and code whose source is not what it was or is not there."""

import subprocess
import sys
import textwrap

import pytest
from closure_driver import Driver, write_project


@pytest.fixture(scope="module")
def driver():
    with Driver() as running:
        yield running


@pytest.fixture
def reach(tmp_path, driver):
    """Call with the pipeline's text, and further files, for the code version of its `model`."""

    def call(text, stage="model", **files):
        named = {name.replace("__", "/") + ".py": textwrap.dedent(t) for name, t in files.items()}
        text = "from dagrun import stage\n" + textwrap.dedent(text)
        root = write_project(tmp_path / "project", {"pipeline.py": text, **named})
        return driver.version_of(root, stage)

    return call


def test_imports_of_other_peoples_packages_are_not_executed(reach):
    text = """
        @stage
        def model():
            import polars as pl
            from networkx.algorithms import dag
            from google.protobuf import message
            return pl.col("a"), dag, message
    """
    found = reach(text)
    assert set(found["distributions"]) == {"polars", "networkx", "protobuf"}
    assert set(found["symbols"]) == {"pipeline:model"}
    assert found["loaded"] == []


def test_code_outside_the_root_counts_by_its_files(reach, tmp_path):
    text = "import away\n@stage\ndef model():\n    return away.f()\n"
    write_project(tmp_path / "outside" / "away", {"__init__.py": "f = int\n", "b.py": "x = 1\n"})
    before = reach(text)
    assert set(before["symbols"]) == {"pipeline:model"}
    assert before["distributions"]["away"].startswith("files ")
    assert {"__init__.py", "b.py"} <= set(before["files"])
    write_project(tmp_path / "outside" / "away", {"b.py": "x = 2\n"})
    assert reach(text)["distributions"] != before["distributions"]


def test_version_of_what_was_installed_from_a_folder_includes_its_record(reach, tmp_path):
    site = tmp_path / "project" / ".venv" / "site-packages"
    record = "away/__init__.py,sha256={},9\n"
    files = {"away/__init__.py": "f = int\n", "away-1.0.dist-info/RECORD": record.format("abc")}
    text = "import away\n@stage\ndef model():\n    return away.f()\n"
    write_project(site, files)
    assert reach(text)["distributions"] == {"away": "1.0"}
    write_project(site, {"away-1.0.dist-info/direct_url.json": "{}"})
    before = reach(text)["distributions"]["away"]
    write_project(site, {"away-1.0.dist-info/RECORD": record.format("def")})
    assert before.startswith("1.0 (files ")
    assert reach(text)["distributions"]["away"] != before


def test_file_edited_after_import(tmp_path):
    script = """
        import sys, pathlib
        sys.path.insert(0, sys.argv[1])
        import moved
        from dagrun.engine.code.closure import code_version
        path = pathlib.Path(moved.__file__)
        path.write_text("\\n\\n" + path.read_text())
        try:
            code_version(moved.f, path.parent, "f")
        except Exception as error:
            print(type(error).__name__, error)
    """
    write_project(tmp_path, {"moved.py": "def f():\n    return 1\n"})
    command = [sys.executable, "-B", "-c", textwrap.dedent(script), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("SourceChanged")
    assert "edited after it was imported" in done.stdout


def test_code_that_no_file_holds(tmp_path):
    script = """
        from dagrun.engine.code.closure import code_version
        import pathlib
        def digest(text):
            space = {"__name__": "__main__", "LIMIT": 3}
            exec(text, space)
            return code_version(space["f"], pathlib.Path("."), "f").symbols
        one = digest("def f(): return LIMIT")
        assert one == digest("def f():\\n    return LIMIT"), "formatting"
        assert one != digest("def f(): return LIMIT + 1"), "body"
        assert "__main__:LIMIT" in one, one
    """
    command = [sys.executable, "-B", "-c", textwrap.dedent(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_closure_pulls_in_no_heavy_library():
    heavy = "{'polars', 'numpy', 'networkx', 'xgboost'}"
    script = f"import sys, dagrun.engine.code.closure; print(*{heavy} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""
