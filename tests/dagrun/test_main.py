"""The edge: help, unknown names, exit codes."""

from __future__ import annotations

import subprocess

import pytest
from tests_cli import DAGRUN, Call
from tests_project import ProjectFolder

import dagrun
from dagrun.cli.lazy import LazyGroup
from dagrun.cli.main import COMMANDS, cli

NAMES = [
    *([name] for name in COMMANDS),
    ["runs", "list"],
    *(["registry", name] for name in ("list", "show", "promote", "rollback", "history")),
]


def test_the_installed_program_knows_its_version() -> None:
    done = subprocess.run([DAGRUN, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"dagrun {dagrun.__version__}\n"


def test_help_lists_every_command_whole(call: Call) -> None:
    answer = call("--help")
    assert answer.code == 0
    assert call() == answer
    listed = answer.out.partition("Commands:")[2].partition("Start with")[0]
    assert [line.split()[0] for line in listed.splitlines() if line.strip()] == list(COMMANDS)
    assert "..." not in listed
    assert isinstance(cli, LazyGroup)


@pytest.mark.parametrize("name", NAMES, ids=" ".join)
def test_every_command_shows_an_example(call: Call, name: list[str]) -> None:
    answer = call(*name, "--help")
    assert answer.code == 0
    assert "Example: dagrun" in answer.out


def test_an_unknown_command_names_the_nearest(call: Call) -> None:
    answer = call("rnu")
    assert answer.code == 2
    assert answer.err.startswith("error: no command named 'rnu'. Did you mean 'run'?\n")
    assert answer.err.endswith("see: dagrun --help\n")
    answer = call("registry", "promot")
    assert "Did you mean 'promote'?" in answer.err
    assert "see: dagrun registry --help" in answer.err


def test_wrong_usage_is_code_2_and_says_where_to_look(call: Call) -> None:
    answer = call("run", "-p", "model.depth")
    assert answer.code == 2
    assert "'model.depth' is not of the form stage.param=value" in answer.err
    assert "see: dagrun run --help" in answer.err
    assert call("run", "--nonsense").code == 2
    assert call("why").code == 2


def test_definition_errors_are_code_2_without_a_traceback(
    call: Call, numbers: ProjectFolder
) -> None:
    answer = call("run", "-p", "modle.depth=8")
    assert answer.code == 2
    first, second = answer.err.splitlines()
    assert first.startswith("error: no stage named 'modle' in ")
    assert first.endswith("Did you mean 'model'?")
    assert second == "       stages: raw, split, model, report, verdict, publish"
    assert (
        "no executor named 'thread'. Did you mean 'threads'?"
        in call("run", "--executor", "thread").err
    )
    numbers.write("pipeline.py", "1 / 0")
    answer = call("plan")
    assert answer.code == 2
    assert "ZeroDivisionError" in answer.err
    assert "Traceback" not in answer.err
    assert call("run", "nowhere.py").code == 2


def test_an_unusable_store_is_code_4(call: Call, numbers: ProjectFolder) -> None:
    numbers.write(".dagrun/format.json", '{"version": 99}')
    answer = call("run")
    assert answer.code == 4
    assert "error: the store" in answer.err


def test_a_defect_is_code_1_with_its_traceback(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "plan", "dagrun.cli.pipeline_commands:missing")
    answer = call("plan")
    assert answer.code == 1
    assert "Traceback" in answer.err
    assert "this is a defect of dagrun" in answer.err


def test_a_file_that_cannot_be_written_is_named(call: Call, numbers: ProjectFolder) -> None:
    answer = call("graph", "-o", "nowhere/graph.mmd")
    assert (answer.code, answer.err) == (2, "error: nowhere/graph.mmd: No such file or directory\n")


def test_no_command_needs_a_pipeline_to_say_that_there_is_no_store(call: Call) -> None:
    for command in (["runs", "list"], ["registry", "list"], ["show", "last"]):
        answer = call(*command)
        assert answer.code == 2
        assert "nothing has run there" in answer.err
