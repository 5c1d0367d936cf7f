"""The compiled walk over the nodes of a tree model, and XGBoost's sigmoid.

Guarantee: leaves are added in float32, in the order of the trees; the sigmoid is computed in
float32 with the host's `expf`, as XGBoost computes it. Where it ends: nothing is checked here. The
numbers of nodes and features must be those of a model that was read by `trees`.
"""

from __future__ import annotations

import ctypes
import functools
import struct
from collections.abc import Callable
from typing import NamedTuple

import llvmlite.binding as llvm
import numpy as np

LEAF, DEFAULT_LEFT = 0xFFFFFFFF, 0x80000000
"""In place of a feature's number, and added to it."""

_WALK = """
%task = type {ptr, ptr, ptr, i64, float, i32, float, float}
define void @walk(ptr %task) {
entry:
  %nodes = load ptr, ptr %task
  %roots.at = getelementptr %task, ptr %task, i64 0, i32 1
  %roots = load ptr, ptr %roots.at
  %row.at = getelementptr %task, ptr %task, i64 0, i32 2
  %row = load ptr, ptr %row.at
  %trees.at = getelementptr %task, ptr %task, i64 0, i32 3
  %trees = load i64, ptr %trees.at
  %base.at = getelementptr %task, ptr %task, i64 0, i32 4
  %base = load float, ptr %base.at
  %logistic.at = getelementptr %task, ptr %task, i64 0, i32 5
  %logistic = load i32, ptr %logistic.at
  %margin.at = getelementptr %task, ptr %task, i64 0, i32 6
  %value.at = getelementptr %task, ptr %task, i64 0, i32 7
  br label %tree
tree:
  %number = phi i64 [0, %entry], [%following, %leaf]
  %margin = phi float [%base, %entry], [%sum, %leaf]
  %more = icmp ult i64 %number, %trees
  br i1 %more, label %root, label %done
root:
  %at = getelementptr i32, ptr %roots, i64 %number
  %first = load i32, ptr %at
  br label %node
node:
  %place = phi i32 [%first, %root], [%next, %test]
  %wide = zext i32 %place to i64
  %here = getelementptr {float, i32, i32, i32}, ptr %nodes, i64 %wide
  %value = load float, ptr %here
  %feature.at = getelementptr i8, ptr %here, i64 4
  %feature = load i32, ptr %feature.at
  %ends = icmp eq i32 %feature, -1
  br i1 %ends, label %leaf, label %test
test:
  %index = and i32 %feature, 2147483647
  %column = zext i32 %index to i64
  %x.at = getelementptr float, ptr %row, i64 %column
  %x = load float, ptr %x.at
  %missing = fcmp uno float %x, 0.0
  %default.left = icmp slt i32 %feature, 0
  %below = fcmp olt float %x, %value
  %goes.left = select i1 %missing, i1 %default.left, i1 %below
  %offset = select i1 %goes.left, i64 8, i64 12
  %next.at = getelementptr i8, ptr %here, i64 %offset
  %next = load i32, ptr %next.at
  br label %node
leaf:
  %sum = fadd float %margin, %value
  %following = add i64 %number, 1
  br label %tree
done:
  store float %margin, ptr %margin.at
  %is.logistic = icmp ne i32 %logistic, 0
  br i1 %is.logistic, label %sigmoid, label %plain
plain:
  store float %margin, ptr %value.at
  ret void
sigmoid:
  %negative = fneg float %margin
  %large = fcmp olt float %negative, BOUND
  %bounded = select i1 %large, float %negative, float BOUND
  %power = call float @expf(float %bounded)
  %denominator = fadd float %power, 1.0
  %probability = fdiv float 1.0, %denominator
  store float %probability, ptr %value.at
  ret void
}
define float @logit(float %score) {
  %inverse = fdiv float 1.0, %score
  %odds = fsub float %inverse, 1.0
  %log = call float @logf(float %odds)
  %margin = fneg float %log
  ret float %margin
}
declare float @expf(float)
declare float @logf(float)
"""
"""XGBoost clips `-margin` at 88.7 and adds 1e-16 to the denominator (src/common/math.h,
`Sigmoid`); the denominator is at least 1, where float32 cannot tell."""


class Task(ctypes.Structure):
    """What `walk` is given, and where it leaves its result."""

    _fields_ = (
        ("nodes", ctypes.c_void_p),
        ("roots", ctypes.c_void_p),
        ("row", ctypes.c_void_p),
        ("trees", ctypes.c_int64),
        ("base", ctypes.c_float),
        ("logistic", ctypes.c_int32),
        ("margin", ctypes.c_float),
        ("value", ctypes.c_float),
    )


class Compiled(NamedTuple):
    """Functions of this machine: `walk` takes the address of a `Task`."""

    engine: llvm.ExecutionEngine  # the code lives as long as this
    walk: Callable[[int], None]
    logit: Callable[[float], float]


@functools.cache
def compiled() -> Compiled:
    """Compile for this machine, in some milliseconds.

    The functions keep the interpreter's lock: they take microseconds, and giving the lock away
    and taking it back would cost more.
    """
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly(_WALK.replace("BOUND", _BOUND))
    machine = llvm.Target.from_default_triple().create_target_machine(opt=3)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    walk = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)
    logit = ctypes.PYFUNCTYPE(ctypes.c_float, ctypes.c_float)
    return Compiled(
        engine,
        walk(engine.get_function_address("walk")),
        logit(engine.get_function_address("logit")),
    )


_BOUND = f"0x{struct.unpack('<Q', struct.pack('<d', np.float32(88.7)))[0]:X}"
"""88.7 as a float32, written as LLVM writes floats: the bits of the double."""
