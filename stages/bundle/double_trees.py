"""Trees with float64 thresholds and leaves, checked and laid out to be walked.

Guarantee: what `lay_out` returns can be walked without leaving it: every branch leads forward to a
node of its own tree that no other node leads to, every feature exists, every leaf is finite.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from dagrun.stages.bundle.assembly import LANES
from dagrun.stages.bundle.double_walk import NODE

_DOUBLE = 8
"""Bytes of a float64."""
COLUMNS: dict[str, type[pl.DataType]] = {
    "tree": pl.Int32,
    "feature": pl.Int32,
    "value": pl.Float64,
    "missing_left": pl.Boolean,
    "left": pl.Int32,
    "right": pl.Int32,
}
"""The columns of a table of nodes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Laid:
    """Trees, laid out.

    Attributes:
        nodes: all nodes of all trees, of dtype `NODE`; the first is a leaf that adds nothing.
        roots: uint32 of shape `(blocks, 8)`, where each tree's first node stands, in bytes; filled
            up with 0.
        depths: uint32 of shape `(blocks,)`, the most tests on any way through a block of trees.
    """

    nodes: npt.NDArray[np.void]
    roots: npt.NDArray[np.uint32]
    depths: npt.NDArray[np.uint32]


def lay_out(table: pl.DataFrame | None, width: int) -> Laid:
    """Lay out a table of nodes, tree after tree, for rows of `width` features.

    Raises `ValueError` for a table that cannot be walked.
    """
    if table is not None and dict(table.schema) != COLUMNS:
        raise ValueError(f"nodes with columns {dict(table.schema)}")
    if table is not None and table.height >= 2**32 // NODE.itemsize:
        raise ValueError(f"{table.height:,} nodes, more than can be counted in bytes")
    parts = [] if table is None else table.partition_by("tree", maintain_order=True)
    nothing = np.zeros(1, NODE)
    nothing["value"] = -0.0  # the one number that changes no sum, not even one of -0.0
    nothing["feature"] = 2 * width * _DOUBLE
    laid = [nothing]
    roots = np.zeros((-(-len(parts) // LANES), LANES), np.uint32)
    depths = np.zeros(roots.size, np.uint32)
    first = 1
    for number, part in enumerate(parts):
        roots.flat[number] = first * NODE.itemsize
        nodes, depths[number] = _tree(part, first, width)
        laid.append(nodes)
        first += len(nodes)
    return Laid(
        nodes=np.concatenate(laid),
        roots=roots,
        depths=depths.reshape(roots.shape).max(axis=1, initial=0),
    )


def _tree(part: pl.DataFrame, first: int, width: int) -> tuple[npt.NDArray[np.void], int]:
    """Return a tree's nodes, whose numbers begin with `first`, and its depth."""
    if part.null_count().sum_horizontal()[0]:
        raise ValueError("nodes with nulls")
    left, right, feature = (part[name].to_numpy().astype(np.int64) for name in _WHOLE)
    values = part["value"].to_numpy()
    ends, own = feature < 0, np.arange(len(part))
    # The walk trusts its nodes, and a bundle can be anyone's.
    forward = (np.minimum(left, right) > own) & (np.maximum(left, right) < len(own))
    if not np.all(ends | (forward & (feature < width))):
        raise ValueError("nodes that lead nowhere or back")
    if np.isnan(values).any() or not np.isfinite(values[ends]).all():
        raise ValueError("nodes with values that are no numbers")
    # Level by level, so that the branches of a node stand side by side.
    levels, level, found = [], np.array([0]), 0
    while len(level):
        levels.append(level)
        if (found := found + len(level)) > len(own):
            raise ValueError("nodes of two parents")
        inner = level[~ends[level]]
        level = np.column_stack([left[inner], right[inner]]).ravel()
    order = np.concatenate(levels)
    ends, place = ends[order], np.arange(len(order))
    nodes = np.zeros(len(order), NODE)
    nodes["value"] = values[order]
    spot = feature[order] + part["missing_left"].to_numpy()[order] * width
    nodes["feature"] = np.where(ends, 2 * width, spot) * _DOUBLE
    branch = np.where(ends, place, 2 * np.cumsum(~ends) - 1)
    nodes["left"] = (branch + first) * NODE.itemsize
    return nodes, len(levels) - 1


_WHOLE = ("left", "right", "feature")
