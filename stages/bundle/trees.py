"""A tree model's margin and prediction for one row, without what XGBoost does around it.

Most of what XGBoost takes for one row is fixed: it is made for many. Here the trees are laid out
as one array and walked by a function that is compiled once per process and knows nothing of any
model.

Guarantee: margins and predictions have the bits of XGBoost's. Leaves are added in float32, in the
order of the trees, and the sigmoid is XGBoost's own, with the host's `expf`. `walker` proves it
against XGBoost on rows that hold every threshold of the model and its neighbour. A model of another
kind, or of which a single bit differs, is left to XGBoost, and `walker` says why.
"""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dagrun.stages.bundle.assembly import LANES
from dagrun.stages.bundle.booster import Float32s, Prediction, loaded
from dagrun.stages.bundle.ubjson import read_ubjson
from dagrun.stages.bundle.walk import Compiled, compiled
from dagrun.stages.bundle.walk_layout import NODE, Walk, even

_NOTHING = np.float32(-0.0).view(np.uint32)
"""The one number that changes no sum, not even one of -0.0."""
_SIGN, _HIGHEST = np.uint32(1 << 31), np.uint32(2**32 - 1)
_EVEN_DEPTH = 8
"""Deeper trees have few of the leaves that they could have."""
_LOGISTIC = frozenset({"binary:logistic", "reg:logistic"})
_FLOAT = 4
"""Bytes of a float32."""
_NEAR = 4096
"""Keys of rows that go through the trees together: half of a nearest cache."""
_PROBES = 1024
_MODELS_KEPT = 8


