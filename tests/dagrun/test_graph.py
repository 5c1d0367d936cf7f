"""`dagrun graph`: the drawing can be read back to the very edges it was made from."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given, settings
from tests_cli import Call
from tests_project import ProjectFolder

from dagrun.ui.lanes import draw, to_ascii

DRAWN = """\
●    raw      hit
●    split    hit      gives low, high
├─●  model    run
●─┤  report   unknown
◆ │  verdict  unknown  gate
▶─╯  publish  unknown  effect
"""

MERMAID = """\
flowchart TD
    s_raw["raw"]
    s_split["split"]
    s_model["model"]
    s_report["report"]
    s_verdict{{"verdict"}}
    s_publish(["publish"])
    s_raw --> s_split
    s_split -->|low| s_model
    s_model --> s_report
    s_split -->|high| s_report
    s_report --> s_verdict
    s_model --> s_publish
    s_verdict --> s_publish
"""


@st.composite
def dags(draw_from: st.DrawFn) -> dict[str, list[str]]:
    """A DAG in topological order: for each stage, the stages it takes from."""
    count = draw_from(st.integers(0, 12))
    names = [f"s{number}" for number in range(count)]
    return {
        name: sorted(draw_from(st.sets(st.sampled_from(names[:place]), max_size=4)))
        if place
        else []
        for place, name in enumerate(names)
    }


def read(order: list[str], rows: list[str]) -> dict[str, list[str]]:
    """Follow the lines of a drawing as the eye does; return for each stage what leads to it."""
    lanes: dict[int, str] = {}
    found = {}
    for name, row in zip(order, rows, strict=True):
        own = row.index("●")
        touched = [place for place, cell in enumerate(row) if cell in "├┤┼╰╯┴"]
        if own in lanes:
            touched.append(own)
        found[name] = sorted(lanes[place] for place in touched)
        for place in list(lanes):
            if row[place] in "╰╯┴─ ":
                del lanes[place]
        lanes[own] = name
        first, last = min([*touched, own]), max([*touched, own])
        assert "  " not in row[first : last + 1]
    return found


@settings(max_examples=200, deadline=None)
@given(dags())
def test_a_drawing_reads_back_to_its_edges(upstream: dict[str, list[str]]) -> None:
    order = list(upstream)
    rows = draw(order, upstream)
    assert len({len(row) for row in rows}) <= 1
    assert read(order, rows) == upstream


def test_the_terminal_shows_lanes_and_what_would_run(call: Call, numbers: ProjectFolder) -> None:
    call("run")
    numbers.edit("pipeline.py", "2 * x", "3 * x")
    answer = call("graph")
    assert (answer.code, answer.out, answer.err) == (0, DRAWN, "")


def test_a_missing_source_does_not_keep_a_graph_from_being_drawn(
    call: Call, project: ProjectFolder
) -> None:
    project.write(
        "pipeline.py",
        """
        from dagrun import Files, stage

        @stage
        def raw(files: Files = Files("gone.csv")):
            return files.read_text()
        """,
    )
    answer = call("graph")
    assert (answer.code, answer.out) == (0, "●  raw\n")
    assert "drawn without a plan" in answer.err


def test_mermaid_and_text_files(call: Call, numbers: ProjectFolder) -> None:
    assert call("graph", "-o", "graph.mmd").code == 0
    assert (numbers.root / "graph.mmd").read_text("utf-8") == MERMAID
    assert call("graph", "-o", "graph.txt").code == 0
    assert (
        (numbers.root / "graph.txt")
        .read_text("utf-8")
        .startswith("●    raw      run\n●    split    unknown")
    )
    answer = call("graph", "-o", "graph.png")
    assert answer.code == 2
    assert ".mmd" in answer.err


def test_a_graph_too_wide_is_a_list(call: Call, project: ProjectFolder) -> None:
    stages = "\n".join(f"@stage\ndef s{n}():\n    return {n}\n" for n in range(20))
    names = ", ".join(f"s{n}" for n in range(20))
    project.write(
        "pipeline.py",
        f"from dagrun import stage\n{stages}\n@stage\ndef last({names}):\n    return 1\n",
    )
    lines = call("graph").out.splitlines()
    assert lines[0] == "●  s0    run"
    assert lines[-1].startswith("●  last  unknown  <- s0, s1, ")


def test_lines_have_an_ascii_form() -> None:
    drawn = draw(["a", "b", "c"], {"a": [], "b": ["a"], "c": ["a", "b"]})
    assert [to_ascii(row).rstrip() for row in drawn] == ["*", "|-*", "*-`"]


def test_a_neighbourhood_says_what_it_leaves_out(call: Call, numbers: ProjectFolder) -> None:
    call("run")
    assert call("graph", "-t", "report", "--steps", "1").out.splitlines() == [
        "●    split    hit  gives low, high  +1 above",
        "├─●  model    hit  +1 below",
        "●─╯  report   hit",
        "◆    verdict  hit  gate  +1 below",
    ]
    assert (
        call("graph", "-t", "low", "--steps", "0").out
        == "●  split  hit  gives low, high  +1 above, +2 below\n"
    )
    assert "Did you mean 'model'" in call("graph", "-t", "modl").err


def write_wide(project: ProjectFolder, names: list[str]) -> None:
    stages = [f"@stage\ndef {name}():\n    return 1\n" for name in names]
    stages += [f"@stage\ndef of_{name}({name}):\n    return 1\n" for name in names]
    below = ", ".join(f"of_{name}" for name in names)
    stages.append(f"@stage\ndef last({below}):\n    return 1\n")
    project.write("pipeline.py", "from dagrun import stage\n" + "\n".join(stages))


def test_five_hundred_alike_stages_are_a_few_lines(call: Call, project: ProjectFolder) -> None:
    write_wide(project, [f"s{n}" for n in range(250)])
    lines = call("graph").out.splitlines()
    assert lines[:4] == [
        "●  s*     250 stages  250 run",
        "●  of_s*  250 stages           250 unknown",
        "●  last                        1 unknown",
        "501 stages: 250 would run, 251 not known yet",
    ]
    call("graph", "-o", "graph.txt")
    assert len((project.root / "graph.txt").read_text("utf-8").splitlines()) == 501


def test_five_hundred_different_stages_are_told_by_layer(
    call: Call, project: ProjectFolder
) -> None:
    letters = "abcdefghijklmnop"
    write_wide(project, [f"x{a}{b}" for a in letters for b in letters])
    lines = call("graph").out.splitlines()
    assert lines[:5] == [
        "layer 1  256 stages",
        "      256 run  xaa, xab, xac, xad, xae, and 251 more",
        "layer 2  256 stages",
        "  256 unknown  of_xaa, of_xab, of_xac, of_xad, of_xae, and 251 more",
        "layer 3  1 stage",
    ]
    assert len(lines) == 8
