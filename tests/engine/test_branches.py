"""Branches: what a condition prunes, and who gets None instead."""

from __future__ import annotations

import pytest
from tests_project import ProjectFolder, actions, statuses

from dagrun import stage
from dagrun.engine.branches import NoCondition
from dagrun.engine.errors import DefinitionError
from dagrun.engine.stage import StageInvalid

FORK = """
    from typing import Optional
    from dagrun import Verdict, stage

    @stage
    def rows(n: int = 10) -> int:
        return n

    @stage
    def is_big(rows: int) -> bool:
        return rows > 100

    @stage(when="is_big")
    def sampled(rows: int) -> dict:
        return {"from": rows, "kept": 100}

    @stage(when="not is_big")
    def whole(rows: int) -> dict:
        return {"from": rows}

    @stage
    def deeper(sampled: dict) -> dict:
        return sampled

    @stage
    def model(sampled: dict | None, whole: "Optional[dict]") -> dict:
        return {"from": (sampled or whole)["from"], "sampled": sampled is not None}

    @stage(effect=True, when="is_big")
    def warn(model: dict) -> None:
        print("big")
"""


@pytest.fixture
def fork(project: ProjectFolder) -> ProjectFolder:
    project.write("pipeline.py", FORK)
    return project


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_one_branch_runs_and_the_other_is_pruned(fork: ProjectFolder, executor: str) -> None:
    result = fork.run(executor=executor)
    assert result.status == "done", [each.error for each in result.stages]
    assert statuses(result) == {
        "rows": "ran", "is_big": "ran", "sampled": "pruned", "whole": "ran", "deeper": "pruned",
        "model": "ran", "warn": "pruned",
    }  # fmt: skip
    reasons = {each.name: each.reason for each in result.stages}
    assert reasons["sampled"] == "is_big is false"
    assert reasons["deeper"] == "sampled was pruned"
    model = next(each for each in result.stages if each.name == "model")
    made = fork.open().store.load(model.outputs["model"])
    assert made == {"from": 10, "sampled": False}
    big = fork.run(params={"rows.n": "1000"})
    found = statuses(big)
    assert (found["sampled"], found["whole"], found["warn"]) == ("ran", "pruned", "ran")
    assert statuses(fork.run())["model"] == "hit"


def test_the_plan_shows_branches_as_soon_as_they_are_known(fork: ProjectFolder) -> None:
    assert actions(fork.plan())["sampled"] == "unknown"
    fork.run(targets=("is_big",))
    plan = fork.plan()
    assert actions(plan) == {
        "rows": "hit", "is_big": "hit", "sampled": "prune", "whole": "run", "deeper": "prune",
        "model": "unknown", "warn": "prune",
    }  # fmt: skip
    assert (
        next(each for each in plan.stages if each.name == "deeper").reason == "sampled was pruned"
    )
    fork.run()
    assert actions(fork.plan())["model"] == "hit"
    assert fork.why("deeper").action == "prune"


def test_a_condition_does_not_change_the_key(fork: ProjectFolder) -> None:
    key = {each.name: each.key for each in fork.run().stages}["whole"]
    fork.edit("pipeline.py", '@stage(when="not is_big")', "@stage")
    again = {each.name: each for each in fork.run().stages}["whole"]
    assert (again.status, again.key) == ("hit", key)


def test_a_verdict_decides_without_halting(fork: ProjectFolder) -> None:
    fork.edit("pipeline.py", "-> bool", "-> Verdict")
    fork.edit("pipeline.py", "return rows > 100", "return Verdict(passed=rows > 100)")
    result = fork.run()
    assert result.status == "done"
    assert statuses(result)["sampled"] == "pruned"


def test_a_condition_that_says_neither_fails_its_stage(fork: ProjectFolder) -> None:
    fork.edit("pipeline.py", "return rows > 100", "return 'yes'")
    result = fork.run(keep_going=True)
    sampled = next(each for each in result.stages if each.name == "sampled")
    assert sampled.status == "failed"
    assert "is a builtins:str, neither true nor false. Return a bool" in sampled.error
    with pytest.raises(NoCondition):
        fork.plan()


def test_a_mapped_stage_over_a_pruned_list_is_pruned(project: ProjectFolder) -> None:
    project.write(
        "pipeline.py",
        """
        from dagrun import stage

        @stage
        def on(value: bool = False) -> bool:
            return value

        @stage(when="on")
        def names() -> list[str]:
            return ["a"]

        @stage(over="names")
        def each(names: str) -> str:
            return names

        @stage
        def last(each: list[str] | None) -> int:
            return len(each or [])
        """,
    )
    assert statuses(project.run()) == {
        "on": "ran", "names": "pruned", "each": "pruned", "last": "ran",
    }  # fmt: skip
    assert set(statuses(project.run(params={"on.value": "true"})).values()) == {"ran"}


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        (('when="is_big"', 'when="is_bigg"'), "no stage makes. Did you mean 'is_big'"),
        (("@stage\n    def is_big(rows: int)", "@stage(over={'k': (1, 2)})\n    def is_big(k)"),
         "is a list. Add a stage"),
    ],
)  # fmt: skip
def test_what_cannot_decide_is_a_definition_error(
    fork: ProjectFolder, edits: tuple[str, str], message: str
) -> None:
    text = (fork.root / "pipeline.py").read_text()
    old, new = (part.replace("\n    ", "\n") for part in edits)
    assert old in text
    (fork.root / "pipeline.py").write_text(text.replace(old, new))
    with pytest.raises(DefinitionError, match=message):
        fork.run()


@pytest.mark.parametrize("when", ["not", "a b", "is big", 3, "not "])
def test_conditions_that_cannot_be_read(when: object) -> None:
    def work() -> None: ...

    with pytest.raises(StageInvalid, match="when must be an artifact's name"):
        stage(when=when)(work)
