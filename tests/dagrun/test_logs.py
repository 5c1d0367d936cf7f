"""`dagrun logs`: what a stage said, again."""

from __future__ import annotations

import re

import pytest
from tests_cli import Call, in_terminal
from tests_project import ProjectFolder


def test_a_stage_is_replayed_and_a_failure_names_the_command(
    call: Call, numbers: ProjectFolder
) -> None:
    numbers.edit("pipeline.py", "return 2 * x", 'print("x is", x); return 2 * x / 0')
    failed = call("run", "--executor", "processes")
    assert "x is 6" in failed.out
    (line,) = [line for line in failed.err.splitlines() if line.startswith("log:")]
    answer = call(*line.split()[2:])
    assert answer.code == 0
    assert answer.out.startswith("x is 6\nTraceback")
    assert "division by zero" in answer.out
    document = call("logs", "model", "--json").document
    assert (document["status"], document["stage"]) == ("failed", "model")
    assert [(line["origin"], line["text"]) for line in document["lines"]] == [("stdout", "x is 6")]
    assert call("logs").out == "raw\nmodel\n"


def test_a_hit_is_replayed_from_the_run_that_made_it(call: Call, numbers: ProjectFolder) -> None:
    call("run")
    call("run")
    answer = call("logs", "raw")
    assert answer.out == "raw is printing\n"
    assert "raw hit in run" in answer.err
    assert "said nothing" in call("logs", "last", "split").err
    assert "no stage said anything" in call("logs").err
    answer = call("logs", "modle")
    assert answer.code == 2
    assert "Did you mean 'model'?" in answer.err
    assert call("logs", "1", "2", "3").code == 2


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_live_lines_and_what_is_printed_do_not_spoil_each_other(
    project: ProjectFolder, call: Call, executor: str
) -> None:
    project.write(
        "pipeline.py",
        """
        import sys, time
        from dagrun import stage

        @stage
        def slow():
            for number in range(5):
                print("line", number, end="", flush=True)
                time.sleep(0.1)
                print(" is whole")
                print("err", number, file=sys.stderr)
        """,
    )
    seen = in_terminal(project.root, "--executor", executor)
    assert "slow  running" in seen
    # A line begins where the live lines were wiped, and ends by itself.
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen).replace("\r", "\n").split("\n")
    whole = [f"line {number} is whole" for number in range(5)]
    assert [line for line in lines if line.startswith("line")] == whole
    assert [line for line in lines if line.startswith("err")] == [f"err {n}" for n in range(5)]
    assert [line for line in call("logs", "slow").out.splitlines() if "line" in line] == whole
