"""The live proof: a share of the rows that were served, computed again by the batch twin.

Guarantee: features and margin of every row taken are compared as bits on a thread of its own, and
the first difference of a model is logged as an error with the feature and both bit patterns, never
with the row's values. A prediction waits for none of it and cannot fail by it: when the
rows that wait are too many, further ones are dropped and counted. Where it ends: it is a sample;
rows of `PredictTable` are computed by the batch twin in the first place.
"""

from __future__ import annotations

import logging
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dagrun.server.observe import metrics
from dagrun.server.observe.recorder import Recorder
from dagrun.server.serving.aside import Aside, Row
from dagrun.stages.bundle.golden_rows import bits

if TYPE_CHECKING:
    from dagrun.server.serving.models import ServedModel

_LOGGER = logging.getLogger(__name__)


@dataclass(slots=True)
class Rechecked:
    """What came of a model's rows so far; written by the checking thread alone.

    Attributes:
        rows: compared.
        different: of these, rows with a difference. It must stay 0.
        failed: rows that the batch twin could not compute.
    """

    rows: int = 0
    different: int = 0
    failed: int = 0


class Recheck(Aside):
    """Takes served rows at random and compares them on its own thread."""

    def __init__(self, share: float, waiting: int, recorder: Recorder) -> None:
        """Take `share` (0 to 1) of the rows; at most `waiting` of them wait."""
        super().__init__("recheck", share, waiting, self._check)
        self._recorder = recorder

    def _check(self, rows: list[Row]) -> None:
        model = rows[0][0]
        counts = model.rechecked
        try:
            different = _differences(model, rows)
        except Exception:
            if len(rows) > 1:
                for row in rows:
                    self._check([row])
                return
            if not counts.failed:
                _LOGGER.exception("%s: rows could not be computed again", model.name)
            counts.failed += 1
            return
        if different and not counts.different:
            _LOGGER.error(
                "%s (bundle %s): a served row differs from the batch twin: %s",
                model.name,
                model.bundle.digest[:12],
                different[0],
            )
        counts.rows += len(rows)
        counts.different += len(different)
        self._recorder.count(metrics.RECHECKED, model.labels, len(rows))
        self._recorder.count(metrics.DIFFERENT, model.labels, len(different))


def _differences(model: ServedModel, rows: list[Row]) -> list[str]:
    """Return a line for each row that differs: the first feature, or the margin."""
    bundle = model.bundle
    names = (*bundle.spec.names, "margin")
    frame = bundle.spec.frame_of([row[1] for row in rows])
    values = bundle.matrix(bundle.spec.admitted(frame))
    margins = bundle.booster.predict_values(values, nthread=1).margins
    expected = bits(np.column_stack([values, margins]))
    served = array("f")
    for _, _, features, margin in rows:
        served.extend((*features, margin))
    found = bits(np.array(served, np.float32).reshape(expected.shape))
    first: dict[int, int] = {}
    for row, column in np.argwhere(expected != found).tolist():
        first.setdefault(row, column)
    return [
        f"{names[column]}: served 0x{found[row, column]:08x}, "
        f"batch twin 0x{expected[row, column]:08x}"
        for row, column in first.items()
    ]
