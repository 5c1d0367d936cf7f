"""`dagrun run --accept`: said when it is done, and wherever its result is told."""

from __future__ import annotations

import re

from tests_cli import Call
from tests_project import ProjectFolder


def test_an_accepted_edit_is_told_everywhere(call: Call, numbers: ProjectFolder) -> None:
    call("run")
    numbers.edit("pipeline.py", "return 2 * x", "return x * 2")
    answer = call("run", "--accept", "model", "--reason", "turned around")
    assert answer.code == 0
    told = r"accepted by \S+ on \d{4}-\d\d-\d\d: turned around"
    assert re.search(rf"model: {told} \(code: doubled changed\)", answer.err)
    assert "5 hit" in answer.err
    assert re.search(rf"model    hit  {told}", call("plan").out)
    why = call("why", "model").out
    assert re.search(rf"its code was {told}", why)
    assert "- " + "    return 2 * x" in why
    shown = call("show", "model").out
    assert re.search(
        r"accepted  by \S+ on .*turned around \(code: doubled changed; stands: ", shown
    )
    assert call("show", "model", "--json").document["accepted"]["reason"] == "turned around"
    (stage,) = call("why", "model", "--json").document["stages"]
    assert stage["accepted_changes"][0]["name"] == "pipeline:doubled"


def test_a_reason_is_required_and_only_of_use_with_a_stage(
    call: Call, numbers: ProjectFolder
) -> None:
    for arguments in (
        ("--accept", "model"),
        ("--reason", "x"),
        ("--accept", "model", "--reason", " "),
    ):
        answer = call("run", *arguments)
        assert answer.code == 2
        assert "--accept STAGE and --reason TEXT go together" in answer.err


def test_a_refusal_names_the_causes(call: Call, numbers: ProjectFolder) -> None:
    call("run")
    numbers.edit("pipeline.py", "return 2 * x", "return x * 2")
    answer = call("run", "--accept", "model", "--reason", "why not", "-p", "model.depth=7")
    assert answer.code == 2
    assert "more than code differs (param depth: 6 -> 7)" in answer.err
    assert "dagrun why model" in answer.err
