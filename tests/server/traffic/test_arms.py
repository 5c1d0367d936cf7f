"""Arms: shares, keys that stay, grants, and an arm that stops itself."""

from __future__ import annotations

from collections import Counter

import pytest

from dagrun.server.serving.models import ServedModel
from dagrun.server.traffic.arms import CHAMPION, Arms, Attempt

UNLIMITED = float("inf")


@pytest.fixture
def model(served: ServedModel) -> ServedModel:
    return served


def arms(model: ServedModel, shares: dict[str, float], granted: float = UNLIMITED) -> Arms:
    others = {name: (model, share) for name, share in shares.items()}
    return Arms(model, others, salt="salt", label="salt.0", granted=granted)


def chosen(made: Arms, count: int = 10_000) -> Counter[str]:
    return Counter(made.choose(f"key {number}").name for number in range(count))


def test_keys_are_divided_by_the_shares(model: ServedModel) -> None:
    found = chosen(arms(model, {"b": 0.2, "c": 0.3}))
    assert abs(found["b"] - 2_000) < 200
    assert abs(found["c"] - 3_000) < 200
    assert abs(found[CHAMPION] - 5_000) < 200


def test_requests_without_a_key_are_divided_too(model: ServedModel) -> None:
    made = arms(model, {"canary": 0.25})
    found = Counter(made.choose("").name for _ in range(10_000))
    assert abs(found["canary"] - 2_500) < 250


def test_a_key_keeps_its_arm_while_the_share_grows(model: ServedModel) -> None:
    had: set[str] = set()
    for share in (0.05, 0.25, 0.5, 1.0):
        made = arms(model, {"canary": share})
        has = {f"key {n}" for n in range(2_000) if made.choose(f"key {n}").name == "canary"}
        assert had <= has
        had = has
    assert len(had) == 2_000


def test_experiments_divide_keys_independently(model: ServedModel) -> None:
    one = arms(model, {"b": 0.5})
    other = Arms(model, {"b": (model, 0.5)}, salt="another")
    both = sum(
        one.choose(f"key {n}").name == other.choose(f"key {n}").name == "b" for n in range(4_000)
    )
    assert abs(both - 1_000) < 150


def test_an_arm_answers_what_it_was_granted_and_no_more(model: ServedModel) -> None:
    made = arms(model, {"canary": 1.0}, granted=100)
    assert chosen(made, 500) == {"canary": 100, CHAMPION: 400}
    made.grant({"canary": 250})
    assert chosen(made, 500)["canary"] == 150
    made.grant({"other": UNLIMITED})
    assert chosen(made, 500)["canary"] == 0


def test_an_arm_that_fails_most_of_its_answers_stops_itself(model: ServedModel) -> None:
    made = arms(model, {"canary": 1.0})
    for _ in range(5):
        made.choose("key").failed(ValueError("planted"))
    assert made.choose("key").name == CHAMPION
    made.grant({"canary": UNLIMITED})
    assert made.choose("key").name == CHAMPION


def test_an_arm_that_fails_now_and_then_goes_on(model: ServedModel) -> None:
    made = arms(model, {"canary": 1.0})
    for _ in range(10):
        arm = made.choose("key")
        arm.counting.answered(1_000, [0.0])
        arm.failed(ValueError("planted"))
    assert made.choose("key").name == "canary"


def test_tallies_are_told_by_arm(model: ServedModel) -> None:
    made = arms(model, {"canary": 1.0})
    made.choose("key").counting.answered(1_000, [0.0, 1.0])
    told = made.tallies()
    assert told["canary"]["answers"] == 1
    assert told[CHAMPION]["answers"] == 0


def test_the_champion_answers_what_an_arm_fails(model: ServedModel) -> None:
    made = arms(model, {"canary": 1.0})

    def attempt(which: ServedModel) -> Attempt:
        if which.arm is not made.champion:
            raise ValueError("planted")
        return Attempt(b"response", [0.5])

    assert made.answer("key", attempt) == b"response"
    told = made.tallies()
    assert (told["canary"]["answers"], told["canary"]["errors"]) == (1, 1)
    assert told[CHAMPION]["answers"] == 0


def test_what_both_refuse_is_the_callers_fault(model: ServedModel) -> None:
    made = arms(model, {"canary": 1.0})

    def attempt(which: ServedModel) -> Attempt:
        raise ValueError(f"refused by {which.arm.name if which.arm else which}")

    with pytest.raises(ValueError, match="refused by champion"):
        made.answer("key", attempt)
    assert made.tallies()["canary"]["answers"] == 0
