"""The receipt: what it answers at once, and each trap at which it must say nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests_cli import DAGRUN
from tests_project import ProjectFolder
from tests_receipts import both, inside, said, write_project

from dagrun.engine.history.runlog import Run, Runs
from dagrun.engine.receipts.receipt import is_plain
from dagrun.engine.store.store import Store


@pytest.fixture
def many(tmp_path: Path) -> Iterator[ProjectFolder]:
    """The project of many dependencies, entered, and planned once."""
    project = write_project(tmp_path / "p")
    with inside(project.root):
        assert not both("run").answered
        yield project


def test_a_run_leaves_a_receipt_that_answers_the_next(many: ProjectFolder) -> None:
    first, second = both("run"), both("run")
    assert first.answered
    assert second.answered


@pytest.mark.parametrize(
    "words",
    [
        ("run", "--json"),
        ("run", "-p", "split.at=2"),
        ("run", "-t", "low", "--seed", "3", "-j", "1", "--executor", "inline", "--keep-going"),
        ("plan",),
        ("plan", "--json", "pipeline.py"),
    ],
)
def test_every_command_line_has_a_receipt_of_its_own(
    many: ProjectFolder, words: tuple[str, ...]
) -> None:
    assert not both(*words).answered
    assert both(*words).quick is not None


@pytest.mark.parametrize("words", [("run", "--verify"), ("run", "--strict", "--verify=0.3")])
def test_what_is_to_be_executed_is_never_answered(
    many: ProjectFolder, words: tuple[str, ...]
) -> None:
    for _ in range(2):
        assert not both(*words).answered


def timeless(run: Run) -> dict[str, dict[str, object]]:
    return {name: {**line, "at": None} for name, line in run.stages.items()}


def test_an_answered_run_is_in_the_history(many: ProjectFolder) -> None:
    runs = Runs(Store.open(many.root))
    before = runs.ids()
    quick = said(("run", "--json"), fully=True)
    assert quick is not None
    quick = said(("run", "--json"), fully=False)
    assert quick is not None
    full, answered = runs.ids()[len(before) :]
    run, like = runs.read(answered), runs.read(full)
    assert run.run_id == quick.document["run_id"]
    assert (run.status, timeless(run)) == ("done", timeless(like))
    assert set(run.header) == set(like.header)
    assert list(run.stages) == ["lines", "document", "split", "total"]


def test_what_changes_nothing_is_answered(many: ProjectFolder) -> None:
    os.utime(many.root / "helper.py")
    assert both("run").answered
    many.write("notes.md", "not a module, not an input")
    assert both("run").answered
    many.write("helper.py", (many.root / "helper.py").read_text())
    assert both("run").answered


def test_an_edit_that_keeps_size_and_time_is_noticed(many: ProjectFolder) -> None:
    path = many.root / "helper.py"
    before = path.stat()
    path.write_text("FACTOR = 3\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not both("run").answered
    assert both("run").answered


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("extra.py", "BONUS = 5\n"),
        ("helper/__init__.py", "FACTOR = 6\n"),
        ("data/c.txt", "four"),
        ("settings.json", '{"level": 2}'),
        ("pyproject.toml", '[tool.dagrun]\npipeline = "other.py"\n'),
    ],
)
def test_a_new_or_other_file_is_noticed(many: ProjectFolder, name: str, text: str) -> None:
    many.write(name, text)
    assert not both("run").answered


def test_a_folder_that_becomes_a_package_is_noticed(many: ProjectFolder) -> None:
    (many.root / "helper").mkdir()
    assert not both("run").answered
    assert both("run").answered
    many.write("helper/__init__.py", "FACTOR = 6\n")
    assert not both("run").answered


def test_a_project_file_below_the_root_moves_the_root(many: ProjectFolder) -> None:
    many.write(
        "below/pipeline.py", "from dagrun import stage\n\n@stage\ndef one():\n    return 1\n"
    )
    for _ in range(2):  # the first one changes what this process imports from
        both("run", "below")
    assert both("run", "below").answered
    many.write("below/pyproject.toml", "")
    assert not both("run", "below").answered


def test_the_environment_and_the_folder_count(
    many: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHLVL", "7")
    assert both("run").answered
    monkeypatch.setenv("TESTED_MODE", "other")
    assert not both("run").answered
    monkeypatch.chdir(many.root / "data")
    assert not both("plan", "../pipeline.py").answered


def test_another_interpreter_path_counts(many: ProjectFolder, tmp_path: Path) -> None:
    sys.path.append(str(tmp_path))
    assert said(("run",), fully=False) is None
    sys.path.remove(str(tmp_path))
    assert said(("run",), fully=False) is not None


def test_a_forced_run_makes_its_entry_anew(many: ProjectFolder) -> None:
    assert not both("run", "--force", "total").answered
    assert not both("run", "--force", "total").answered
    assert not both("run").answered


def test_a_store_that_lost_something_is_noticed(many: ProjectFolder) -> None:
    for pattern in ("entries/*/*.json", "blobs/*/*"):
        stored = {path: path.stat().st_size for path in (many.root / ".dagrun").glob(pattern)}
        largest = max(stored, key=stored.__getitem__)
        largest.unlink()
        assert not both("run").answered
        assert both("run").answered


@pytest.mark.parametrize(
    "text",
    [
        "@stage(effect=True)\ndef tell(one):\n    pass\n",
        "@stage(cache=False, reason='it is new each time')\ndef two():\n    return 2\n",
        "@stage(gate=True)\ndef two(one) -> Verdict:\n    return Verdict(passed=False)\n",
        "import time\nNOW = time.time()\n",
        "import datetime\n\ndef day():\n    return datetime.date.today()\n\nDAY = day()\n",
        "from pathlib import Path\nTHERE = Path('x').exists()\n",
        "open('written', 'w').close()\n",
        "import subprocess\nsubprocess.run(['true'])\n",
        "print('loading')\n",
        "import importlib\n\n@stage\ndef two(name: str = 'json'):\n"
        "    return importlib.import_module(name).__name__\n",
    ],
)
def test_what_stats_cannot_vouch_for_gets_no_receipt(project: ProjectFolder, text: str) -> None:
    head = "from dagrun import Verdict, stage\n\n@stage\ndef one():\n    return 1\n\n"
    (project.root / "pipeline.py").write_text(head + text)
    with inside(project.root):
        for _ in range(3):
            assert not both("run").answered


def test_a_clock_in_a_stage_or_behind_main_is_no_doubt(project: ProjectFolder) -> None:
    (project.root / "pipeline.py").write_text(
        "import time\nfrom dagrun import stage\n\n@stage\ndef one():\n    time.time()\n"
        "    return 1\n\nif __name__ == '__main__':\n    print(one())\n"
    )
    with inside(project.root):
        both("run")
        assert both("run").answered


def test_a_method_is_not_taken_for_a_stage_of_its_name(project: ProjectFolder) -> None:
    (project.root / "pipeline.py").write_text(
        "import polars as pl\nfrom dagrun import Files, stage\n"
        "from dagrun.stages.features import standardize\n"
        "WORDS = 'one two'.split()\nTYPES = pl.Schema({'x': pl.Int64()})\n\n"
        "@stage\ndef split(files: Files = Files('*.csv')) -> pl.DataFrame:\n"
        "    assert standardize\n    return files.read_csv(schema_overrides=TYPES)\n"
    )
    project.write("table.csv", "x\n1\n")
    with inside(project.root):
        for _ in range(2):  # the first one changes the environment of this process
            both("run")
        assert both("run").answered
        assert both("run", "--json").quick is None
        assert both("run", "--json").quick is not None


def test_a_receipt_can_be_declined(many: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(("run",), fully=False) is not None
    monkeypatch.setenv("DAGRUN_RECEIPT", "0")
    assert said(("run",), fully=False) is None


def test_doubts_are_told_when_asked(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "import time\nfrom dagrun import stage\nNOW = time.time()\n"
    text += "\n@stage\ndef one():\n    return 1\n"
    (project.root / "pipeline.py").write_text(text)
    monkeypatch.setenv("DAGRUN_RECEIPT", "why")
    with inside(project.root):
        told = said(("run",), fully=True)
    assert told is not None
    assert told.err.endswith("no receipt: loading calls time()\n")


def test_few_receipts_are_kept(many: ProjectFolder) -> None:
    for seed in range(20):
        both("plan", "--seed", str(seed))
    assert len(list((many.root / ".dagrun" / "receipts").iterdir())) == 16
    assert both("plan", "--seed", "19").answered
    assert not both("plan", "--seed", "0").answered


@pytest.mark.parametrize("words", [(), ("-t", "total")])
def test_a_process_answers_without_importing_what_it_does_not_need(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    project = write_project(tmp_path / "p")
    environment = {**os.environ, "PYTHONPROFILEIMPORTTIME": "1"}
    command = [DAGRUN, "run", "--json", *words]
    options = {"cwd": project.root, "env": environment, "capture_output": True, "text": True}
    done = [subprocess.run(command, **options, check=True) for _ in range(2)]
    lines = [line for line in done[1].stderr.splitlines() if line.startswith("import time:")]
    modules = {line.rpartition("|")[2].strip() for line in lines}
    packages = {name.partition(".")[0] for name in modules}
    assert not packages & {"polars", "networkx", "click", "rich", "dataclasses", "subprocess"}
    assert not modules & {"pipeline", "helper", "dagrun.engine.workspace", "dagrun.cli.main"}
    statuses = [stage["status"] for stage in json.loads(done[1].stdout)["stages"]]
    assert statuses == ["hit"] * 4


@pytest.mark.parametrize(
    "words", [("run", "--verify"), ("run", "--json", "--unknown=3"), ("run", "-x")]
)
def test_options_that_ask_for_more_have_none(words: tuple[str, ...]) -> None:
    assert not is_plain(words)


def test_plain_options_may_have_their_values_at_hand() -> None:
    assert is_plain(("run", "other.py", "-j4", "--seed=3", "-p", "a.b=-1", "--limit", "memory=1"))
