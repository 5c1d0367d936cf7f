"""`dagrun why`: the very line, value or input, and what would run before."""

from __future__ import annotations

from tests_cli import Call
from tests_project import ProjectFolder

CHANGED = """\
model would run, because
  code   pipeline  doubled()     reached by model -> doubled()
           def doubled(x):
         -     return 2 * x
         +     return 3 * x
  param  depth  6 -> 8
nothing else differs: input low is identical.
"""

BELOW = """\
verdict waits for what report will give.

report waits for what model will give.

"""


def test_a_code_change_and_a_param_are_told_with_the_way_to_them(
    call: Call, numbers: ProjectFolder
) -> None:
    call("run")
    numbers.edit("pipeline.py", "2 * x", "3 * x")
    numbers.edit("pipeline.py", "depth: int = 6", "depth: int = 8")
    answer = call("why", "model")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == CHANGED
    assert call("why", "verdict").out == BELOW + CHANGED


def test_json_tells_each_stage_once(call: Call, numbers: ProjectFolder) -> None:
    call("run")
    numbers.edit("pipeline.py", "2 * x", "3 * x")
    stages = call("why", "publish", "--json").document["stages"]
    assert [stage["stage"] for stage in stages] == ["publish", "model", "verdict", "report"]
    assert [stage["action"] for stage in stages] == ["unknown", "run", "unknown", "unknown"]
    assert stages[0]["upstream"] == ["model", "verdict"]
    (cause,) = stages[1]["causes"]
    assert (cause["kind"], cause["name"]) == ("code", "pipeline:doubled")


def test_nothing_differs(call: Call, numbers: ProjectFolder) -> None:
    assert call("why", "raw").out == "raw would run: first run\n"
    call("run")
    assert call("why", "raw").out == "raw would hit: nothing differs.\n"
    assert call("why", "low").out == "split would hit: nothing differs.\n"
    assert call("why", "publish").out == "publish would run: an effect runs every time\n"


def test_an_earlier_entry_is_told_apart_from_the_last_one(
    call: Call, numbers: ProjectFolder
) -> None:
    call("run")
    call("run", "-p", "raw.n=6")
    lines = call("why", "raw").out.splitlines()
    assert lines == [
        "raw would hit what an earlier run made; since its last run there changed",
        "  param  n  6 -> 5",
        "nothing else differs.",
    ]


def test_an_input_is_told_by_rows_and_columns(call: Call, project: ProjectFolder) -> None:
    (project.root / "pyproject.toml").unlink()
    call("init", ".")
    call("run")
    with (project.root / "data/orders.csv").open("a") as file:
        file.write("11,2024-03-04,tea,3.2,1\n")
    call("run", "-t", "orders")
    assert call("why", "by_day").out.splitlines() == [
        "by_day would run, because",
        "  input  orders  rows 10 -> 11, all 5 columns changed",
        "nothing else differs.",
    ]


def test_a_halted_stage_would_not_run(call: Call, numbers: ProjectFolder) -> None:
    numbers.edit("pipeline.py", "least: float = 0.6", "least: float = 0.9")
    assert call("run").code == 3
    assert call("why", "publish").out == "publish would not run: gate 'verdict' refused: halted\n"


def test_an_unknown_stage_is_named_with_the_nearest(call: Call, numbers: ProjectFolder) -> None:
    answer = call("why", "modell")
    assert answer.code == 2
    assert "Did you mean 'model'?" in answer.err


def test_a_source_is_told_by_its_files_with_their_sizes(call: Call, project: ProjectFolder) -> None:
    project.write(
        "pipeline.py",
        """
        from dagrun import Files, stage

        @stage
        def text(files: Files = Files("data/*.txt")):
            return [path.read_text() for path in files.paths]
        """,
    )
    for name in ("kept", "edited", "dropped"):
        project.write(f"data/{name}.txt", name)
    call("run")
    project.write("data/edited.txt", "x" * 2000)
    project.write("data/new.txt", "new")
    (project.root / "data/dropped.txt").unlink()
    assert call("why", "text").out.splitlines() == [
        "text would run, because",
        "  source  files  3 files differ",
        "          removed  data/dropped.txt  7 B",
        "          changed  data/edited.txt   6 B -> 2.0 kB",
        "          added    data/new.txt      3 B",
        "nothing else differs.",
    ]
    (stage,) = call("why", "text", "--json").document["stages"]
    (cause,) = stage["causes"]
    assert cause["files"][1] == {
        "name": "data/edited.txt",
        "change": "changed",
        "before": 6,
        "after": 2000,
    }
    assert "files: data/dropped.txt and 2 more changed" in call("plan").out
