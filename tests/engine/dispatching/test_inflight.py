"""Attempts in flight give their slots back when they are computed, and end once."""

from __future__ import annotations

import threading
from concurrent.futures import Future

from tests_project import ProjectFolder, statuses

from dagrun.engine.dispatching.attempts import Attempt
from dagrun.engine.dispatching.inflight import InFlight
from dagrun.engine.executors.named import PUBLISHING
from dagrun.engine.plan import Decision


def attempt(name: str, key: str | None = None) -> Attempt:
    return Attempt(name=name, decision=Decision(action="run", key=key), reason="")


def test_a_computed_attempt_is_told_once_and_ends_later() -> None:
    flights, future = InFlight(1), Future[int]()
    flights.add(attempt("one", "k1"), future)
    assert flights.collect() == ([], [])
    flights.computed("k1")
    computed, over = flights.collect()
    assert ([each.name for each in computed], over) == (["one"], [])
    future.set_result(3)
    flights.wait(None)
    computed, over = flights.collect()
    assert computed == []
    assert [(each.name, done.result()) for each, done in over] == [("one", 3)]
    assert len(flights) == 0


def test_what_never_says_that_it_is_computed_is_so_when_it_is_over() -> None:
    flights, future = InFlight(1), Future[int]()
    flights.add(attempt("effect"), future)
    future.set_exception(ValueError())
    computed, over = flights.collect()
    assert [each.name for each in computed] == ["effect"]
    assert [each.name for each, _ in over] == ["effect"]


def test_only_so_many_wait_for_the_disk() -> None:
    flights = InFlight(2)
    for number in range(PUBLISHING + 2):
        assert not flights.is_full
        flights.add(attempt(f"s{number}", f"k{number}"), Future[int]())
        flights.computed(f"k{number}")
    assert flights.is_full
    assert len(flights.names) == PUBLISHING + 2


def test_no_more_stages_compute_at_a_time_than_there_are_jobs(project: ProjectFolder) -> None:
    names = [f"s{number}" for number in range(40)]
    stages = "\n".join(f"@stage\ndef {name}():\n    return work({name!r})\n" for name in names)
    project.root.joinpath("pipeline.py").write_text(
        "import counting\nfrom dagrun import stage\n\n"
        "def work(name):\n    return counting.counted(name)\n\n" + stages
    )
    project.write(
        "counting.py",
        """
        import threading
        import time

        class Counter:
            most = now = 0

        LOCK = threading.Lock()

        def counted(name):
            with LOCK:
                Counter.now += 1
                Counter.most = max(Counter.most, Counter.now)
                most = Counter.most
            time.sleep(0.002)
            with LOCK:
                Counter.now -= 1
            return [name, most]
        """,
    )
    before = threading.active_count()
    result = project.run(jobs=3)
    assert threading.active_count() < before + 40
    assert set(statuses(result).values()) == {"ran"}
    plan = project.plan()
    found = [
        entry.outputs[name].inline[1] for name in names if (entry := plan.decisions[name].entry)
    ]
    assert len(found) == 40
    assert max(found) <= 3
