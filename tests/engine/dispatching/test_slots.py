"""Slots and resources: nothing is exceeded, nobody starves, what cannot fit is refused."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests_project import ProjectFolder, statuses

from dagrun import stage
from dagrun.engine.dispatching.amounts import SettingInvalid, read_amount, read_amounts, show_amount
from dagrun.engine.dispatching.attempts import Attempt
from dagrun.engine.dispatching.slots import Slots
from dagrun.engine.errors import DefinitionError
from dagrun.engine.plan import Decision
from dagrun.engine.stage import StageInvalid

CAPACITY = {"jobs": 4, "memory": 10, "gpu": 2}
DEMANDS = st.fixed_dictionaries(
    {"jobs": st.just(1)},
    optional={"memory": st.integers(1, 10), "gpu": st.integers(1, 2)},
)


def attempt(name: str) -> Attempt:
    return Attempt(name=name, decision=Decision(action="run"), reason="")


@given(st.lists(st.tuples(DEMANDS, st.integers(0, 3)), max_size=20), st.randoms())
def test_no_limit_is_exceeded_and_all_get_their_turn(wanted: list, random: object) -> None:
    slots = Slots(CAPACITY)
    demands = {}
    for number, (demand, order) in enumerate(wanted):
        demands[str(number)] = demand
        slots.add(attempt(str(number)), demand, (order,))
    running: list[str] = []
    ended = 0
    while slots or running:
        while taken := slots.take():
            running.append(taken.name)
        for name, most in CAPACITY.items():
            assert sum(demands[each].get(name, 0) for each in running) <= most
        assert running
        slots.give_back(demands[running.pop(random.randrange(len(running)))])
        ended += 1
    assert ended == len(wanted)


def test_the_first_in_order_is_not_overtaken_for_what_it_is_short_of() -> None:
    slots = Slots(CAPACITY)
    for number, (demand, order) in enumerate(
        [
            ({"jobs": 1, "memory": 6}, 0),
            ({"jobs": 1, "memory": 8}, 1),
            ({"jobs": 1, "memory": 2}, 2),
            ({"jobs": 1, "gpu": 1}, 3),
        ]
    ):
        slots.add(attempt(str(number)), demand, (order,))
    assert [taken.name for taken in (slots.take(), slots.take()) if taken] == ["0", "3"]
    assert slots.take() is None
    slots.give_back({"jobs": 1, "memory": 6})
    assert [taken.name for taken in (slots.take(), slots.take()) if taken] == ["1", "2"]
    assert not slots


def test_drained_slots_give_everything_in_order() -> None:
    slots = Slots(CAPACITY)
    for number in (3, 1, 2):
        slots.add(attempt(str(number)), {"jobs": 1, "gpu": number % 2 + 1}, (number,))
    assert [each.name for each in slots.drain()] == ["1", "2", "3"]
    assert not slots


@pytest.mark.parametrize(
    ("amount", "size"),
    [("4GB", 4e9), ("512 MiB", 512 * 1024**2), ("1.5KB", 1500), (7, 7), ("7", 7), ("2B", 2)],
)
def test_amounts_of_memory(amount: object, size: float) -> None:
    assert read_amount("memory", amount) == size


@pytest.mark.parametrize("amounts", [{"memory": "4 gigs"}, {"gpu": "1GB"}, {"gpu": 0}, {"jobs": 1}])
def test_amounts_that_cannot_be_read(amounts: dict) -> None:
    with pytest.raises(SettingInvalid):
        read_amounts(amounts)

    def work() -> None: ...

    with pytest.raises(StageInvalid):
        stage(resources=amounts)(work)


def test_amounts_are_shown_as_they_are_written() -> None:
    assert show_amount("memory", 4e9) == "4GB"
    assert show_amount("memory", 12) == "12B"
    assert show_amount("cpus", 2.0) == "2"


SHARED = """
    import pathlib
    import time
    from dagrun import stage

    @stage(over={"number": tuple(range(6))}, resources={"database": 2})
    def asked(number: int, folder: str = "") -> int:
        here = pathlib.Path(folder) / f"running{number}"
        here.touch()
        most = len(list(here.parent.glob("running*")))
        time.sleep(0.05)
        here.unlink()
        return most
