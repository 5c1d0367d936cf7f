"""`dagrun run` and `dagrun plan`: what people see, what machines get, and the exit codes."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest
from tests_cli import DAGRUN, Call, in_terminal, steady
from tests_project import ProjectFolder

FIRST = """\
raw      ran          0.00 s                    first run
split    ran          0.00 s         2 outputs  first run
model    ran          0.00 s                    first run
report   ran          0.00 s                    first run
verdict  ran          0.00 s                    first run
effects
publish  ran          0.00 s                    an effect runs every time
done in 0.0 s: 5 ran, 1 of 1 effect ran   run 7f3a
"""

EDITED = """\
raw      hit
split    hit                         2 outputs
model    ran          0.00 s                    code: doubled changed (the data came out equal)
report   hit                                    cutoff: model gave equal data
verdict  hit
effects
publish  ran          0.00 s                    an effect runs every time
done in 0.0 s: 1 ran, 4 hit, 1 of 1 effect ran   run 7f3a
"""

REFUSED = """\
raw      hit
split    hit                         2 outputs
model    hit
report   hit
verdict  ran          0.00 s                    param least: 0.6 -> 0.9
effects
publish  halted                                 gate 'verdict' refused

refused: gate 'verdict'
  - auc 0.7, at least 0.9
halted: publish

halted in 0.0 s: 1 ran, 4 hit, 0 of 1 effect ran   run 7f3a
"""

FAILED = """\
raw      hit
split    hit                         2 outputs
model    failed       0.00 s                    ZeroDivisionError: division by zero
report   skipped                                'model' failed
verdict  skipped                                'report' skipped
effects
publish  skipped                                'model' failed

  Traceback (most recent call last):
    File "FOLDER/pipeline.py", line 18, in model
      return {"depth": doubled(depth), "rows": len(low)}
                       ^^^^^^^^^^^^^^
    File "FOLDER/pipeline.py", line 5, in doubled
      return 2 * x / 0
             ~~~~~~^~~
  ZeroDivisionError: division by zero
failed: stage 'model'
inputs: low (7 B)
again:  dagrun run -p model.depth=7 -t model
log:    dagrun logs 7f3a model

