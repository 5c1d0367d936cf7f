"""A shadow: another version computes served rows along, and is compared with what was answered.

Guarantee: it answers nobody, delays nobody, and what it does wrong is counted, never raised. Rows
are compared as what they are: features by their bits under names that both versions have, margins
by their difference, labels by each version's own threshold. Where it ends: it sees rows as the
answering version read them; a column that only the shadow needs is not there, and then no row can
be compared, which is counted too. Of a table it sees at most `_OF_A_TABLE` rows, evenly spread.
"""

from __future__ import annotations

import logging
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from dagrun.server.observe import metrics
from dagrun.server.observe.metrics import Reading
from dagrun.server.serving.aside import Aside, Row
from dagrun.stages.bundle.golden_rows import bits

if TYPE_CHECKING:
    from dagrun.server.serving.models import ServedModel

Float32s = npt.NDArray[np.float32]

_LOGGER = logging.getLogger(__name__)
_WAITING = 1_000
_OF_A_TABLE = 256
BOUNDS = (0.001, 0.01, 0.1, 1.0)
"""Upper bounds of the buckets for differences of margins."""


class Shadow(Aside):
    """Compares a version with the one that answers.

    Attributes:
        model: the version that computes along.
    """

    def __init__(self, model: ServedModel, share: float) -> None:
        """Compare `share` (0 to 1) of the rows."""
        super().__init__("shadow", share, _WAITING, self._compare)
        self.model = model
        self._lock = threading.Lock()
        self._compared = self._failed = self._labels = 0
        self._features: Counter[str] = Counter()
        self._margins: Counter[float] = Counter()

    def readings(self) -> Iterator[Reading]:
        """Yield what was found so far, for the recorder."""
        labels = (self.model.name, str(self.model))
        with self._lock:
            yield Reading(metrics.SHADOW_ROWS, labels, self._compared)
            yield Reading(metrics.SHADOW_FAILED, labels, self._failed)
            yield Reading(metrics.SHADOW_LABELS, labels, self._labels)
            for name, count in self._features.items():
                yield Reading(metrics.SHADOW_FEATURES, (*labels, name), count)
            for bound, count in self._margins.items():
                yield Reading(metrics.SHADOW_MARGINS, (*labels, f"{bound:g}"), count)

    def take_table(self, model: ServedModel, frame: pl.DataFrame, margins: pl.Series) -> None:
        """Keep the share of an answered table's rows for later, with their margins."""
        wanted = int(self.share * len(frame) + random.random())
        if not wanted:
            return
        every = -(-len(frame) // min(wanted, _OF_A_TABLE))
        rows = frame.gather_every(every)
        served = margins.gather_every(every).to_numpy()
        self.take_piece(len(rows), lambda: self._compare_table(model, rows, served))

    def _compare(self, rows: list[Row]) -> None:
        answering = rows[0][0]
        features = np.array([row[2] for row in rows], np.float32)
        served = np.array([row[3] for row in rows], np.float32)

        def raw() -> pl.DataFrame:
            return answering.bundle.spec.frame_of([row[1] for row in rows])

        self._count(answering, raw, lambda _: features, served)

    def _compare_table(self, answering: ServedModel, rows: pl.DataFrame, served: Float32s) -> None:
        def features(frame: pl.DataFrame) -> Float32s:
            # The batch twin answered, and gives the same bits again.
            bundle = answering.bundle
            return bundle.matrix(bundle.spec.admitted(frame))

        self._count(answering, lambda: rows, features, served)

    def _count(
        self,
        answering: ServedModel,
        raw: Callable[[], pl.DataFrame],
        features: Callable[[pl.DataFrame], Float32s],
        served: Float32s,
    ) -> None:
        """Compute rows along, and count what differs from their features and margins."""
        try:
            frame = raw()
            matrix = self.model.bundle.spec.transform(frame)
            margins = self.model.bundle.booster.predict(matrix, nthread=1).margins
            different = _different(answering, features(frame), self.model, matrix)
        except Exception as error:  # noqa: BLE001 - it may fail in any way but must harm nobody
            with self._lock:
                first, self._failed = not self._failed, self._failed + len(served)
            if first:
                _LOGGER.warning("shadow %s cannot compute what was served: %s", self.model, error)
            return
        with self._lock:
            self._compared += len(served)
            self._features.update(different)
            self._labels += int(np.sum(_labels(answering, served) != _labels(self.model, margins)))
            apart = np.abs(served.astype(np.float64) - margins)
            places = np.searchsorted(BOUNDS, apart)
            self._margins.update((*BOUNDS, float("inf"))[place] for place in places.tolist())


def _different(
    answering: ServedModel, served: Float32s, shadow: ServedModel, matrix: pl.DataFrame
) -> Counter[str]:
    """Return how many rows have other bits, by feature."""
    names = answering.bundle.spec.names
    found: Counter[str] = Counter()
    for name in set(names) & set(shadow.bundle.spec.names):
        column = matrix[name].cast(pl.Float32).to_numpy()
        apart = bits(np.ascontiguousarray(served[:, names.index(name)])) != bits(column)
        if count := int(np.sum(apart)):
            found[name] = count
    return found


def _labels(model: ServedModel, margins: Float32s) -> npt.NDArray[np.bool_]:
    """Return the label of each margin; a regression gives one to all."""
    threshold = model.bundle.threshold
    if threshold is None or not 0.0 < threshold < 1.0:
        return np.full(len(margins), threshold == 0.0)
    above: npt.NDArray[np.bool_] = margins >= np.log(threshold / (1.0 - threshold))
    return above
