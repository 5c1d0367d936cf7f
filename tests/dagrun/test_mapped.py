"""Mapped stages, branches and limits on the command line."""

from __future__ import annotations

import pytest
from tests_cli import Call, steady
from tests_project import ProjectFolder

PIPELINE = """
    from dagrun import stage

    @stage
    def names(more: str = "") -> list[str]:
        return ["b", "c", *more.split()]

    @stage
    def many(names: list[str]) -> bool:
        return len(names) > 2

    @stage(over="names", resources={"licence": 1})
    def sized(names: str, wrong: str = "") -> int:
        if names == wrong:
            raise ValueError("bad name")
        return len(names)

    @stage(when="many")
    def warned(sized: list[int]) -> int:
        return len(sized)

    @stage
    def total(sized: list[int], warned: int | None) -> int:
        return sum(sized)
"""

FIRST = """\
names   ran          0.00 s                    first run
many    ran          0.00 s                    first run
sized   ran          0.00 s                    2 elements; first run
warned  pruned                                 many is false
total   ran          0.00 s                    first run
done in 0.0 s: 4 ran, 1 pruned   run 7f3a
"""

FAILED = """\
    File "FOLDER/pipeline.py", line 15, in sized
      raise ValueError("bad name")
  ValueError: bad name
failed: stage 'sized' for 1 of 3 elements: b
inputs: names (14 B)
again:  dagrun run -p names.more=aa -p sized.wrong=b -t sized
log:    dagrun logs 7f3a sized
"""


@pytest.fixture
def mapped(project: ProjectFolder) -> ProjectFolder:
    project.write("pipeline.py", PIPELINE)
    project.write("pyproject.toml", "[tool.dagrun]\nlimits = { licence = 1 }\n")
    return project


def test_a_mapped_stage_is_one_line(call: Call, mapped: ProjectFolder) -> None:
    # Lines come as results reach the disk, which need not be the order in which they were made.
    told = steady(call("run", "-j", "1").err)
    assert sorted(told.splitlines()) == sorted(FIRST.splitlines())
    plan = call("plan", "-p", "names.more=aa").out
    assert "names   run" in plan
    call("run", "-t", "many", "-p", "names.more=aa")
    plan = steady(call("plan", "-p", "names.more=aa").out)
    assert "sized   run      0.00 s  2 B  3 elements: 2 hit, 1 run; input names changed" in plan
    assert "warned  unknown" in plan
    assert "2 would hit" in plan
    planned = call("plan", "--json", "-p", "names.more=aa").document["stages"]
    assert planned[2]["elements"] == {"hit": 2, "run": 1}
    call("run", "-p", "names.more=aa")
    assert call("why", "sized").out.splitlines()[1] == "  2 elements"
    assert "would be pruned: many is false" in call("why", "warned").out
    assert "1 would be pruned" in call("plan").out
    assert "sized   hit    over names" in call("graph").out
    assert "warned  prune  when many" in call("graph").out


def test_elements_are_in_the_documents_and_the_history(call: Call, mapped: ProjectFolder) -> None:
    call("run")
    document = call("run", "-p", "names.more=aa", "--json").document
    sized = next(stage for stage in document["stages"] if stage["name"] == "sized")
    assert [each["status"] for each in sized["elements"]] == ["hit", "hit", "ran"]
    assert [each["element"] for each in sized["elements"]] == [0, 1, 2]
    assert [each["label"] for each in sized["elements"]] == ["b", "c", "aa"]
    assert document["stages"][0]["elements"] is None
    assert "3 elements: 2 hit, 1 ran; input names changed" in call("show", "last").out
    logged = next(
        s for s in call("show", "last", "--json").document["stages"] if s["name"] == "sized"
    )
    assert logged["elements"] == {"hit": 2, "ran": 1}
    assert [each["label"] for each in logged["called"]] == ["aa"]
    shown = call("show", "sized").out
    assert "content  2 elements, 2 B" in shown
    assert "\n  b  1 B, digest " in shown
    assert len(call("show", "sized", "--json").document["outputs"]["sized"]["elements"]) == 2


def test_a_failed_element_is_named(call: Call, mapped: ProjectFolder) -> None:
    answer = call("run", "-p", "names.more=aa", "-p", "sized.wrong=b", "-j", "1")
    assert answer.code == 1
    assert "3 elements: 1 failed, 2 skipped; element 0 (b): ValueError" in answer.err
    assert FAILED in steady(answer.err).replace(str(mapped.root), "FOLDER")


def test_limits_are_read_and_kept(call: Call, mapped: ProjectFolder) -> None:
    mapped.write("pyproject.toml", "")
    answer = call("run")
    assert answer.code == 2
    assert "asks for 'licence', and nothing says how many there are" in answer.err
    assert "--limit licence=N" in answer.err
    assert call("run", "--limit", "licence=2", "--limit", "memory=2GB").code == 0
    answer = call("run", "--limit", "memory=much")
    assert answer.code == 2
    assert "memory must be a size such as '4GB'" in answer.err
