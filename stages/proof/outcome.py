"""The outcome of comparing ways to compute the same features: differences as data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from dagrun.stages.proof.bits import Precision, shown
from dagrun.stages.proof.errors import NotProved

KEPT = 20
"""Differences kept in a proof; all are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One value that two ways compute differently, or a way that failed.

    Attributes:
        way: what gave `found`; the batch twin on all rows gave `expected`.
        feature: the feature's name, "" when the way failed.
        row: index of the row in its frame, None when the way failed as a whole.
        values: the row's raw values in the columns that the feature reads.
        expected, found: bits; None when the way failed.
        problem: how the way failed, else "".
        precision: whose bits they are: of the float32 that a model sees, or of the double from
            which it is rounded.
    """

    way: str
    feature: str = ""
    row: int | None = None
    values: Mapping[str, object] = field(default_factory=dict)
    expected: int | None = None
    found: int | None = None
    problem: str = ""
    precision: Precision = "float32"

    def __str__(self) -> str:
        place = "" if self.row is None else f", row {self.row}"
        values = ", ".join(f"{name}={value!r}" for name, value in self.values.items())
        given = f" given {values}" if values else ""
        if self.expected is None or self.found is None:
            return f"{self.way}{place}: {self.problem}{given}"
        return (
            f"{self.feature}{place}: batch twin {shown(self.expected, self.precision)}, "
            f"{self.way} {shown(self.found, self.precision)}{given}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What was compared, and what differed.

    Attributes:
        frames, rows: how many frames, and rows in all of them.
        features: features of the spec, the most of any spec when several were compared.
        compared: number of values compared with the batch twin's, by way.
        different: number of differences.
        differences: the first of them, at most `KEPT`.
    """

    frames: int
    rows: int
    features: int
    compared: Mapping[str, int]
    different: int
    differences: tuple[Difference, ...]

    def require(self) -> Self:
        """Return the proof itself. Raises `NotProved` unless nothing differed."""
        if self.different:
            raise NotProved(self)
        return self

    def __str__(self) -> str:
        plural = "s" * (self.frames != 1)
        width = max(map(len, self.compared), default=0)
        lines = [
            f"{self.different:,} of {sum(self.compared.values()):,} values differ "
            f"({self.rows:,} rows in {self.frames:,} frame{plural}, {self.features:,} features)",
            *(f"  {way:<{width}}  {count:>13,} values" for way, count in self.compared.items()),
            *(f"  {difference}" for difference in self.differences),
        ]
        return "\n".join(lines)


def combined(proofs: Iterable[Proof], *, same_frame: bool = False) -> Proof:
    """Return several proofs, of several frames or all of the same one, as one."""
    every = list(proofs)
    counted = every[:1] if same_frame else every
    ways = dict.fromkeys(way for proof in every for way in proof.compared)
    return Proof(
        frames=sum(proof.frames for proof in counted),
        rows=sum(proof.rows for proof in counted),
        features=max((proof.features for proof in every), default=0),
        compared={way: sum(proof.compared.get(way, 0) for proof in every) for way in ways},
        different=sum(proof.different for proof in every),
        differences=tuple(d for proof in every for d in proof.differences)[:KEPT],
    )
