"""The decisions of a rollout, whatever order workers prove, fail, die and come in."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dagrun.server.supervisor.rollout import MOST_DEATHS, Rollout

WORKERS = 3


@dataclass
class Worker:
    """A worker that does what it is told, when the machine lets it."""

    asked: list[tuple[int, str]] = field(default_factory=list)
    proved: dict[int, str] = field(default_factory=dict)
    told: list[int] = field(default_factory=list)
    serving: tuple[int, str] | None = None


def one_route(version: int) -> dict[str, dict[str, int]]:
    return {"flights": {"model": version}}


class Rolling(RuleBasedStateMachine):
    """Any history of one rollout."""

    def __init__(self) -> None:
        super().__init__()
        self.rollout = Rollout()
        self.workers: dict[int, Worker] = {}
        self.started = 0
        self.rollout.want(one_route(0))
        for _ in range(WORKERS):
            self.join()

    def obey(self) -> None:
        """Take in every order, and look at whom it reaches."""
        serving = {n for n, worker in self.workers.items() if worker.serving or worker.told}
        for number, order in self.rollout.orders():
            worker = self.workers[number]
            if "routes" in order:
                worker.asked.append((order["generation"], order["routes"]["flights"]["model"]))
            elif "abandon" in order:
                worker.asked = [each for each in worker.asked if each[0] != order["abandon"]]
                worker.proved.pop(order["abandon"], None)
            else:
                switch = order["switch"]
                assert switch in worker.proved, "told to serve what it has not proved"
                worker.told.append(switch)
                # Nobody is left behind who cannot follow: all that serve have proved it.
                for other in serving:
                    known = self.workers[other]
                    newest = max(known.told, default=known.serving[0] if known.serving else 0)
                    assert switch in known.proved or newest >= switch

    def join(self) -> None:
        self.started += 1
        self.workers[self.started] = Worker()
        self.rollout.join(self.started)
        self.obey()

    def pick(self, index: int, having: str) -> int | None:
        able = [number for number, worker in self.workers.items() if getattr(worker, having)]
        return able[index % len(able)] if able else None

    @rule(index=st.integers(0, 9))
    def prove(self, index: int) -> None:
        if number := self.pick(index, "asked"):
            generation, model = self.workers[number].asked.pop(0)
            self.workers[number].proved[generation] = model
            self.rollout.proved(number, generation)
            self.obey()

    @rule(index=st.integers(0, 9))
    def switch(self, index: int) -> None:
        if number := self.pick(index, "told"):
            worker = self.workers[number]
            generation = worker.told.pop(0)
            assert worker.serving is None or generation > worker.serving[0]
            worker.serving = generation, worker.proved[generation]
            self.rollout.serves(number, generation)
            self.obey()

    @rule(version=st.integers(1, 3))
    def move(self, version: int) -> None:
        self.rollout.want(one_route(version))
        self.obey()

    @precondition(lambda self: self.rollout.pending and self.rollout.current)
    @rule()
    def fail(self) -> None:
        self.rollout.abandon()
        self.obey()

    @precondition(lambda self: self.rollout.current)
    @rule(index=st.integers(0, 9))
    def die(self, index: int) -> None:
        number = list(self.workers)[index % len(self.workers)]
        del self.workers[number]
        self.rollout.leave(number)
        if self.rollout.pending and self.rollout.pending.deaths >= MOST_DEATHS:
            self.rollout.abandon()
        self.join()

    @invariant()
    def all_that_serve_are_one_switch_apart(self) -> None:
        served = {worker.serving[0] for worker in self.workers.values() if worker.serving}
        told = {number for worker in self.workers.values() for number in worker.told}
        if self.rollout.current and not told:
            assert served <= {self.rollout.current.number}

    def teardown(self) -> None:
        """Left alone, all come to serve the same."""
        for _ in range(50):
            for index in range(WORKERS):
                self.prove(index)
                self.switch(index)
        assert self.rollout.settled
        assert self.rollout.current
        expected = self.rollout.current.routes["flights"]["model"]
        assert {worker.serving for worker in self.workers.values()} == {
            (self.rollout.current.number, expected)
        }


TestRolling = Rolling.TestCase
TestRolling.settings = settings(
    max_examples=2_000 if os.environ.get("DAGRUN_SOAK") else 60, stateful_step_count=40
)


def test_one_worker_proves_first_once_something_is_served() -> None:
    rollout = Rollout()
    rollout.want(one_route(1))
    for number in (1, 2, 3):
        rollout.join(number)
    assert [number for number, _ in rollout.orders()] == [1, 2, 3]
    for number in (1, 2, 3):
        rollout.proved(number, 1)
    assert list(rollout.orders()) == [(number, {"switch": 1}) for number in (1, 2, 3)]
    for number in (1, 2, 3):
        rollout.serves(number, 1)
    assert rollout.settled
    assert rollout.want(one_route(2))
    assert [number for number, _ in rollout.orders()] == [1]
    rollout.leave(1)
    assert rollout.pending
    assert rollout.pending.deaths == 1
    assert [number for number, _ in rollout.orders()] == [2]
    rollout.proved(2, 2)
    assert [number for number, _ in rollout.orders()] == [3]


def test_wanting_what_is_served_gives_up_what_is_pending() -> None:
    rollout = Rollout()
    rollout.want(one_route(1))
    rollout.join(1)
    list(rollout.orders())
    rollout.proved(1, 1)
    list(rollout.orders())
    assert rollout.want(one_route(2))
    assert not rollout.want(one_route(2))
    list(rollout.orders())
    assert not rollout.want(one_route(1))
    assert rollout.pending is None