"""


def test_a_run_keeps_to_the_limits(project: ProjectFolder) -> None:
    project.write("pipeline.py", SHARED)
    folder = {"asked.folder": str(project.root)}
    result = project.run(params=folder, jobs=6, limits={"database": 4.0})
    most = project.open().store.load(result.stages[0].outputs["asked"])
    assert max(most) == 2
    project.write("pyproject.toml", "[tool.dagrun]\nlimits = { database = 3 }\n")
    result = project.run(params=folder, jobs=6, force=("asked",))
    assert project.open().store.load(result.stages[0].outputs["asked"]) == [1] * 6


def test_what_could_never_start_is_refused_before_anything_does(project: ProjectFolder) -> None:
    project.write("pipeline.py", SHARED)
    with pytest.raises(DefinitionError, match="'database', and nothing says how many there are"):
        project.run()
    with pytest.raises(DefinitionError, match=r"asks for database=2, and there is 1 \(by the run"):
        project.run(limits={"database": 1.0})
    project.edit("pipeline.py", '{"database": 2}', '{"memory": "900TB"}')
    with pytest.raises(DefinitionError, match=r"memory=900TB, .* \(the (machine|cgroup)'s\)"):
        project.run()
    project.edit("pipeline.py", '{"memory": "900TB"}', '{"cpus": 1000}')
    assert project.run(params={"asked.folder": str(project.root)}).status == "done"
    project.write("pyproject.toml", "[tool.dagrun]\nlimits = { memory = 'much' }\n")
    with pytest.raises(DefinitionError, match=r"\[tool.dagrun\] limits in .*: memory must be"):
        project.run()


CONTAINED = """
    import ctypes
    import os
    import signal
    import subprocess
    import sys
    import time
    from dagrun import stage

    @stage(resources={"memory": "200MB"}, timeout="60s")
    def hungry(size: int = 500) -> int:
        kept = bytearray(os.urandom(1_000_000)) * size
        time.sleep(30)
        return len(kept)

    @stage(resources={"memory": "200MB"})
    def hungry_below() -> int:
        code = "import time; kept = bytearray(b'x') * 500_000_000; time.sleep(30)"
        return subprocess.run([sys.executable, "-c", code], check=True).returncode

    @stage(timeout="60s")
    def crashing() -> int:
        ctypes.string_at(0)
        return 1

    @stage(timeout="60s")
    def leaving() -> int:
        os._exit(7)

    @stage(resources={"memory": "400MB"})
    def modest() -> int:
        return len(bytearray(b"x") * 100_000_000)
"""


def test_what_takes_too_much_or_crashes_fails_alone(project: ProjectFolder) -> None:
    project.write("pipeline.py", CONTAINED)
    result = project.run(keep_going=True)
    assert statuses(result) == {
        "hungry": "failed", "hungry_below": "failed", "crashing": "failed", "leaving": "failed",
        "modest": "ran",
    }  # fmt: skip
    errors = {each.name: each.error or "" for each in result.stages}
    for name in ("hungry", "hungry_below"):
        assert "MB of memory, more than its limit of 200MB, and was stopped" in errors[name]
    assert errors["crashing"].endswith("the worker process was killed by SIGSEGV")
    assert errors["leaving"].endswith("the worker process exited with status 7")


def test_what_a_stage_has_started_is_stopped_with_it(project: ProjectFolder) -> None:
    project.write(
        "pipeline.py",
        """
        import pathlib
        import subprocess
        from dagrun import stage

        @stage(resources={"memory": "200MB"})
        def hungry(folder: str = "") -> int:
            child = subprocess.Popen(["sleep", "600"])
            (pathlib.Path(folder) / "child").write_text(str(child.pid))
            kept = bytearray(b"x") * 500_000_000
            return child.wait() + len(kept)
        """,
    )
    result = project.run(params={"hungry.folder": str(project.root)})
    assert "more than its limit of 200MB" in (result.stages[0].error or "")
    status = Path("/proc", (project.root / "child").read_text(), "status")
    # A killed process that nobody has waited for yet is a zombie, which is gone enough.
    with contextlib.suppress(OSError):
        while "State:\tZ" not in status.read_text():
            time.sleep(0.01)
