"""Tallies: what one arm answered, in numbers that add up over threads, workers and hosts.

Guarantee: a tally takes the same memory however many answers it holds, and the sum of two tallies
is the tally of all their answers. Where it ends: durations are known to a fifth of themselves
(four buckets for each doubling), margins to the bin between two edges.
"""

from __future__ import annotations

import math
import threading
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

BINS = 10
_BUCKETS_PER_DOUBLING = 4

Counts = Mapping[int, int]
"""How many, by bucket or bin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What an arm did.

    Attributes:
        answers: requests that were to be answered by it; those that it failed are among them.
        errors: requests that it failed.
        durations: requests by bucket of the nanoseconds that one row took.
        margins: rows by bin of their margin.
    """

    answers: int = 0
    errors: int = 0
    durations: Counts = field(default_factory=dict)
    margins: Counts = field(default_factory=dict)

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            answers=self.answers + other.answers,
            errors=self.errors + other.errors,
            durations=_added(self.durations, other.durations),
            margins=_added(self.margins, other.margins),
        )

    def duration(self, share: float) -> float:
        """Return the nanoseconds that `share` of the requests did not exceed; NaN without any."""
        place = share * sum(self.durations.values())
        for bucket in sorted(self.durations):
            place -= self.durations[bucket]
            if place <= 0:
                return float(2 ** ((bucket + 0.5) / _BUCKETS_PER_DOUBLING))
        return math.nan

    def to_json(self) -> dict[str, Any]:
        """Return a document of numbers in which equal places may be added up."""
        return {
            "answers": self.answers,
            "errors": self.errors,
            "durations": {str(bucket): count for bucket, count in self.durations.items()},
            "margins": {str(place): count for place, count in self.margins.items()},
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Tally:
        """Read what `to_json` gave, or a sum of such."""
        return cls(
            answers=document.get("answers", 0),
            errors=document.get("errors", 0),
            durations=_counts(document.get("durations", {})),
            margins=_counts(document.get("margins", {})),
        )


class Counting:
    """A tally in the making. It may be used from any thread."""

    def __init__(self, edges: Sequence[float]) -> None:
        """Sort margins into bins between `edges`, ascending."""
        self._edges = list(edges)
        self._lock = threading.Lock()
        self._answers = self._errors = 0
        self._durations: dict[int, int] = {}
        self._margins: dict[int, int] = {}

    def answered(self, nanoseconds: int, margins: Sequence[float], rows: int = 1) -> None:
        """Count a request for so many rows that was answered, with the margins of some."""
        bucket = _bucket(nanoseconds / max(1, rows))
        bins = [bisect_right(self._edges, margin) for margin in margins]
        with self._lock:
            self._answers += 1
            self._durations[bucket] = self._durations.get(bucket, 0) + 1
            for place in bins:
                self._margins[place] = self._margins.get(place, 0) + 1

    def failed(self) -> None:
        """Count a request that the arm should have answered and could not."""
        with self._lock:
            self._answers += 1
            self._errors += 1

    def tally(self) -> Tally:
        """Return what was counted so far."""
        with self._lock:
            return Tally(
                answers=self._answers,
                errors=self._errors,
                durations=dict(self._durations),
                margins=dict(self._margins),
            )


def edges(margins: Iterable[float]) -> list[float]:
    """Return the edges of `BINS` bins that hold equal shares of these margins."""
    ordered = sorted(margin for margin in margins if not math.isnan(margin))
    if not ordered:
        return []
    found = {ordered[len(ordered) * place // BINS] for place in range(1, BINS)}
    return sorted(found)


def _bucket(nanoseconds: float) -> int:
    return int(_BUCKETS_PER_DOUBLING * math.log2(max(1.0, nanoseconds)))


def _added(one: Counts, other: Counts) -> Counts:
    return {place: one.get(place, 0) + other.get(place, 0) for place in {**one, **other}}


def _counts(document: Mapping[str, int]) -> Counts:
    return {int(place): count for place, count in document.items()}
