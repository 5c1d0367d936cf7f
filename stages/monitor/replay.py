"""Replaying the prediction log: what another bundle would have answered to the same rows.

Guarantee: the raw rows are scored as they were sent, by the batch path, whose bits are the served
ones; margins and features are compared as bits, one pattern for NaN. Where the log has rows of the
very bundle that is replayed, or of one that is at hand, they are scored with that one too: a
difference there means that this machine computes otherwise than the server did. Where it ends:
features are compared by name, and those of a bundle that is not at hand cannot be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from dagrun.engine.errors import DagrunError, listing
from dagrun.stages.bundle import Bundle, Prediction
from dagrun.stages.bundle.golden_rows import bits
from dagrun.stages.monitor.log import raw_rows

_TOGETHER = 100_000
"""Rows scored at once."""
QUANTILES = (0.5, 0.9, 0.99, 1.0)
Floats = npt.NDArray[np.float32]
Find = Callable[[str], Bundle | None]


class CannotReplay(DagrunError):
    """A bundle takes columns that logged rows do not have."""

    def __init__(self, model: str, logged: str, missing: tuple[str, ...]) -> None:
        self.model, self.logged, self.missing = model, logged, missing
        super().__init__(
            f"{model} takes {listing(missing)}, which rows logged for bundle {logged[:12]} do not "
            "have; leave those rows out with --bundle, --since or --until"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """Rows that one bundle has answered, replayed with another.

    Attributes:
        logged: digest of the bundle that answered.
        rows: number of them.
        margins: rows whose margin has other bits than the logged one.
        labels: rows whose label differs; None for a regression.
        moved: how far predictions moved (absolute difference), at each of `QUANTILES`.
        mean: the mean prediction now, less the logged one.
        features: for each feature of both bundles, rows in which it has other bits; None when the
            bundle that answered is not at hand.
        added, removed: features that only one of them has.
        unfaithful: rows to which the bundle that answered gives other bits here than it gave
            then; None when it is not at hand. It must be 0.
    """

    logged: str
    rows: int
    margins: int
    labels: int | None
    moved: tuple[float, ...]
    mean: float
    features: Mapping[str, int] | None
    added: tuple[str, ...]
    removed: tuple[str, ...]
    unfaithful: int | None


def replay(log: pl.LazyFrame, bundle: Bundle, find: Find) -> tuple[Replayed, ...]:
    """Score logged rows with a bundle, and compare with what was answered.

    Args:
        log: what `read_prediction_log` gives.
        bundle: what to score with.
        find: returns the bundle of a digest, or None.

    Returns:
        The outcome for each bundle that has answered, in the order of the log.

    Raises:
        CannotReplay: the bundle takes a column that logged rows do not have.
    """
    known = log.select("bundle").unique(maintain_order=True).collect(engine="in-memory")
    outcomes = []
    for digest in known["bundle"]:
        rows = log.filter(pl.col("bundle") == digest).collect(engine="in-memory")
        before = bundle if digest == bundle.digest else find(digest)
        outcomes.append(_replayed(rows, digest, before, bundle))
    return tuple(outcomes)


def _replayed(rows: pl.DataFrame, digest: str, before: Bundle | None, after: Bundle) -> Replayed:
    own = {column.name for column in (before or after).spec.inputs}
    raw = raw_rows(rows)
    missing = tuple(
        column.name
        for column in after.spec.inputs
        if column.name not in raw.columns or (before is not None and column.name not in own)
    )
    if missing:
        raise CannotReplay(after.name, digest, missing)
    values, found = _scored(after, raw)
    margins, logged = rows["margin"].to_numpy(), rows["prediction"].to_numpy()
    same = None
    features: dict[str, int] | None = None
    added = removed = ()  # type: tuple[str, ...]
    if before is not None:
        old_values, old = (values, found) if before is after else _scored(before, raw)
        same = int((bits(old.margins) != bits(margins)).sum())
        names, old_names = after.spec.names, before.spec.names
        features = {
            name: int((bits(values[:, i]) != bits(old_values[:, old_names.index(name)])).sum())
            for i, name in enumerate(names)
            if name in old_names
        }
        added = tuple(name for name in names if name not in old_names)
        removed = tuple(name for name in old_names if name not in names)
    moved = np.abs(found.values.astype(np.float64) - logged)
    labels = None
    if after.threshold is not None:
        limit = after.threshold if before is None or before.threshold is None else before.threshold
        was, now = logged.astype(np.float64) >= limit, found.values >= np.float64(after.threshold)
        labels = int((was != now).sum())
    return Replayed(
        logged=digest,
        rows=rows.height,
        margins=int((bits(found.margins) != bits(margins)).sum()),
        labels=labels,
        moved=tuple(np.quantile(moved, QUANTILES).tolist()) if rows.height else (0.0,) * 4,
        mean=float(found.values.mean(dtype=np.float64) - logged.mean(dtype=np.float64)),
        features=features,
        added=added,
        removed=removed,
        unfaithful=same,
    )


def _scored(bundle: Bundle, raw: pl.DataFrame) -> tuple[Floats, Prediction]:
    """Return features and predictions of rows, part by part."""
    names = [column.name for column in bundle.spec.inputs]
    parts = raw.select(names).iter_slices(_TOGETHER)
    values = np.concatenate([bundle.matrix(bundle.spec.admitted(p)) for p in parts])
    return values, bundle.booster.predict_values(values)
