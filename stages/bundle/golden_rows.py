"""Golden rows: raw rows with the very bits that features and predictions must have.

They are recorded once, by the batch path, when a bundle is made, and travel in the bundle.
`dagrun.stages.bundle.golden` replays them. NaN has one representation here, as a model cannot
tell one NaN from another; everything else is kept bit by bit.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from dagrun.stages.bundle.model import Float32s, Model
from dagrun.stages.features import FeatureSpec, hard_rows

GOLDEN_ROWS = 512
Bits = npt.NDArray[np.uint32]

_RAW, _FEATURE, _MARGIN = "raw/", "feature/", "margin"
_VALUE = {"binary": "probability", "regression": "value"}
_ONE_NAN = np.uint32(0x7FC00000)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GoldenRows:
    """Recorded rows; all parts have the same number of rows, in the same order.

    Attributes:
        parquet: all parts as one Parquet file, kept as it was written.
        rows: the raw inputs of the spec, in its order.
        features: feature bits, shape `(rows, features)`.
        margins: float32 margins.
        values: float32 probabilities; of a regression, the margins once more.
    """

    parquet: bytes
    rows: pl.DataFrame
    features: Bits
    margins: Float32s
    values: Float32s

    @classmethod
    def read(cls, parquet: bytes, names: Sequence[str]) -> GoldenRows:
        """Read the file that `record` made for features called `names`."""
        frame = pl.read_parquet(io.BytesIO(parquet))
        raw = [name for name in frame.columns if name.startswith(_RAW)]
        features = frame.select([_FEATURE + name for name in names])
        value = next(name for name in _VALUE.values() if name in frame.columns)
        return cls(
            parquet=parquet,
            rows=frame.select(pl.col(name).alias(name.removeprefix(_RAW)) for name in raw),
            features=np.ascontiguousarray(features.to_numpy(), np.uint32),
            margins=frame[_MARGIN].to_numpy().view(np.float32),
            values=frame[value].to_numpy().view(np.float32),
        )


def record(spec: FeatureSpec, booster: Model, sample: pl.DataFrame) -> GoldenRows:
    """Choose golden rows (hard cases and rows of `sample`) and record their bits."""
    rows = hard_rows(spec, sample, GOLDEN_ROWS).select([column.name for column in spec.inputs])
    values = booster.values(spec.transform(rows))
    predicted = booster.predict_values(values)
    features = bits(values)
    columns = [column.alias(_RAW + column.name) for column in rows]
    columns += [pl.Series(_FEATURE + name, features[:, i]) for i, name in enumerate(spec.names)]
    columns.append(pl.Series(_MARGIN, bits(predicted.margins)))
    columns.append(pl.Series(_VALUE[booster.task], bits(predicted.values)))
    return GoldenRows.read(_write(pl.DataFrame(columns)), spec.names)


def _write(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    # One chunk and one row group, so that equal rows give equal bytes.
    frame.rechunk().write_parquet(
        buffer, compression="zstd", compression_level=3, row_group_size=max(1, frame.height)
    )
    return buffer.getvalue()


def bits(values: Float32s) -> Bits:
    """Return the bit patterns of float32 values, with one pattern for NaN."""
    return np.where(np.isnan(values), _ONE_NAN, values.view(np.uint32))
