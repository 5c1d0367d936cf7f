"""The compiled score of a model in double precision: a weighted sum of features, and trees.

    margin = (base + coefficient * feature, of each feature + leaf, of each tree) / divisor

in that order, one addition after another, in float64; the result is rounded to float32 once, at
the end. The prediction is the margin or `1 / (1 + exp(-margin))`, from the float64 margin.

Guarantee: margin and prediction have the same bits for one row and for many. Eight trees are walked
at once, as `dagrun.stages.bundle.walk_source` does it for XGBoost. Where it ends: nothing is
checked here. The numbers of nodes and features must be those of a model laid out by `double_trees`.
`exp` is that of the host's C library; another one may differ in the last bit of a double.
"""

from __future__ import annotations

import ctypes
import functools
import math
import struct
from collections.abc import Callable
from typing import NamedTuple

import llvmlite.binding as llvm
import numpy as np

from dagrun.stages.bundle import assembly
from dagrun.stages.bundle.assembly import LANES, ROOTS, added, lanes, loaded

NODE = np.dtype([("value", "<f8"), ("feature", "<u4"), ("left", "<u4")])
"""A node: its threshold, or a leaf's value; where its feature stands in a spread row, and where its
left branch stands among the nodes, both in bytes. The right branch is the node after the left one.

A row goes left where its feature is at most the threshold, else right. A spread row holds the
features twice, as float64: first as they are, so that NaN, a missing value, goes right; then with
-inf for NaN, which goes left; and at last -inf once more: what a leaf tests, so that it goes on to
its own left branch, itself."""


class Sum(ctypes.Structure):
    """What `score` is given.

    Attributes:
        nodes: address of all nodes, of dtype `NODE`.
        roots: address of where the trees' first nodes stand, in bytes, uint32, eight a block.
        depths: address of the tests on the longest way through a block, uint32 for each.
        coefficients, fills: addresses of a float64 for each feature: its weight, and what stands
            for it where it is missing.
        rows: address of float32 features, row by row.
        spread: address of memory for `2 * width + 1` float64.
        margins, values: addresses of float32 for the margin and prediction of each row.
        blocks, count, width: numbers of blocks, rows, and features of a row.
        weighted: the number of coefficients: `width`, or 0.
        base, divisor: see the formula above.
        logistic: 1 where the prediction is the margin's sigmoid, 0 where it is the margin.
    """

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("nodes", "roots", "depths", "coefficients")),
        *((name, ctypes.c_void_p) for name in ("fills", "rows", "spread", "margins", "values")),
        *((name, ctypes.c_int64) for name in ("blocks", "count", "width", "weighted")),
        *((name, ctypes.c_double) for name in ("base", "divisor")),
        ("logistic", ctypes.c_int32),
    )


class Compiled(NamedTuple):
    """The function, compiled for this machine.

    Attributes:
        score: takes the address of a `Sum` and keeps the interpreter's lock: for one row.
        score_many: the same without the lock.
        engine: holds the code; it lives as long as this.
    """

    score: Callable[[int], None]
    score_many: Callable[[int], None]
    engine: llvm.ExecutionEngine


@functools.cache
def compiled() -> Compiled:
    """Compile for this machine; it takes some milliseconds."""
    engine, (address,) = assembly.compiled(_SOURCE, ["score"])
    return Compiled(
        score=ctypes.PYFUNCTYPE(None, ctypes.c_void_p)(address),
        score_many=ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address),
        engine=engine,
    )


