"""The judge: whether a canary is worse than the champion beside it, from two tallies.

Guarantee: a verdict follows from the numbers alone and says which ones. A canary is called bad
for failing, for being slow or for predicting otherwise, and good only after all three were looked
at with enough answers. Where it ends: the arms see different requests, so a rare accident may
make a good one look bad (how rare is in the tests); a canary that is wrong in the same proportions
as the champion is right looks good, until labels come.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from dagrun.server.traffic.orders import Policy
from dagrun.server.traffic.tally import BINS, Counts, Tally

Kind = Literal["wait", "good", "bad"]

_LEAST_TIMED = 100
"""Answers of each arm from which on medians are compared."""
_LEAST_COMPARED = 400
"""Rows of each arm from which on distributions are: fewer, and chance alone gives a PSI of 0.1."""
_CERTAIN = 3.0
"""Standard deviations: about one error in a thousand looks at a canary as good as the champion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the numbers say.

    Attributes:
        kind: `"wait"` for more answers, `"good"` or `"bad"`.
        reason: why, with the numbers.
    """

    kind: Kind
    reason: str


def judge(champion: Tally, canary: Tally, policy: Policy) -> Verdict:
    """Compare a canary with the champion over the same span of time."""
    for look in (_failing, _slow, _drifted):
        if reason := look(champion, canary, policy):
            return Verdict(kind="bad", reason=reason)
    least = max(policy.min_answers, _LEAST_COMPARED)
    missing = least - min(canary.answers, champion.answers)
    if missing > 0:
        return Verdict(kind="wait", reason=f"{missing:,} more answers of each arm are wanted")
    return Verdict(
        kind="good",
        reason=(
            f"{canary.answers:,} answers: {canary.errors:,} failed, a row takes "
            f"{_microseconds(canary)} us against {_microseconds(champion)}, "
            f"PSI {psi(champion.margins, canary.margins):.3f}"
        ),
    )


def psi(expected: Counts, found: Counts) -> float:
    """Return the population stability index of two histograms, less what chance alone gives.

    The sum over bins of `(q - p) ln(q / p)` for the shares `p` and `q`, with half a row added to
    each bin. Two samples of one distribution give about `(bins - 1) (1 / n + 1 / m)`.
    """
    n, m = sum(expected.values()), sum(found.values())
    if not n or not m:
        return 0.0
    bins = max(BINS, 1 + max({**expected, **found}))
    total = 0.0
    for place in range(bins):
        p = (expected.get(place, 0) + 0.5) / (n + 0.5 * bins)
        q = (found.get(place, 0) + 0.5) / (m + 0.5 * bins)
        total += (q - p) * math.log(q / p)
    return max(0.0, total - (bins - 1) * (1 / n + 1 / m))


def at_least(errors: int, answers: int) -> float:
    """Return the share of errors that is certain: the lower end of Wilson's score interval."""
    if not answers:
        return 0.0
    share, square = errors / answers, _CERTAIN**2
    spread = math.sqrt(share * (1 - share) / answers + square / (4 * answers**2))
    return (share + square / (2 * answers) - _CERTAIN * spread) / (1 + square / answers)


def _failing(champion: Tally, canary: Tally, policy: Policy) -> str:
    allowed = policy.error_rate + (champion.errors / champion.answers if champion.answers else 0.0)
    if at_least(canary.errors, canary.answers) <= allowed:
        return ""
    return (
        f"it failed {canary.errors:,} of {canary.answers:,} answers, the champion "
        f"{champion.errors:,} of {champion.answers:,}"
    )


def _slow(champion: Tally, canary: Tally, policy: Policy) -> str:
    if min(champion.answers, canary.answers) < _LEAST_TIMED:
        return ""
    slow, usual = canary.duration(0.5), champion.duration(0.5)
    if not slow > policy.latency_ratio * usual:
        return ""
    return (
        f"a row takes {_microseconds(canary)} us (median of {canary.answers:,}), with the "
        f"champion {_microseconds(champion)}; {policy.latency_ratio:g} times is allowed"
    )


def _drifted(champion: Tally, canary: Tally, policy: Policy) -> str:
    rows = [sum(tally.margins.values()) for tally in (champion, canary)]
    if min(rows) < _LEAST_COMPARED:
        return ""
    found = psi(champion.margins, canary.margins)
    if found <= policy.drift:
        return ""
    return (
        f"its predictions are distributed otherwise than the champion's: PSI {found:.2f} over "
        f"{rows[1]:,} rows; {policy.drift:g} is allowed"
    )


def _microseconds(tally: Tally) -> str:
    return f"{tally.duration(0.5) / 1e3:,.0f}"
