"""The rows that a model is judged on: scored once, measured as often as it takes.

Guarantee: predictions are those of the bundle itself, as a server would give them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from dagrun.engine.errors import DefinitionError, listing, nearest
from dagrun.stages.bundle import Bundle, score
from dagrun.stages.evaluate.report import numbers
from dagrun.stages.evaluate.weighted import (
    Float64s,
    Measure,
    binary_measure,
    regression_measure,
)

Indices = npt.NDArray[np.intp]
MOST_GROUPS = 1000


class GateUnjudgeable(DefinitionError):
    """A gate asks for what cannot be told of this model or these rows."""

    def __init__(self, place: str, problem: str) -> None:
        self.place, self.problem = place, problem
        super().__init__(f"gate {place} cannot be judged: {problem}")


class Holdout:
    """A bundle and rows that it has not seen.

    Args:
        bundle: what is judged.
        rows: raw rows with the bundle's inputs and the label.
        label: name of the label's column: 0/1 or Boolean for a classifier, else a number.

    Raises:
        EvaluationInvalid: a label is null or no number.
        GateUnjudgeable: there is no such column, or no row.
    """

    def __init__(self, bundle: Bundle, rows: pl.DataFrame, label: str) -> None:
        self.bundle, self.rows, self.label = bundle, rows, label
        if rows.is_empty():
            raise GateUnjudgeable("file", "there are no rows")
        self.labels: Float64s = numbers(self.column("label", label), "label").astype(np.float64)

    @property
    def height(self) -> int:
        """How many rows there are."""
        return self.rows.height

    @cached_property
    def predicted(self) -> Float64s:
        """Probabilities, or a regression's values, shape `(n,)`."""
        return self.scored(self.bundle, self.rows)

    @cached_property
    def said(self) -> npt.NDArray[np.bool_]:
        """Whether the row is labelled True at the bundle's threshold; of a classifier."""
        return self.predicted >= float(self.bundle.threshold or 0.0)

    def scored(self, bundle: Bundle, rows: pl.DataFrame) -> Float64s:
        """Return what a bundle predicts of rows. Raises as `score` does."""
        answers = score(bundle, rows)
        name = "value" if bundle.task == "regression" else "probability"
        return answers[name].to_numpy().astype(np.float64)

    def sample(self, most: int) -> Indices:
        """Return the indices of at most so many rows, evenly spread."""
        return np.arange(0, self.height, -(-self.height // most))

    def measure(
        self,
        place: str,
        metric: str,
        inside: Indices | None = None,
        predicted: Float64s | None = None,
        threshold: float | None = None,
    ) -> Measure:
        """Return the measure of a metric, of some rows (which it then takes the weights of).

        `predicted` and `threshold` stand in for the bundle's own. Raises `GateUnjudgeable`.
        """
        every = slice(None) if inside is None else inside
        labels = self.labels[every]
        values = self.predicted[every] if predicted is None else predicted
        if self.bundle.task == "regression":
            found = regression_measure(metric, labels, values)
        else:
            chosen = self.bundle.threshold if threshold is None else threshold
            found = binary_measure(metric, labels, values, float(chosen or 0.0))
        if found is None:
            raise GateUnjudgeable(
                place, f"{metric!r} is no metric of a {self.bundle.task} on these rows"
            )
        return found

    def column(self, place: str, name: str) -> pl.Series:
        """Return a column of the rows. Raises `GateUnjudgeable`, naming the nearest."""
        if name not in self.rows.columns:
            known = self.rows.columns
            problem = f"the rows have no column {name!r}.{nearest(name, known)} They have"
            raise GateUnjudgeable(place, f"{problem}: {listing(known)}")
        return self.rows[name]

    def groups(self, place: str, columns: str) -> list[tuple[str, Indices]]:
        """Return the values of a column, or of several joined by `+`, with their rows, sorted.

        Raises `GateUnjudgeable` for more than `MOST_GROUPS`.
        """
        texts = [
            self.column(place, name).cast(pl.String).fill_null("null")
            for name in columns.split("+")
        ]
        joined = texts[0] if len(texts) == 1 else pl.select(pl.concat_str(texts, separator=" + "))
        names = joined.to_series() if isinstance(joined, pl.DataFrame) else joined
        kinds = names.unique().sort().to_list()
        if len(kinds) > MOST_GROUPS:
            raise GateUnjudgeable(place, f"{columns!r} has {len(kinds):,} values; bucket them")
        return [(kind, (names == kind).arg_true().to_numpy().astype(np.intp)) for kind in kinds]


def ones(rows: int | Sequence[int] | Indices) -> npt.NDArray[np.int64]:
    """Return the weights that count every row once."""
    return np.ones(rows if isinstance(rows, int) else len(rows), np.int64)
