"""The conductor: what it decides is an order with its reason, and never overrides a person's."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagrun.engine.store.store import Store
from dagrun.server.traffic.conductor import FIRST_ANSWERS, Conductor, grants, step_label
from dagrun.server.traffic.orders import Canary, OrderBook, Policy
from dagrun.server.traffic.tally import Counting, Tally
from dagrun.stages.catalog import DEFAULT_ALIAS, Catalog, version_ref

EVEN = dict.fromkeys(range(10), 100)
GOOD = Tally(answers=1_000, durations={60: 1_000}, margins=EVEN)
FAILING = Tally(answers=20, errors=20)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """flights@1 and @2; the first is the champion."""
    made = Catalog(Store.open(tmp_path))
    for number in (1, 2, 3):
        value = {"bundle": f"{number}" * 64, "blob": "b" * 64, "run": ""}
        made.store.refs.update(version_ref("flights", number), value, reason="made")
    made.set_alias("flights", DEFAULT_ALIAS, 1, reason="first")
    return made


class Stage:
    """A conductor with its clock, what it said, and a canary that was ordered."""

    def __init__(self, catalog: Catalog, **policy: float) -> None:
        self.catalog, self.book = catalog, OrderBook(catalog.store)
        self.clock, self.said = Clock(), list[str]()
        self.conductor = Conductor(catalog, self.said.append, self.clock)
        order = Canary(version=2, champion=1, policy=Policy(**policy))  # type: ignore[arg-type]
        self.book.start("flights", order, reason="try it")

    @property
    def canary(self) -> Canary | None:
        return self.book.read("flights").canary

    def look(self, champion: Tally, canary: Tally) -> str:
        order = self.canary
        told = {"champion": champion.to_json(), "canary": canary.to_json()}
        verdict = self.conductor.look("flights", [{step_label(order): told}] if order else [])
        return verdict.kind if verdict else ""


def test_a_good_canary_goes_step_by_step_to_the_alias(catalog: Catalog) -> None:
    stage = Stage(catalog, min_seconds=10)
    shares = []
    while order := stage.canary:
        shares.append(order.share)
        assert stage.look(GOOD, GOOD) == "good"
        assert stage.canary == order  # not yet long enough
        stage.clock.now += 10
        assert stage.look(GOOD, GOOD) == "good"
    assert shares == [0.05, 0.25, 0.5]
    assert catalog.alias("flights").version == 2
    assert "canary passed 50 %: 1,000 answers" in catalog.history("flights")[-1].reason
    assert "is the champion" in stage.said[-1]
    assert stage.look(GOOD, GOOD) == ""


def test_a_bad_canary_is_ended_with_the_numbers(catalog: Catalog) -> None:
    stage = Stage(catalog)
    assert stage.look(GOOD, FAILING) == "bad"
    assert stage.canary is None
    assert catalog.alias("flights").version == 1
    reason = stage.book.history("flights")[-1][1].reason
    assert reason.startswith("rolled back at 5 %: it failed 20 of 20 answers")
    assert stage.said == [f"flights: canary @2 ended, {reason}"]


def test_answers_of_an_earlier_step_do_not_count(catalog: Catalog) -> None:
    stage = Stage(catalog, min_seconds=0)
    assert stage.look(GOOD, GOOD) == "good"
    before = stage.canary
    assert before
    told = {"champion": GOOD.to_json(), "canary": FAILING.to_json()}
    earlier = {f"{before.salt}.0": told}
    verdict = stage.conductor.look("flights", [earlier])
    assert verdict
    assert verdict.kind == "wait"
    assert stage.canary == before


def test_a_champion_that_is_moved_ends_its_canary(catalog: Catalog) -> None:
    stage = Stage(catalog)
    catalog.set_alias("flights", DEFAULT_ALIAS, 3, reason="by hand")
    stage.look(GOOD, FAILING)
    assert stage.canary is None
    assert stage.book.history("flights")[-1][1].reason == "the champion was moved meanwhile"
    assert catalog.alias("flights").version == 3


def test_a_canary_that_cannot_be_served_is_ended(catalog: Catalog) -> None:
    stage = Stage(catalog)
    stage.conductor.refused("flights", "its golden rows differ")
    assert stage.canary is None
    assert "it cannot be served: its golden rows differ" in stage.said[0]
    stage.conductor.refused("flights", "again")
    assert len(stage.said) == 1


def test_two_servers_decide_once(catalog: Catalog) -> None:
    stage = Stage(catalog)
    said: list[str] = []
    other = Conductor(catalog, said.append)
    order = stage.canary
    assert order
    told = {step_label(order): {"champion": GOOD.to_json(), "canary": FAILING.to_json()}}
    assert stage.look(GOOD, FAILING) == "bad"
    assert other.look("flights", [told]) is None
    assert said == []


def test_grants_are_divided_and_double() -> None:
    def told(answers: int) -> dict[str, dict[str, dict[str, object]]]:
        counting = Counting([])
        for _ in range(answers):
            counting.failed()
        return {"salt.0": {"canary": counting.tally().to_json()}}

    assert grants([{}, {}], "salt.0") == [FIRST_ANSWERS // 2, FIRST_ANSWERS // 2]
    assert grants([told(300), told(100)], "salt.0") == [500, 300]
    assert grants([told(300), told(100)], "salt.1") == [50, 50]
    assert grants([told(60), told(31)], "salt.0") == [65, 36]
    assert grants([], "salt.0") == []
