"""The parity proof: golden rows replayed through both twins and the model, compared as bits.

Guarantee: an empty report means that on this machine, with these library versions, every golden
row gives the recorded features, margins and predictions, bit for bit, on the batch path and on
the row path. Where it ends: it speaks of the golden rows, which hold the hard cases and a sample;
the property tests of the ops speak of the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dagrun.engine.errors import DagrunError
from dagrun.stages.bundle.booster import Float32s
from dagrun.stages.bundle.bundle import Bundle
from dagrun.stages.bundle.golden_rows import Bits, bits
from dagrun.stages.bundle.row import RowScorer

Twin = Literal["batch", "row"]
DIFFERENCES_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One value whose bits are not the recorded ones.

    Attributes:
        row: index of the golden row, from 0.
        name: a feature's name, `"margin"`, or `"probability"` (of a regression `"value"`).
        expected: recorded float32 bits.
        found: bits computed here.
        twin: the path that computed them.
    """

    row: int
    name: str
    expected: int
    found: int
    twin: Twin

    def __str__(self) -> str:
        return f"golden row {self.row}, {self.name} ({self.twin} path): {self.bits}"

    @property
    def bits(self) -> str:
        """Both patterns and their values, for people."""
        return (
            f"expected 0x{self.expected:08x} ({_value(self.expected)!r}), "
            f"found 0x{self.found:08x} ({_value(self.found)!r})"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenReport:
    """The outcome of a replay.

    Attributes:
        rows: golden rows replayed.
        different: how many values differ, both paths counted.
        differences: the first of them: row by row, the features before what follows from them.
    """

    rows: int
    different: int
    differences: tuple[Difference, ...]

    def require(self) -> None:
        """Raise `GoldenMismatch` unless every bit was as recorded."""
        if self.different:
            raise GoldenMismatch(self)


class GoldenMismatch(DagrunError):
    """A bundle does not give the predictions it was exported with."""

    def __init__(self, report: GoldenReport) -> None:
        self.report = report
        shown = "\n  ".join(str(difference) for difference in report.differences)
        super().__init__(
            f"{report.different} values of {report.rows} golden rows differ from the recorded "
            f"bits, the first {len(report.differences)} being\n  {shown}\n"
            "Nothing is served from this bundle. Either it was changed after its export, or this "
            "host's libraries compute differently from the exporting one's"
        )


def check(bundle: Bundle, *, kept: int = DIFFERENCES_SHOWN) -> GoldenReport:
    """Replay the bundle's golden rows through the batch path and the row path.

    The report lists the first `kept` differences and counts all.
    """
    golden = bundle.golden
    expected = _side_by_side(golden.features, golden.margins, golden.values)
    names = (
        *bundle.spec.names,
        "margin",
        "value" if bundle.task == "regression" else "probability",
    )
    found: dict[Twin, Bits] = {"batch": _replay_batch(bundle), "row": _replay_rows(bundle)}
    differences = sorted(
        (int(row), int(column), twin)
        for twin, values in found.items()
        for row, column in np.argwhere(values != expected)
    )
    return GoldenReport(
        rows=len(expected),
        different=len(differences),
        differences=tuple(
            Difference(
                row=row,
                name=names[column],
                expected=int(expected[row, column]),
                found=int(found[twin][row, column]),
                twin=twin,
            )
            for row, column, twin in differences[:kept]
        ),
    )


def _replay_batch(bundle: Bundle) -> Bits:
    values = bundle.matrix(bundle.spec.admitted(bundle.golden.rows))
    return _side_by_side(bits(values), *bundle.booster.predict_values(values, nthread=1))


def _replay_rows(bundle: Bundle) -> Bits:
    scorer = RowScorer(bundle)

    def replay() -> Iterator[tuple[float, ...]]:
        for values in bundle.spec.rows_of(bundle.golden.rows):
            answer = scorer.score(values)
            yield (*scorer.features, *answer)

    width = len(bundle.spec.names) + 2
    flat = np.fromiter((value for row in replay() for value in row), np.float32)
    return bits(flat.reshape(-1, width))


def _side_by_side(features: Bits, margins: Float32s, predicted: Float32s) -> Bits:
    return np.column_stack([features, bits(margins), bits(predicted)])


def _value(pattern: int) -> float:
    return float(np.uint32(pattern).view(np.float32))
