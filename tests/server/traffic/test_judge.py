"""The judge: planted faults are seen within the answers promised, a good canary is let through."""

from __future__ import annotations

import os
import random

import pytest

from dagrun.server.traffic.judge import at_least, judge, psi
from dagrun.server.traffic.orders import Policy
from dagrun.server.traffic.tally import Counting, Tally, edges

POLICY = Policy()
SAMPLE = [random.Random(1).gauss(-1.0, 1.0) for _ in range(512)]
EDGES = edges(SAMPLE)


class Arm:
    """A simulated arm: its margins are normal, its times log-normal, and it fails at random."""

    def __init__(self, seed: int, *, shift: float = 0.0, slower: float = 1.0, fails: float = 0.0):
        self.random = random.Random(seed)
        self.shift, self.slower, self.fails = shift, slower, fails
        self.counting = Counting(EDGES)

    def answer(self, count: int) -> Tally:
        for _ in range(count):
            if self.random.random() < self.fails:
                self.counting.failed()
            else:
                took = self.slower * self.random.lognormvariate(11.0, 0.5)
                self.counting.answered(int(took), [self.random.gauss(-1.0 + self.shift, 1.0)])
        return self.counting.tally()


def answers_until_bad(canary: Arm, most: int) -> tuple[int, str]:
    """Look after every tenth answer of the canary, while the champion answers 19 times as many."""
    champion = Arm(99)
    for answered in range(10, most + 1, 10):
        verdict = judge(champion.answer(190), canary.answer(10), POLICY)
        if verdict.kind == "bad":
            return answered, verdict.reason
    return most + 1, ""


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("fails", [1.0, 0.5, 0.1])
def test_a_failing_canary_is_seen_within_200_answers(fails: float, seed: int) -> None:
    answered, reason = answers_until_bad(Arm(seed, fails=fails), 200)
    assert answered <= 200
    assert "failed" in reason


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("slower", [2.0, 5.0, 100.0])
def test_a_slow_canary_is_seen_within_200_answers(slower: float, seed: int) -> None:
    answered, reason = answers_until_bad(Arm(seed, slower=slower), 200)
    assert answered <= 200
    assert "1.5 times is allowed" in reason


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("shift", [-1.0, 0.7, 3.0])
def test_drifted_predictions_are_seen_within_1000_answers(shift: float, seed: int) -> None:
    answered, reason = answers_until_bad(Arm(seed, shift=shift), 1_000)
    assert answered <= 1_000
    assert "distributed otherwise" in reason


def test_a_good_canary_is_hardly_ever_called_bad() -> None:
    """Each is looked at 100 times."""
    canaries = 200 if os.environ.get("DAGRUN_SOAK") else 20
    accused = [seed for seed in range(canaries) if answers_until_bad(Arm(seed), 1_000)[1]]
    assert len(accused) <= canaries // 100


def test_a_canary_that_fails_as_rarely_as_its_champion_is_let_through() -> None:
    champion, canary = Arm(1, fails=0.02).answer(20_000), Arm(2, fails=0.02).answer(1_000)
    assert judge(champion, canary, POLICY).kind == "good"


def test_it_waits_for_answers_of_both_arms() -> None:
    few, many = Arm(1).answer(399), Arm(2).answer(5_000)
    assert judge(many, few, POLICY).kind == "wait"
    assert judge(few, many, POLICY).kind == "wait"
    assert judge(Tally(), Tally(), POLICY).kind == "wait"
    assert "101 more answers" in judge(many, few, POLICY).reason


def test_a_canary_without_any_answer_of_the_champion_is_still_seen_failing() -> None:
    assert judge(Tally(), Tally(answers=5, errors=5), POLICY).kind == "bad"


def test_psi_is_zero_for_equal_shares_and_takes_chance_off() -> None:
    equal = dict.fromkeys(range(10), 100)
    assert psi(equal, equal) == 0.0
    assert psi({}, equal) == 0.0
    assert psi(dict.fromkeys(range(5), 200), dict.fromkeys(range(5, 10), 200)) > 5


def test_the_certain_share_of_errors_is_below_the_found_one() -> None:
    assert at_least(0, 0) == 0.0
    assert at_least(0, 1_000) <= 1e-12
    assert 0.2 < at_least(3, 3) < 0.3
    assert 0.4 < at_least(500, 1_000) < 0.5
