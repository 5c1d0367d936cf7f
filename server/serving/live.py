"""The contract on live rows: what a bundle's limits say about each row that is served.

Guarantee: every row of every method is held against the limits of its bundle, and each column
outside of them is counted, also where the request is refused for it. Where it ends: counts are
those of one process. A row within all limits costs about a microsecond for 20 columns.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from dagrun.server.observe import metrics
from dagrun.server.observe.recorder import Labels, Recorder
from dagrun.server.serving.refusals import ValuesRefused, Violation, shortened
from dagrun.stages.bundle.limits import Limit, Limits
from dagrun.stages.features import Column

_EXAMPLES = 5


class LiveContract:
    """The limits of one served model, and how many values were outside of them."""

    def __init__(self, labels: Labels, limits: Limits, inputs: Sequence[Column]) -> None:
        self._labels, self._limits = labels, limits
        places = {column.name: place for place, column in enumerate(inputs)}
        self._places = [(places[limit.column], limit) for limit in limits.columns]
        self._within = limits.within(inputs)
        self._counts: Counter[str] = Counter()
        self._counting = threading.Lock()

    @property
    def outside(self) -> Mapping[str, int]:
        """Number of values outside of the limits so far, by column."""
        with self._counting:
            return dict(self._counts)

    def check(self, rows: Sequence[Sequence[object]], recorder: Recorder) -> list[list[str]] | None:
        """Count what is outside; return its columns for each row where answers are to name them.

        Rows are given as the row function takes them. Raises `ValuesRefused` where the bundle
        says so.
        """
        if all(map(self._within, rows)):
            return None
        found = [
            [limit.column for place, limit in self._places if limit.outside(row[place])]
            for row in rows
        ]
        self._count(Counter(column for columns in found for column in columns), recorder)
        if self._limits.live == "refuse":
            raise ValuesRefused(self._labels.model, self._violations(rows))
        return found if self._limits.live == "warn" else None

    def check_table(self, columns: Sequence[pl.Series], recorder: Recorder) -> None:
        """Do the same for a table, given as its columns as ops see them; it gets no names."""
        masks = [
            (place, limit, limit.all_outside(columns[place]))
            for place, limit in self._places
            if limit.any_outside(columns[place])
        ]
        found = Counter({limit.column: int(mask.sum()) for _, limit, mask in masks})
        if not found.total():
            return
        self._count(+found, recorder)
        if self._limits.live == "refuse":
            violations = (
                Violation(f"table[{row}].{limit.column}", _said(columns[place][row], limit))
                for place, limit, mask in masks
                for row in mask.arg_true().head(_EXAMPLES).to_list()
            )
            raise ValuesRefused(self._labels.model, violations)

    def _violations(self, rows: Sequence[Sequence[object]]) -> Iterator[Violation]:
        for number, row in enumerate(rows):
            for place, limit in self._places:
                if limit.outside(row[place]):
                    yield Violation(f"rows[{number}].{limit.column}", _said(row[place], limit))

    def _count(self, found: Counter[str], recorder: Recorder) -> None:
        with self._counting:
            self._counts.update(found)
        for column, values in found.items():
            recorder.count(metrics.OUT_OF_CONTRACT, (*self._labels, column), values)


def _said(value: object, limit: Limit) -> str:
    return f"is {shortened(repr(value))}; the model's contract wants {limit}"
