"""`dagrun deps`: a tree of a few symbols, a list of many."""

from __future__ import annotations

from tests_cli import Call
from tests_project import ProjectFolder


def write(project: ProjectFolder) -> None:
    project.write("helpers.py", "\n\ndef grown(x):\n    return x + 1\n")
    project.write(
        "pipeline.py",
        """
        from dagrun import stage

        from helpers import grown

        DEEP = {"a": 1}

        @stage
        def raw():
            return 1

        # The model.
        @stage
        def model(raw):
            return grown(raw) + DEEP["a"]

        @stage
        def loose(raw):
            return eval("raw")
        """,
    )


def test_a_tree_and_a_list(call: Call, project: ProjectFolder) -> None:
    write(project)
    answer = call("deps", "model")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.splitlines() == [
        "model reaches 3 symbols in 2 files",
        "  model()             pipeline.py:13",
        "  ├─ grown()          helpers.py:3",
        "  └─ DEEP = {'a': 1}  pipeline.py:6",
    ]
    assert call("deps", "model", "--list").out.splitlines() == [
        "model reaches 3 symbols in 2 files",
        "helpers.py",
        "   3  grown()          by model",
        "pipeline.py",
        "   6  DEEP = {'a': 1}  by model",
        "  13  model()",
    ]


def test_many_symbols_are_a_list_and_stay_narrow(call: Call, project: ProjectFolder) -> None:
    constants = "\n".join(f"CONSTANT_{n} = {{'values': list(range({n + 30}))}}" for n in range(200))
    uses = ", ".join(f"CONSTANT_{n}" for n in range(200))
    text = f"from dagrun import stage\n{constants}\n@stage\ndef wide():\n    return [{uses}]\n"
    project.write("pipeline.py", text)
    lines = call("deps", "wide").out.splitlines()
    assert lines[:2] == ["wide reaches 201 symbols in 1 file", "pipeline.py"]
    assert len(lines) == 203
    assert max(map(len, lines)) <= 100
    assert lines[2].split()[:3] == ["2", "CONSTANT_0", "="]
    assert len(call("deps", "wide", "--tree").out.splitlines()) == 202


def test_json_holds_everything(call: Call, project: ProjectFolder) -> None:
    write(project)
    document = call("deps", "model", "--json").document
    assert set(document) == {"stage", "symbols", "distributions", "warnings"}
    grown = next(each for each in document["symbols"] if each["name"] == "helpers:grown")
    assert (grown["kind"], grown["file"], grown["line"]) == ("function", "helpers.py", 3)
    assert grown["path"] == ["pipeline:model", "helpers:grown"]
    assert grown["text"].startswith("def grown(x):")


def test_what_cannot_be_seen_is_told(call: Call, project: ProjectFolder) -> None:
    write(project)
    lines = call("deps", "loose").out.splitlines()
    place = lines.index("not visible in the code")
    assert "pipeline.py:19 uses" in lines[place + 1]
    assert any("all of pipeline" in line for line in lines)


def test_an_unknown_stage_is_named_with_the_nearest(call: Call, project: ProjectFolder) -> None:
    write(project)
    answer = call("deps", "modle")
    assert answer.code == 2
    assert "Did you mean 'model'?" in answer.err
