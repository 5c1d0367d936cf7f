"""The champion as what a new model has to beat."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests_judged import only, trained
from tests_regression import delays

from dagrun.engine.store.store import Store
from dagrun.stages.bundle import Registry
from dagrun.stages.evaluate import Champion


def test_a_champion_must_not_be_lost_to() -> None:
    weak, strong = trained(2), trained()
    gate = "[champion.brier]\nworse_by_at_most = 0.0"
    better = only(gate, bundle=strong, champion=weak)
    worse = only(gate, bundle=weak, champion=strong)
    assert better.passed
    assert not worse.passed
    assert better.found == pytest.approx(-(worse.found or 0.0))
    assert f"that of champion {weak.digest[:12]} is" in better.reason
    # The same rows are drawn for both, so that a model is never worse than itself.
    sure = only(gate + "\nconfident = true", bundle=strong, champion=replace(strong, name="same"))
    assert (sure.passed, sure.found, sure.low, sure.high) == (True, 0.0, 0.0, 0.0)
    first = only(gate, bundle=weak)
    assert (first.passed, first.reason) == (True, "there is no champion to compare with")


def test_the_champion_is_the_newest_one_that_is_not_the_model_itself(tmp_path: Path) -> None:
    champion = Champion("late").bind(tmp_path, None)  # type: ignore[arg-type]
    assert champion.identity() == {"$first_not_input": []}
    assert champion.before(trained()) is None
    registry = Registry(Store.open(tmp_path))
    registry.register("late", trained(2), alias="champion")
    registry.register("late", trained(), alias="champion")
    assert champion.identity() == {"$first_not_input": [trained().digest, trained(2).digest]}
    for bundle, rival in ((trained(), "late@1"), (trained(2), "late@2"), (trained(3), "late@2")):
        found = champion.before(bundle)
        assert found
        assert str(found[0]) == rival
    outcome = only("[champion.auc]\nworse_by_at_most = 0.5", champion=champion)
    assert "that of champion late@1 is" in outcome.reason


def test_a_champion_that_cannot_score_these_rows_refuses() -> None:
    outcome = only("[champion.auc]\nworse_by_at_most = 1.0", champion=delays())
    assert not outcome.passed
    assert "it is a regression" in outcome.reason


def test_one_that_was_rolled_back_from_is_not_meant_any_more(tmp_path: Path) -> None:
    champion = Champion("late").bind(tmp_path, None)  # type: ignore[arg-type]
    registry = Registry(Store.open(tmp_path))
    registry.register("late", trained(2), alias="champion")
    registry.register("late", trained(), alias="champion")
    registry.rollback("late", reason="it was worse")
    assert champion.identity() == {"$first_not_input": [trained(2).digest]}
    assert champion.before(trained(2)) is None
