"""A tree model's margin and prediction for one row, without what XGBoost does around it.

Most of what XGBoost takes for one row is fixed: it is made for many. Here the trees are laid out
as one array and walked by a function of forty instructions, compiled once per process; it knows
nothing of any model.

Guarantee: margins and predictions have the bits of XGBoost's. Leaves are added in float32, in the
order of the trees, and the sigmoid is XGBoost's own, with the host's `expf`. `walker` proves it
against XGBoost on rows that hold every threshold of the model and its neighbour. A model of another
kind, or of which a single bit differs, is left to XGBoost, and `walker` says why.
"""

from __future__ import annotations

import ctypes
import functools
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dagrun.stages.bundle.booster import Float32s, loaded
from dagrun.stages.bundle.walk import DEFAULT_LEFT, LEAF, Task, compiled

NODE = np.dtype([("value", "<f4"), ("feature", "<u4"), ("left", "<u4"), ("right", "<u4")])
"""A node: its threshold, or a leaf's value; its feature; its branches. See `walk`."""
_LOGISTIC = frozenset({"binary:logistic", "reg:logistic"})
_PROBES = 1024
_MODELS_KEPT = 8


class NotWalkable(ValueError):
    """A model that is left to XGBoost; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trees:
    """A model, laid out to be walked. It is never changed and may be shared between threads.

    Attributes:
        nodes: all nodes of all trees, of dtype `NODE`.
        roots: uint32, the number of each tree's first node.
        width: number of features.
        base: the margin before the first tree.
        logistic: whether the prediction is the margin's sigmoid, else it is the margin.
    """

    nodes: npt.NDArray[np.void]
    roots: npt.NDArray[np.uint32]
    width: int
    base: float
    logistic: bool

    def bind(self, row: ctypes.Array[ctypes.c_float]) -> Callable[[], tuple[float, float]]:
        """Return a function that says margin and prediction of what stands in `row`.

        Both are float32 values; NaN in the row is missing. The function owns the memory of its
        result: one thread at a time may use it.
        """
        task = Task(
            nodes=self.nodes.ctypes.data,
            roots=self.roots.ctypes.data,
            row=ctypes.addressof(row),
            trees=len(self.roots),
            base=self.base,
            logistic=self.logistic,
        )
        call = functools.partial(compiled().walk, ctypes.addressof(task))

        def walk(_kept: object = (self, row)) -> tuple[float, float]:
            call()
            return task.margin, task.value

        return walk


@functools.lru_cache(maxsize=_MODELS_KEPT)
def walker(ubj: bytes) -> Trees | NotWalkable:
    """Return the trees of an XGBoost model, proved, or why they are left to XGBoost."""
    model = loaded(ubj, 1)
    try:
        trees = read_trees(json.loads(bytes(model.save_raw("json"))))
    except NotWalkable as error:
        return error
    rows = probes(trees)
    margins = model.inplace_predict(rows, predict_type="margin")
    values = model.inplace_predict(rows, predict_type="value")
    row = (ctypes.c_float * trees.width)()
    walk = trees.bind(row)
    for number, expected in enumerate(zip(margins.tolist(), values.tolist(), strict=True)):
        ctypes.memmove(row, rows[number].ctypes.data, ctypes.sizeof(row))
        if walk() != expected:
            return NotWalkable("XGBoost itself gives other bits")
    return trees


def read_trees(form: Mapping[str, Any]) -> Trees:
    """Lay out the trees of a model's JSON form. Raises `NotWalkable`."""
    learner = form["learner"]
    booster, about = learner["gradient_booster"], learner["learner_model_param"]
    if booster["name"] != "gbtree":
        raise NotWalkable(f"a {booster['name']} model")
    if int(about["num_class"]) > 1 or int(about["num_target"]) > 1:
        raise NotWalkable("a model with several outputs")
    trees, width = booster["model"]["trees"], int(about["num_feature"])
    if any(any(tree["split_type"]) for tree in trees):
        raise NotWalkable("a model with categorical splits")
    laid, roots, first = [], [], 0
    for tree in trees:
        roots.append(first)
        laid.append(_lay_out(tree, first, width))
        first += len(laid[-1])
    logistic = learner["objective"]["name"] in _LOGISTIC
    score = float(about["base_score"].strip("[]"))
    return Trees(
        nodes=np.concatenate([*laid, np.empty(0, NODE)]),
        roots=np.array(roots, np.uint32),
        width=width,
        base=compiled().logit(score) if logistic else score,
        logistic=logistic,
    )


def _lay_out(tree: Mapping[str, Any], first: int, width: int) -> npt.NDArray[np.void]:
    left, right, feature, default_left = (
        np.array(tree[name], np.int64)
        for name in ("left_children", "right_children", "split_indices", "default_left")
    )
    ends, own = left < 0, np.arange(len(left))
    # The walk trusts its nodes, and a bundle can be anyone's.
    forward = (np.minimum(left, right) > own) & (np.maximum(left, right) < len(left))
    if not len(left) or not np.all(ends | (forward & (feature >= 0) & (feature < width))):
        raise NotWalkable("a model with nodes that lead nowhere or back")
    nodes = np.zeros(len(left), NODE)
    nodes["value"] = tree["split_conditions"]
    nodes["feature"] = np.where(ends, LEAF, feature | default_left * DEFAULT_LEFT)
    nodes["left"] = np.where(ends, 0, left + first)
    nodes["right"] = np.where(ends, 0, right + first)
    return nodes


def probes(trees: Trees) -> Float32s:
    """Return rows that hold every threshold, the float32 below each, missing and extreme values.

    The shape is `(rows, features)`; the features take their values in different orders.
    """
    extremes = np.array([math.nan, math.inf, -math.inf, 0.0, -0.0, 1e-45, 3e38, -3e38], np.float32)
    tests = trees.nodes[trees.nodes["feature"] != LEAF]
    feature = tests["feature"] & ~np.uint32(DEFAULT_LEFT)
    columns = []
    for number in range(trees.width):
        at = np.unique(tests["value"][feature == number])
        below = np.nextafter(at, np.float32(-math.inf))
        columns.append(np.concatenate([at, below, extremes]))
    rows = np.empty((max(_PROBES, *map(len, columns), 0), trees.width), np.float32)
    order = np.arange(len(rows))
    for number, column in enumerate(columns):
        rows[:, number] = column[(order * (2 * number + 1) + number) % len(column)]
        rows[: len(column), number] = np.roll(column, number)
    return rows
