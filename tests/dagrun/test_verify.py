"""`dagrun run --verify`: what people and machines are told, and exit code 5."""

from __future__ import annotations

import re

from tests_cli import Call, in_terminal
from tests_project import ProjectFolder

SHUFFLED = """
    import pathlib
    import polars as pl
    from dagrun import stage

    @stage
    def rows() -> pl.LazyFrame:
        mark = pathlib.Path(__file__).with_name("mark")
        turned = mark.exists()
        mark.touch()
        return pl.LazyFrame({"day": [2, 1] if turned else [1, 2]})

    @stage
    def total(rows: pl.DataFrame) -> int:
        return rows["day"].sum()
"""


def test_a_shuffled_lazy_frame_is_named_with_its_cure(call: Call, project: ProjectFolder) -> None:
    project.write("pipeline.py", SHUFFLED)
    assert "verified nothing: no stage hit" in call("run", "--verify").err
    answer = call("run", "--verify")
    assert answer.code == 5
    assert "differs: stage 'rows' is not deterministic\n" in answer.err
    assert "  - rows, day: the same rows in another order\n" in answer.err
    assert "returned as a LazyFrame without order_by" in answer.err
    assert "verified 2 of 2 hits" in answer.err
    assert "1 gave the stored data, 1 did not" in answer.err
    assert "verified 2 hits, of which rows gave other data" in call("show", "last").out
    project.edit("pipeline.py", "@stage\ndef rows", "@stage(order_by='day')\ndef rows")
    (project.root / "mark").unlink()
    call("run")
    answer = call("run", "--verify", "--json")
    assert answer.code == 0
    assert [check["differences"] for check in answer.document["checks"]] == [[], []]
    assert "all gave the stored data" in answer.err


def test_a_share_that_is_none_is_told_with_what_to_write(call: Call, numbers: object) -> None:
    assert call("run").code == 0
    assert "verified 1 of 5 hits" in call("run", "--verify=0.1").err
    for share in ("0", "2", "some"):
        answer = call("run", f"--verify={share}")
        assert answer.code == 2
        assert f"--verify={share} is no share of the hits" in answer.err
    assert "dagrun run PIPELINE --verify" in call("run", "--verify", "pipeline.py").err


def test_strict_names_the_file_and_what_to_do_and_is_code_1(
    call: Call, numbers: ProjectFolder
) -> None:
    numbers.write("rates.txt", "2")
    numbers.edit("pipeline.py", "return 2 * x", "return int(open('rates.txt').read()) * x")
    call("run", "-t", "low")
    answer = call("run", "--strict")
    assert answer.code == 1
    assert "  - rates.txt (pipeline.py:5)\n" in answer.err
    assert "rates: Files = Files('rates.txt')" in answer.err
    assert "strict: 1 stage watched; 2 hits not executed, so not watched" in answer.err


def test_a_terminal_shows_how_far_a_verification_is(project: ProjectFolder) -> None:
    stages = [f"@stage\ndef s{n}():\n    time.sleep(0.3)\n    return {n}\n" for n in range(3)]
    project.write("pipeline.py", "import time\nfrom dagrun import stage\n\n" + "\n".join(stages))
    in_terminal(project.root)
    seen = in_terminal(project.root, "-j", "1", "--verify", NO_COLOR="1")
    assert re.search(r"verified  \d of 3", seen)
    assert "verified 3 of 3 hits" in seen
