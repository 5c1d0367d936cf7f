"""A card's past, kept payment by payment: what a bank holds in memory while it answers.

Guarantee: `ask` gives what `history.past_of` gives for the same payments, bit for bit, before the
payment itself is told by `add`. Payments of one card must come in the order of time.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from history import WINDOWS

_LONGEST = dt.timedelta(seconds=max(WINDOWS.values()))


@dataclass(slots=True)
class Card:
    """What is remembered of one card."""

    recent: deque[tuple[dt.datetime, int]] = field(default_factory=deque)
    shops: Counter[int] = field(default_factory=Counter)
    last_at: dt.datetime | None = None
    place: tuple[dt.datetime, float, float] | None = None


class Ledger:
    """The past of all cards."""

    def __init__(self) -> None:
        self._cards: dict[int, Card] = {}

    def ask(self, payment: dict[str, Any]) -> dict[str, Any]:
        """Return the payment with what its card had done before."""
        card = self._cards.get(payment["card"], Card())
        at: dt.datetime = payment["at"]
        found: dict[str, Any] = {}
        for window, seconds in WINDOWS.items():
            since = at - dt.timedelta(seconds=seconds)
            sums = [cents for moment, cents in card.recent if since <= moment < at]
            found[f"paid_{window}"] = len(sums)
            found[f"spent_{window}"] = sum(sums) if sums else None
            if window == "30d":
                found["largest_30d"] = max(sums, default=None)
        in_shop = card.place is not None and payment["shop_x"] is not None
        place = card.place or (at, math.nan, math.nan)
        east, north = (
            (payment["shop_x"] - place[1], payment["shop_y"] - place[2]) if in_shop else (0.0, 0.0)
        )
        return {
            **payment,
            **found,
            "times_here": card.shops[payment["shop"]],
            "seconds_since_last": _seconds(card.last_at, at),
            "seconds_since_place": _seconds(card.place and card.place[0], at),
            "km_from_last": math.sqrt(east * east + north * north) if in_shop else None,
        }

    def add(self, payment: dict[str, Any]) -> None:
        """Remember a payment."""
        card = self._cards.setdefault(payment["card"], Card())
        at: dt.datetime = payment["at"]
        card.recent.append((at, payment["cents"]))
        while card.recent[0][0] < at - _LONGEST:
            card.recent.popleft()
        card.shops[payment["shop"]] += 1
        card.last_at = at
        if payment["shop_x"] is not None:
            card.place = (at, payment["shop_x"], payment["shop_y"])


def _seconds(earlier: dt.datetime | None, now: dt.datetime) -> int | None:
    return None if earlier is None else (now - earlier) // dt.timedelta(seconds=1)