_LEAST = f"0x{struct.unpack('<Q', struct.pack('<d', -math.inf))[0]:X}"
_STEP = (
    "%threshold@ = load double, ptr %at@",
    "%feature@.at = getelementptr i8, ptr %at@, i64 8",
    "%feature@ = load i32, ptr %feature@.at",
    "%spot@ = zext i32 %feature@ to i64",
    "%x@.at = getelementptr i8, ptr %spread, i64 %spot@",
    "%x@ = load double, ptr %x@.at",
    "%right@ = fcmp ugt double %x@, %threshold@",
    "%left@.at = getelementptr i8, ptr %at@, i64 12",
    "%left@ = load i32, ptr %left@.at",
    "%mask@ = sext i1 %right@ to i32",
    f"%step@ = and i32 %mask@, {NODE.itemsize}",
    "%to@ = add i32 %left@, %step@",
    "%next@ = zext i32 %to@ to i64",
)
_SOURCE = f"""
define void @score(ptr %given) {{
entry:
{loaded(Sum)}
  br label %row
row:
  %number = phi i64 [0, %entry], [%number.next, %answer]
  %row.more = icmp ult i64 %number, %count
  br i1 %row.more, label %start, label %done
start:
  %offset = mul i64 %number, %width
  %features = getelementptr float, ptr %rows, i64 %offset
  %second = getelementptr double, ptr %spread, i64 %width
  %last = getelementptr double, ptr %second, i64 %width
  store double {_LEAST}, ptr %last
  br label %copy
copy:
  %column = phi i64 [0, %start], [%column.next, %copied]
  %column.more = icmp ult i64 %column, %width
  br i1 %column.more, label %copied, label %weigh
copied:
  %from = getelementptr float, ptr %features, i64 %column
  %narrow = load float, ptr %from
  %wide = fpext float %narrow to double
  %missing = fcmp uno double %wide, 0.0
  %lowest = select i1 %missing, double {_LEAST}, double %wide
  %first.at = getelementptr double, ptr %spread, i64 %column
  %second.at = getelementptr double, ptr %second, i64 %column
  store double %wide, ptr %first.at
  store double %lowest, ptr %second.at
  %column.next = add i64 %column, 1
  br label %copy
weigh:
  %term = phi i64 [0, %copy], [%term.next, %weighed]
  %linear = phi double [%base, %copy], [%linear.next, %weighed]
  %term.more = icmp ult i64 %term, %weighted
  br i1 %term.more, label %weighed, label %block
weighed:
  %x.from = getelementptr float, ptr %features, i64 %term
  %x.narrow = load float, ptr %x.from
  %x.wide = fpext float %x.narrow to double
  %fill.at = getelementptr double, ptr %fills, i64 %term
  %fill = load double, ptr %fill.at
  %x.missing = fcmp uno double %x.wide, 0.0
  %x.given = select i1 %x.missing, double %fill, double %x.wide
  %coefficient.at = getelementptr double, ptr %coefficients, i64 %term
  %coefficient = load double, ptr %coefficient.at
  %product = fmul double %coefficient, %x.given
  %linear.next = fadd double %linear, %product
  %term.next = add i64 %term, 1
  br label %weigh
block:
  %place = phi i64 [0, %weigh], [%place.next, %leaves]
  %sum = phi double [%linear, %weigh], [%sum{LANES - 1}, %leaves]
  %block.more = icmp ult i64 %place, %blocks
  br i1 %block.more, label %enter, label %answer
enter:
  %first = mul i64 %place, {LANES}
{lanes(*ROOTS)}
  %depth.at = getelementptr i32, ptr %depths, i64 %place
  %depth = load i32, ptr %depth.at
  br label %level
level:
  %tested = phi i32 [0, %enter], [%tested.next, %test]
{lanes("%here@ = phi i64 [%root@, %enter], [%next@, %test]")}
{lanes("%at@ = getelementptr i8, ptr %nodes, i64 %here@")}
  %level.more = icmp ult i32 %tested, %depth
  br i1 %level.more, label %test, label %leaves
test:
{lanes(*_STEP)}
  %tested.next = add i32 %tested, 1
  br label %level
leaves:
{added("double", "%sum")}
  %place.next = add i64 %place, 1
  br label %block
answer:
  %margin.at = getelementptr float, ptr %margins, i64 %number
  %value.at = getelementptr float, ptr %values, i64 %number
  %margin = fdiv double %sum, %divisor
  %negative = fneg double %margin
  %power = call double @exp(double %negative)
  %denominator = fadd double %power, 1.0
  %sigmoid = fdiv double 1.0, %denominator
  %is.logistic = icmp ne i32 %logistic, 0
  %value = select i1 %is.logistic, double %sigmoid, double %margin
  %margin.narrow = fptrunc double %margin to float
  %value.narrow = fptrunc double %value to float
  store float %margin.narrow, ptr %margin.at
  store float %value.narrow, ptr %value.at
  %number.next = add i64 %number, 1
  br label %row
done:
  ret void
}}

declare double @exp(double)
"""
