"""Parity as a proof: features computed in every way there is, on hard values, compared as bits.

`prove` makes the frames itself (it needs the extra `dagrun[proof]`); `compare` takes yours.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from dagrun.stages.proof.compare import compare
from dagrun.stages.proof.elsewhere import OTHER_LIBM, PROCESSES, compare_processes
from dagrun.stages.proof.errors import ExtraMissing, NothingProved, NotProved, WorkerFailed
from dagrun.stages.proof.outcome import Difference, Proof, combined
from dagrun.stages.proof.random_frame import random_frame
from dagrun.stages.proof.ways import WAYS, Way

if TYPE_CHECKING:
    from dagrun.stages.proof.proving import prove

__all__ = [
    "OTHER_LIBM",
    "PROCESSES",
    "WAYS",
    "Difference",
    "ExtraMissing",
    "NotProved",
    "NothingProved",
    "Proof",
    "Way",
    "WorkerFailed",
    "combined",
    "compare",
    "compare_processes",
    "prove",
    "random_frame",
]
_HOMES = {"prove": "dagrun.stages.proof.proving"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dagrun.stages.proof' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
