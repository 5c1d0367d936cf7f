"""The compiled walk through the trees of a model, and XGBoost's sigmoid.

Guarantee: what is compiled is `walk_source.source`, for the machine that runs it; a function is
compiled once per process and depth of trees, and knows nothing of any model.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import NamedTuple

import llvmlite.binding as llvm

from dagrun.stages.bundle import assembly
from dagrun.stages.bundle.walk_source import source


class Compiled(NamedTuple):
    """Functions of this machine, compiled.

    Attributes:
        walk: takes the address of a `Walk`. It keeps the interpreter's lock, since giving it away
            and taking it back costs more than one row.
        walk_many: the same without the lock, for many rows.
        logit: the margin that stands for a probability, in float32.
        engine: holds the code; it lives as long as this.
    """

    walk: Callable[[int], None]
    walk_many: Callable[[int], None]
    logit: Callable[[float], float]
    engine: llvm.ExecutionEngine


@functools.cache
def compiled(depth: int | None = None) -> Compiled:
    """Compile for this machine, for trees of one depth or else of any; it takes milliseconds."""
    engine, (walk, logit) = assembly.compiled(source(depth), ("walk", "logit"))
    return Compiled(
        walk=ctypes.PYFUNCTYPE(None, ctypes.c_void_p)(walk),
        walk_many=ctypes.CFUNCTYPE(None, ctypes.c_void_p)(walk),
        logit=ctypes.PYFUNCTYPE(ctypes.c_float, ctypes.c_float)(logit),
        engine=engine,
    )
