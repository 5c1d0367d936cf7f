"""The conductor: looks at what the arms did, and moves canaries on, or back.

Guarantee: a canary that is worse than its champion is ended by the same order that a person would
give, with the numbers as its reason; one that is not gets its next share, and at the last step the
alias. It answers no more than about `FIRST_ANSWERS` requests before so many were looked at, and
from then on between two looks at most as many as before. Where it ends: each server conducts by
its own answers; of several that serve one registry, the first to decide decides for all.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dagrun.engine.store.refs import RefConflict
from dagrun.server.traffic.judge import Verdict, judge
from dagrun.server.traffic.orders import Canary, OrderBook, Orders
from dagrun.server.traffic.tally import Tally
from dagrun.stages.catalog import DEFAULT_ALIAS, Catalog
from dagrun.stages.versions import VersionRefused

FIRST_ANSWERS = 100
CANARY = "canary"

Document = dict[str, Any]
Report = Callable[[str], None]
Tallies = Mapping[str, Mapping[str, Document]]
"""By label, then by arm: `Tally.to_json`."""


@dataclass(slots=True)
class _Trial:
    """A step of a canary that is under way."""

    label: str
    since: float


class Conductor:
    """Conducts the canaries of one server."""

    def __init__(
        self,
        catalog: Catalog,
        report: Report,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalog, self._report, self._clock = catalog, report, clock
        self._book = OrderBook(catalog.store)
        self._trials: dict[str, _Trial] = {}

    def look(self, name: str, told: Iterable[Tallies]) -> Verdict | None:
        """Look at what every worker has told of a model's canary, and act.

        Returns the verdict, None when there is no canary.

        Raises what the store raises, but for a change by somebody else at the same moment, which
        stands.
        """
        orders, seen = self._book.seen(name)
        canary = orders.canary
        if canary is None:
            self._trials.pop(name, None)
            return None
        label = step_label(canary)
        trial = self._trials.get(name)
        if trial is None or trial.label != label:
            trial = self._trials[name] = _Trial(label, self._clock())
        found: dict[str, Tally] = {}
        for tallies in told:
            for arm, tally in tallies.get(label, {}).items():
                found[arm] = found.get(arm, Tally()) + Tally.from_json(tally)
        verdict = judge(found.get("champion", Tally()), found.get(CANARY, Tally()), canary.policy)
        long_enough = self._clock() - trial.since >= canary.policy.min_seconds
        with contextlib.suppress(RefConflict):
            if self._catalog.alias(name).version != canary.champion:
                self._end(name, orders, seen, "the champion was moved meanwhile")
            elif verdict.kind == "bad":
                share = f"{100 * canary.share:g} %"
                self._end(name, orders, seen, f"rolled back at {share}: {verdict.reason}")
            elif verdict.kind == "good" and long_enough:
                self._move_on(name, orders, seen, verdict.reason)
        return verdict

    def refused(self, name: str, why: str) -> None:
        """End a canary that cannot be served. Raises what the store raises."""
        orders, seen = self._book.seen(name)
        if orders.canary is not None:
            with contextlib.suppress(RefConflict):
                self._end(name, orders, seen, f"it cannot be served: {why}")

    def _end(self, name: str, orders: Orders, seen: Any, reason: str) -> None:
        canary = orders.canary
        assert canary is not None
        self._book.change(name, replace(orders, canary=None), seen=seen, reason=reason)
        self._report(f"{name}: canary @{canary.version} ended, {reason}")

    def _move_on(self, name: str, orders: Orders, seen: Any, reason: str) -> None:
        canary = orders.canary
        assert canary is not None
        after = replace(canary, step=canary.step + 1)
        if after.share < 1.0:
            text = f"{100 * canary.share:g} % passed: {reason}"
            self._book.change(name, replace(orders, canary=after), seen=seen, reason=text)
            self._report(f"{name}: canary @{canary.version} gets {100 * after.share:g} %, {text}")
            return
        # The alias first: a canary that is left over is ended as soon as it is looked at.
        text = f"canary passed {100 * canary.share:g} %: {reason}"
        try:
            self._catalog.set_alias(
                name, DEFAULT_ALIAS, canary.version, reason=text, override=canary.override
            )
        except VersionRefused as error:  # since it was ordered
            self._end(name, orders, seen, str(error).splitlines()[0])
            return
        self._book.change(name, replace(orders, canary=None), seen=seen, reason=text)
        self._report(f"{name}: canary @{canary.version} is the champion, {text}")


def grants(told: Sequence[Tallies], label: str) -> list[int]:
    """Return for each worker how many requests in all the canary may answer."""
    given = [tallies.get(label, {}).get(CANARY, {}).get("answers", 0) for tallies in told]
    total = sum(given)
    more = total if total >= FIRST_ANSWERS else FIRST_ANSWERS - total
    return [answers + -(-more // len(given)) for answers in given]


def step_label(canary: Canary) -> str:
    """Return the label of a canary's present step."""
    return f"{canary.salt}.{canary.step}"