class NotWalkable(ValueError):
    """A model that is left to XGBoost; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trees:
    """A model, laid out to be walked. It is never changed and may be shared between threads.

    Attributes:
        nodes: all nodes of all trees, of dtype `NODE`; the first is a leaf that adds nothing.
        roots: uint32 of shape `(blocks, 8)`, where each tree's first node stands, in bytes; filled
            up with 0.
        depths: uint32 of shape `(blocks,)`, the most tests on any way through a block of trees.
        even: the same trees as if all their leaves were at the greatest depth, of shape `(blocks,)`
            and dtype `walk_layout.even`; None where that is too deep.
        width: number of features.
        base: the margin before the first tree.
        logistic: whether the prediction is the margin's sigmoid, else it is the margin.
    """

    nodes: npt.NDArray[np.void]
    roots: npt.NDArray[np.uint32]
    depths: npt.NDArray[np.uint32]
    even: npt.NDArray[np.void] | None
    width: int
    base: float
    logistic: bool

    def bind(self, row: ctypes.Array[ctypes.c_float]) -> Callable[[], tuple[float, float]]:
        """Return a function that says margin and prediction of what stands in `row`.

        Both are float32 values; NaN in the row is missing. The function owns the memory of its
        result: one thread at a time may use it.
        """
        result = (ctypes.c_float * 2)()
        margin, value = ctypes.addressof(result), ctypes.addressof(result) + 4
        spread = self._spread(1)
        given = self._walk_of(ctypes.addressof(row), spread, 1, margin, value)
        call = functools.partial(self._compiled.walk, ctypes.addressof(given))

        def walk(_kept: object = (self, row, spread, given)) -> tuple[float, float]:
            call()
            return result[0], result[1]

        return walk

    def predict(self, rows: Float32s) -> Prediction:
        """Predict a C-ordered array of shape `(rows, features)` on one thread."""
        margins, values = np.empty(len(rows), np.float32), np.empty(len(rows), np.float32)
        address = margins.ctypes.data, values.ctypes.data
        spread = self._spread(min(len(rows), max(1, _NEAR // (2 * self.width + 1))))
        given = self._walk_of(rows.ctypes.data, spread, len(rows), *address)
        self._compiled.walk_many(ctypes.addressof(given))
        return Prediction(margins, values)

    @property
    def _compiled(self) -> Compiled:
        return compiled(None if self.even is None else _depth(self.depths))

    def _spread(self, together: int) -> npt.NDArray[np.uint32]:
        return np.empty((together, 2 * self.width + 1), np.uint32)

    def _walk_of(
        self, rows: int, spread: npt.NDArray[np.uint32], count: int, margins: int, values: int
    ) -> Walk:
        return Walk(
            nodes=(self.nodes if self.even is None else self.even).ctypes.data,
            roots=self.roots.ctypes.data,
            depths=self.depths.ctypes.data,
            rows=rows,
            spread=spread.ctypes.data,
            margins=margins,
            values=values,
            blocks=len(self.roots),
            count=count,
            width=self.width,
            together=len(spread),
            base=self.base,
            logistic=self.logistic,
        )


@functools.lru_cache(maxsize=_MODELS_KEPT)
def walker(ubj: bytes) -> Trees | NotWalkable:
    """Return the trees of an XGBoost model, proved, or why they are left to XGBoost."""
    model = loaded(ubj, 1)
    try:
        trees = read_trees(read_ubjson(bytes(model.save_raw("ubj"))))
    except NotWalkable as error:
        return error
    rows = probes(trees)
    found = trees.predict(rows)
    for kind, values in (("margin", found.margins), ("value", found.values)):
        expected = model.inplace_predict(rows, predict_type=kind)
        if not np.array_equal(values.view(np.uint32), expected.view(np.uint32)):
            return NotWalkable("XGBoost itself gives other bits")
    return trees


def read_trees(form: Mapping[str, Any]) -> Trees:
    """Lay out the trees of a model's JSON or UBJSON form. Raises `NotWalkable`."""
    learner = form["learner"]
    booster, about = learner["gradient_booster"], learner["learner_model_param"]
    if booster["name"] != "gbtree":
        raise NotWalkable(f"a {booster['name']} model")
    if int(about["num_class"]) > 1 or int(about["num_target"]) > 1:
        raise NotWalkable("a model with several outputs")
    trees, width = booster["model"]["trees"], int(about["num_feature"])
    if any(np.any(tree["split_type"]) for tree in trees):
        raise NotWalkable("a model with categorical splits")
    nothing = np.zeros(1, NODE)
    nothing["value"] = _NOTHING
    nothing["feature"] = 2 * width * _FLOAT
    nodes, firsts, tests = _lay_out(trees, width) if trees else (nothing[:0], 0, 0)
    roots = np.zeros((-(-len(trees) // LANES), LANES), np.uint32)
    depths = np.zeros(roots.size, np.uint32)
    roots.flat[: len(trees)] = firsts
    depths[: len(trees)] = tests
    logistic = learner["objective"]["name"] in _LOGISTIC
    score = float(about["base_score"].strip("[]"))
    nodes = np.concatenate([nothing, nodes])
    depths = depths.reshape(roots.shape).max(axis=1, initial=0)
    return Trees(
        nodes=nodes,
        roots=roots,
        depths=depths,
        even=_evened(nodes, roots, _depth(depths)) if _depth(depths) <= _EVEN_DEPTH else None,
        width=width,
        base=compiled().logit(score) if logistic else score,
        logistic=logistic,
    )


def _lay_out(
    trees: Sequence[Mapping[str, Any]], width: int
) -> tuple[npt.NDArray[np.void], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the nodes of trees, that follow one node, where each tree begins, and its depth."""
    sizes = np.array([len(tree["left_children"]) for tree in trees])
    tree_of = np.repeat(np.arange(len(trees)), sizes)
    starts = np.cumsum(sizes) - sizes

    def all_of(name: str, dtype: type) -> npt.NDArray[Any]:
        return np.concatenate([np.asarray(tree[name], dtype) for tree in trees])

    left, right, feature = (
        all_of(name, np.int64) for name in ("left_children", "right_children", "split_indices")
    )
    default_left = all_of("default_left", bool)
    ends, own = left < 0, np.arange(len(left)) - starts[tree_of]
    # The walk trusts its nodes, and a bundle can be anyone's.
    forward = (np.minimum(left, right) > own) & (np.maximum(left, right) < sizes[tree_of])
    if not np.all(sizes) or not np.all(ends | (forward & (feature >= 0) & (feature < width))):
        raise NotWalkable("a model with nodes that lead nowhere or back")
    values = all_of("split_conditions", np.float32)
    # Level by level, so that the branches of a node stand side by side.
    branches = np.column_stack([left, right]) + starts[tree_of, np.newaxis]
    levels, level, tests, found = [], starts, np.full(len(trees), -1), 0
    while len(level):
        levels.append(level)
        tests[tree_of[level]] += 1
        if (found := found + len(level)) > len(left):
            raise NotWalkable("a model with nodes of two parents")
        level = branches[level[~ends[level]]].ravel()
    order = np.concatenate(levels)
    order = order[np.argsort(tree_of[order], kind="stable")]
    counts = np.bincount(tree_of[order], minlength=len(trees))
    if np.any(counts > sizes):
        raise NotWalkable("a model with nodes of two parents")
    firsts = 1 + np.cumsum(counts) - counts
    inner, laid = ~ends[order], tree_of[order]
    before = np.concatenate([[0], np.cumsum(inner)])[firsts - 1]
    branch = firsts[laid] + 2 * (np.cumsum(inner) - before[laid]) - 1
    nodes = np.zeros(len(order), NODE)
    values = values[order]
    # A row goes left where its key is below the threshold's: at most the one before it.
    nodes["value"] = np.where(inner, _keys(values) - 1, values.view(np.uint32))
    spot = np.where(inner, (feature + default_left * width)[order], 2 * width)
    nodes["feature"] = spot * _FLOAT
    nodes["left"] = np.where(inner, branch, np.arange(len(order)) + 1) * NODE.itemsize
    return nodes, firsts * NODE.itemsize, tests


def _depth(depths: npt.NDArray[np.uint32]) -> int:
    return int(depths.max(initial=0))


def _evened(
    nodes: npt.NDArray[np.void], roots: npt.NDArray[np.uint32], depth: int
) -> npt.NDArray[np.void]:
    """Return trees with all leaves at one depth: a leaf above it goes on to the left."""
    blocks = np.zeros(len(roots), even(depth))
    here = roots[:, :, np.newaxis] // NODE.itemsize
    for level in range(depth):
        found = nodes[here]
        left = found["left"] // NODE.itemsize
        ends = left == here
        tests = blocks["tests"][:, :, 1 << level : 2 << level]
        tests["value"] = np.where(ends, _HIGHEST, found["value"])
        tests["feature"] = found["feature"]
        here = np.stack([left, left + ~ends], axis=-1).reshape(*roots.shape, -1)
    blocks["leaves"] = nodes[here]["value"].view(np.float32)
    return blocks


def _keys(values: Float32s) -> npt.NDArray[np.uint32]:
    """Return the keys of thresholds. One that is NaN, which nothing is below, gets the lowest but
    one: that of a missing value, which may be sent left, is below it."""
    bits = (values + np.float32(0.0)).view(np.uint32)  # 0.0 and -0.0 are one threshold
    keys = np.where(bits & _SIGN, ~bits, bits | _SIGN)
    return np.where(np.isnan(values), np.uint32(1), keys)


def _thresholds(keys: npt.NDArray[np.uint32]) -> Float32s:
    """Return the values behind keys."""
    return np.where(keys & _SIGN, keys ^ _SIGN, ~keys).view(np.float32)


def probes(trees: Trees) -> Float32s:
    """Return rows that hold every threshold, the float32 below each, missing and extreme values.

    The shape is `(rows, features)`; the features take their values in different orders.
    """
    extremes = np.array([math.nan, math.inf, -math.inf, 0.0, -0.0, 1e-45, 3e38, -3e38], np.float32)
    spot = trees.nodes["feature"] // _FLOAT
    tests = trees.nodes[spot < 2 * trees.width]
    feature = spot[spot < 2 * trees.width] % max(trees.width, 1)
    columns = []
    for number in range(trees.width):
        at = np.unique(_thresholds(tests["value"][feature == number] + np.uint32(1)))
        below = np.nextafter(at, np.float32(-math.inf))
        columns.append(np.concatenate([at, below, extremes]))
    rows = np.empty((max(_PROBES, *map(len, columns), 0), trees.width), np.float32)
    order = np.arange(len(rows))
    for number, column in enumerate(columns):
        rows[:, number] = column[(order * (2 * number + 1) + number) % len(column)]
        rows[: len(column), number] = np.roll(column, number)
    return rows