failed in 0.0 s: 2 hit, 1 failed, 2 skipped, 0 of 1 effect ran   run 7f3a
"""

PLAN = """\
raw      hit
split    hit
model    run      0.00 s   21 B  param depth: 6 -> 7
report   unknown  0.00 s   41 B  depends on what model will give
verdict  unknown  0.00 s  122 B  depends on what report will give
effects
publish  unknown                 depends on what model, verdict will give
1 would run, 2 not known yet, 2 would hit
up to 2 stages may be saved by a cutoff
"""


def test_what_a_first_run_tells(call: Call, numbers: ProjectFolder) -> None:
    answer = call("run")
    assert answer.code == 0
    assert answer.out == "raw is printing\n"
    assert steady(answer.err) == FIRST


def test_a_second_run_tells_hits_and_where_it_was_cut_off(
    call: Call, numbers: ProjectFolder
) -> None:
    call("run")
    numbers.edit("pipeline.py", "2 * x", "x * 2")
    answer = call("run")
    assert (answer.code, answer.out) == (0, "")
    assert steady(answer.err) == EDITED


def test_a_refusing_gate_tells_its_reasons_and_is_code_3(
    call: Call, numbers: ProjectFolder
) -> None:
    call("run")
    answer = call("run", "-p", "verdict.least=0.9")
    assert answer.code == 3
    assert steady(answer.err) == REFUSED
    again = call("run", "-p", "verdict.least=0.9", "--json")
    assert again.code == 3
    assert again.document["status"] == "halted"


def test_a_failure_shows_the_users_lines_and_is_code_1(call: Call, numbers: ProjectFolder) -> None:
    call("run")
    numbers.edit("pipeline.py", "2 * x", "2 * x / 0")
    answer = call("run", "-p", "model.depth=7")
    assert answer.code == 1
    assert steady(answer.err).replace(str(numbers.root), "FOLDER") == FAILED
    assert "engine" not in answer.err


def test_keep_going_finishes_what_does_not_need_the_failed_stage(
    call: Call, numbers: ProjectFolder
) -> None:
    numbers.edit("pipeline.py", "2 * x", "2 * x / 0")
    numbers.write(
        "more.py",
        """
        from pipeline import raw, split, model
        from dagrun import stage

        @stage
        def other(high):
            return len(high)
        """,
    )
    document = call("run", "more.py", "--keep-going", "-j", "1", "--json").document
    assert document["status"] == "failed"
    statuses = {stage["name"]: stage["status"] for stage in document["stages"]}
    assert statuses == {"raw": "ran", "split": "ran", "model": "failed", "other": "ran"}


def test_targets_force_and_executors(call: Call, numbers: ProjectFolder) -> None:
    answer = call("run", "-t", "high", "--executor", "inline")
    assert [line.split()[:2] for line in answer.err.splitlines()[:-1]] == [
        ["raw", "ran"],
        ["split", "ran"],
    ]
    answer = call("run", "-t", "high", "--force", "raw", "--executor", "processes")
    assert answer.code == 0
    assert "forced (the data came out equal)" in answer.err
    assert "cutoff: raw gave equal data" in answer.err


def test_json_is_the_only_thing_on_standard_output(call: Call, numbers: ProjectFolder) -> None:
    numbers.edit("pipeline.py", "print(", "__import__('os').write(1, b'native'), print(")
    answer = call("run", "--json")
    assert "native" in answer.err
    assert "raw is printing" in answer.err
    document = answer.document
    assert set(document) == {
        "run_id", "pipeline", "status", "stages", "effects", "commit", "dirty", "seconds",
        "checks", "unusual",
    }  # fmt: skip
    split = document["stages"][1]
    assert set(split) == {
        "name", "element", "status", "key", "seconds", "rows", "reason", "saved", "cutoff",
        "attempts", "error", "verdict", "outputs", "elements",
    }  # fmt: skip
    assert set(split["outputs"]) == {"low", "high"}
    assert set(split["outputs"]["low"]) == {"logical", "rows", "size"}
    assert document["stages"][4]["verdict"]["passed"] is True
    assert [effect["name"] for effect in document["effects"]] == ["publish"]


def test_what_a_plan_tells(call: Call, numbers: ProjectFolder) -> None:
    assert call("plan").out.splitlines()[0] == "raw      run      first run"
    call("run")
    answer = call("plan", "-p", "model.depth=7")
    assert (answer.code, answer.err) == (0, "")
    assert steady(answer.out) == PLAN
    stages = call("plan", "--json").document["stages"]
    about = {"name", "action", "key", "reason", "effect", "seconds", "size", "elements"}
    assert set(stages[0]) == about
    assert [stage["action"] for stage in stages] == ["hit"] * 5 + ["run"]
    assert "done in" in call("run").err


def test_warnings_about_code_are_told_once(call: Call, numbers: ProjectFolder) -> None:
    numbers.edit("pipeline.py", "return 2 * x", "return eval('2 * x')")
    for command in ("run", "plan"):
        warnings = [line for line in call(command).err.splitlines() if "warning:" in line]
        assert len(warnings) == len(set(warnings)) > 0


SLOW = """
import time
from dagrun import stage

@stage
def slow(n: int = 30):
    print("started", flush=True)
    for _ in range(n):
        time.sleep(0.1)
    return n

@stage
def after(slow):
    return slow
"""


def start(project: ProjectFolder, *arguments: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [DAGRUN, "run", *arguments],
        cwd=project.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "started\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_waits_for_what_runs_and_is_code_130(
    project: ProjectFolder, number: signal.Signals
) -> None:
    project.write("pipeline.py", SLOW)
    process = start(project, "-p", "slow.n=5")
    process.send_signal(number)
    _, err = process.communicate()
    assert process.returncode == 130
    assert "stopping: waiting for slow" in err
    assert "after  skipped" in err
    assert "interrupted in" in err


def test_a_second_interrupt_leaves_at_once(project: ProjectFolder) -> None:
    project.write("pipeline.py", SLOW)
    process = start(project, "-p", "slow.n=3000")
    assert process.stderr
    process.send_signal(signal.SIGTERM)
    assert "stopping" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert "everything committed so far is kept" in err


def test_a_terminal_shows_what_is_running(project: ProjectFolder) -> None:
    project.write("pipeline.py", SLOW.replace("30", "4"))
    first = in_terminal(project.root)
    assert "slow   running" in first
    assert "\x1b[36mran\x1b[0m" in first
    assert "done\x1b[0m in" in first
    second = in_terminal(project.root, NO_COLOR="1")
    assert "slow   hit\r\n" in second
    assert "\x1b" not in second
    project.edit("pipeline.py", "n: int = 4", "n: int = 3")
    assert "usually 0." in in_terminal(project.root, NO_COLOR="1")


def test_the_log_of_a_run_is_whole_after_an_interrupt(project: ProjectFolder, call: Call) -> None:
    project.write("pipeline.py", SLOW)
    process = start(project, "-p", "slow.n=5")
    process.terminate()
    process.communicate()
    (run,) = json.loads(call("runs", "list", "--json").out)["runs"]
    assert run["status"] == "interrupted"
    assert run["stages"] == {"ran": 1, "skipped": 1}
