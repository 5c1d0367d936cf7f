"""What a worker counts while it answers, at 0.7 microseconds a request.

Guarantee: every request that is answered is counted once, with its phases; the totals of a
snapshot never fall while the process lives, and those of a model are there while it is served and
until four others were replaced after it: else a server that is given a new version each day would
count for ever more of them. The hot path takes no lock: it appends one tuple of numbers to a list,
and whoever calls `fold` or takes a snapshot, or the request that finds the list full, makes
histograms of many tuples at once. Where it ends: totals are a worker's own and end with it;
`dagrun.server.observe.totals` adds up those of many.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

import numpy as np

from dagrun.server.observe import metrics
from dagrun.server.observe.metrics import Reading

ROW_PHASES: Final = ("queue", "parse", "features", "model", "serialise")
TABLE_PHASES: Final = ("queue", "parse", "score", "serialise")
_PHASE_BOUNDS = np.array(metrics.PHASE_BOUNDS)
_REQUEST_BOUNDS = np.array(metrics.REQUEST_BOUNDS)
_TOGETHER = 256
"""Requests that wait for their histogram at most: a tenth of a millisecond of work, which is felt
by those that are answered meanwhile."""
_KEPT = 4
"""Models that are no longer served and still counted: time enough for whoever collects metrics."""

Json = dict[str, Any]
Noted = Callable[[Sequence[str], Sequence[int]], None]


class Labels(NamedTuple):
    """Which model answers: the served name, its version, and its arm of an experiment."""

    model: str = ""
    version: str = ""
    arm: str = ""


class Series:
    """The requests of one method that one model answered."""

    def __init__(self, phases: Sequence[str], noted: Noted | None = None) -> None:
        """Have `noted` told of each request as well, when it is given."""
        self._phases, self._noted = tuple(phases), noted
        if noted is not None:
            self.add = self._add_noted  # type: ignore[method-assign]
        self._marks: list[tuple[int, ...]] = []
        self._folding = threading.Lock()
        self._sizes = [0, 0, 0, 0]
        self._sums = [0] * (len(phases) + 1)
        # One histogram behind the other: of each phase, then of whole requests.
        self._ends = np.cumsum([len(_PHASE_BOUNDS) + 1] * len(phases) + [len(_REQUEST_BOUNDS) + 1])
        self._buckets = np.zeros(self._ends[-1], np.int64)

    def add(self, marks: tuple[int, ...]) -> None:
        """Count an answered request.

        `marks` are the moments (`perf_counter_ns`) at which the first phase began and each phase
        ended, then the number of rows, and the bytes of the request and of the response.
        """
        self._marks.append(marks)
        if len(self._marks) >= _TOGETHER:
            self.fold()

    def _add_noted(self, marks: tuple[int, ...]) -> None:
        Series.add(self, marks)
        if self._noted is not None:
            self._noted(self._phases, marks)

    @property
    def answered(self) -> int:
        """Number of requests so far."""
        self.fold()
        return self._sizes[0]

    def snapshot(self) -> Json:
        """Return the totals so far; times are in nanoseconds, the last ones of whole requests."""
        self.fold()
        with self._folding:
            return {
                "phases": list(self._phases),
                "sizes": list(self._sizes),
                "sums": list(self._sums),
                "buckets": [part.tolist() for part in np.split(self._buckets, self._ends[:-1])],
            }

    def fold(self) -> None:
        """Add up what was counted since the last time."""
        with self._folding:
            count, phases = len(self._marks), len(self._phases)
            # Others may append meanwhile: only what is counted here is removed.
            taken = self._marks[:count]
            del self._marks[:count]
            if not taken:
                return
            flat = chain.from_iterable(taken)
            table = np.fromiter(flat, np.int64, count * (phases + 4)).reshape(count, -1)
            moments, sizes = table[:, : phases + 1], table[:, phases + 1 :]
            spans, whole = np.diff(moments, axis=1), moments[:, -1] - moments[:, 0]
            self._sizes[0] += count
            _add(self._sizes, [0, *sizes.sum(0).tolist()])
            _add(self._sums, [*spans.sum(0).tolist(), int(whole.sum())])
            places = _PHASE_BOUNDS.searchsorted(spans)
            places[:, 1:] += self._ends[: phases - 1]
            self._buckets += np.bincount(places.ravel(), minlength=self._ends[-1])
            places = _REQUEST_BOUNDS.searchsorted(whole) + self._ends[phases - 1]
            self._buckets += np.bincount(places, minlength=self._ends[-1])


class Recorder:
    """Everything that one worker counts. It may be used from any thread.

    Attributes:
        predict, table: the series of `Predict` and `PredictTable`, by labels.
    """

    def __init__(self, noted: Noted | None = None) -> None:
        """Have `noted` told of each answered request, when it is given: for traces."""
        self._noted = noted
        self._methods: dict[str, _ByLabels] = {}
        self._sources: list[Callable[[], Iterable[Reading]]] = []
        self._counts: Counter[tuple[str, tuple[str, ...]]] = Counter()
        self._counting = threading.Lock()
        self._known: dict[Labels, None] = {}
        """Of the models served and of the last ones before them, in the order of their end."""
        self._forgotten = 0
        """Requests answered by models of which nothing else is known."""
        self.predict = self.method("Predict", ROW_PHASES)
        self.table = self.method("PredictTable", TABLE_PHASES)

    def method(self, name: str, phases: Sequence[str]) -> _ByLabels:
        """Return the series of a method, by labels; one is made when it is first asked for."""
        return self._methods.setdefault(name, _ByLabels(phases, self._noted))

    @property
    def answered(self) -> int:
        """Number of requests answered so far with scores, of rows or of tables."""
        with self._counting:
            tables = list(self._methods.values())
            return self._forgotten + sum(
                series.answered for table in tables for series in list(table.values())
            )

    def serves(self, served: Iterable[Labels]) -> None:
        """Forget what was replaced, but for the last few: these are the labels of all that is
        served from now on."""
        now = dict.fromkeys(served)
        replaced = [labels for labels in self._known if labels not in now]
        forgotten = set(replaced[:-_KEPT])
        with self._counting:
            self._known = dict.fromkeys([*replaced[-_KEPT:], *now])
            for table in list(self._methods.values()):
                for labels in forgotten & table.keys():
                    self._forgotten += table.pop(labels).answered
            for counted in [key for key in self._counts if metrics.model_of(*key) in forgotten]:
                del self._counts[counted]

    def count(self, name: str, labels: tuple[str, ...] = (), by: int = 1) -> None:
        """Add to a counter; for what is rare, since it takes a lock. Raises `UnknownMetric`."""
        metrics.checked(Reading(name, labels, by))
        with self._counting:
            self._counts[name, tuple(labels)] += by

    def refused(self, method: str, code: str, labels: Labels | None = None) -> None:
        """Count a request that was answered with an error status."""
        self.count(metrics.REQUESTS, (method, *(labels or Labels()), code))

    def watch(self, source: Callable[[], Iterable[Reading]]) -> None:
        """Have every snapshot ask `source` for the readings of other parts."""
        self._sources.append(source)

    def fold(self) -> None:
        """Add up what was counted since the last time, so that no request has to."""
        for table in list(self._methods.values()):
            for series in list(table.values()):
                series.fold()

    def snapshot(self) -> Json:
        """Return all totals as a JSON document, for `totals.merge`."""
        calls = [
            {"method": name, "labels": list(labels), **series.snapshot()}
            for name, table in list(self._methods.items())
            for labels, series in list(table.items())
        ]
        with self._counting:
            readings = [Reading(*key, value) for key, value in self._counts.items()]
        for source in self._sources:
            readings += map(metrics.checked, source())
        return {"calls": calls, "readings": [[*reading] for reading in readings]}


class _ByLabels(dict[Labels, Series]):
    """Series by labels, each made when it is first asked for."""

    def __init__(self, phases: Sequence[str], noted: Noted | None) -> None:
        super().__init__()
        self._phases, self._noted = phases, noted

    def __missing__(self, labels: Labels) -> Series:
        # `setdefault` is one step, so that two threads get the same one.
        return self.setdefault(labels, Series(self._phases, self._noted))


def _add(totals: list[int], more: Sequence[int]) -> None:
    totals[:] = [total + part for total, part in zip(totals, more, strict=True)]
