"""What the compiled walk reads: trees and rows, laid out in memory.

Guarantee: `walk_source` is written for these layouts and no others; `trees` fills them.
"""

from __future__ import annotations

import ctypes

import numpy as np

from dagrun.stages.bundle.assembly import LANES

NODE = np.dtype([("value", "<u4"), ("feature", "<u4"), ("left", "<u4")])
"""A node: the key of the highest value that goes left, or a leaf's float32; where its feature
stands in a spread row, and where its left branch stands among the nodes, both in bytes. The right
branch is the node after the left one.

Keys are whole numbers in the order of the float32 values that they stand for, as comparing them
takes fewer steps. A spread row holds the features' keys twice, first with the highest key for a
missing value, which goes right; then with the lowest, which goes left; and at last the lowest once
more: what a leaf tests, so that it goes on to its own left branch, itself. So neither a missing
value nor a leaf needs a test of its own."""
TEST = np.dtype([("value", "<u4"), ("feature", "<u4")])
"""The same without branches, for trees of one depth. A tree has places from 1 on, and the branches
of place `n` are `2 * n` and `2 * n + 1`."""


def even(depth: int) -> np.dtype[np.void]:
    """Return what eight trees of one depth are laid out as: their tests, then their leaves.

    The test of place `n` is the `n`-th, there is none of place 0; the leaf of place `n` is the
    one `2**depth` before the `n`-th.
    """
    shape = (LANES, 1 << depth)
    return np.dtype([("tests", TEST, shape), ("leaves", "<f4", shape)])


class Walk(ctypes.Structure):
    """What `walk` is given.

    Attributes:
        nodes: address of all nodes, of dtype `NODE`; or of blocks of trees of dtype `even`.
        roots: address of where the trees' first nodes stand, in bytes, uint32, eight for each
            block of trees. Trees of one depth need none.
        depths: address of the tests on the longest way through a block, uint32 for each. Trees of
            one depth need none.
        rows: address of float32 features, row by row.
        spread: address of memory for `2 * width + 1` keys, uint32, for each of the rows `together`.
        margins, values: addresses of float32 for the margin and prediction of each row.
        blocks, count, width: numbers of blocks, rows, and features of a row.
        together: rows that go through a block of trees before the next block is looked at, at
            least 1: their nodes are still in the nearest cache then.
        base: the margin before the first tree.
        logistic: 1 where the prediction is the margin's sigmoid, 0 where it is the margin.
    """

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("nodes", "roots", "depths", "rows", "spread")),
        *((name, ctypes.c_void_p) for name in ("margins", "values")),
        *((name, ctypes.c_int64) for name in ("blocks", "count", "width", "together")),
        ("base", ctypes.c_float),
        ("logistic", ctypes.c_int32),
    )
