"""The same features in other processes: thread counts, hash seeds, CPU features, interpreters.

What a process fixes when it starts (`POLARS_MAX_THREADS`, `PYTHONHASHSEED`, glibc's choice of
maths functions) can only be varied in another one. Guarantee: each process reads spec and frame
from files, computes with both twins and hands back its values; every bit is compared with the
batch twin's here. The limit: ops of one's own must live in a module that the other process can
import, not in the script that is being run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from dagrun.stages.features import FeatureSpec
from dagrun.stages.features.codec import SPEC
from dagrun.stages.proof.compare import Comparison
from dagrun.stages.proof.errors import WorkerFailed
from dagrun.stages.proof.outcome import Proof
from dagrun.stages.proof.ways import SLAB, Slabs

_NO_VECTORS = "glibc.cpu.hwcaps=-AVX512F,-AVX2,-AVX,-FMA,-FMA4"
PROCESSES: Mapping[str, Mapping[str, str]] = {
    "1 thread": {"POLARS_MAX_THREADS": "1", "PYTHONHASHSEED": "1"},
    "2 threads": {"POLARS_MAX_THREADS": "2", "PYTHONHASHSEED": "2"},
}
"""Surroundings whose bits must be the same: thread counts and hash seeds."""
OTHER_LIBM: Mapping[str, Mapping[str, str]] = {
    "no AVX, no FMA": {"GLIBC_TUNABLES": _NO_VECTORS},
}
"""Another choice of glibc's maths functions, as on an older CPU. Float64 results may differ
by their last bit; that float32 features then do is rare, and never seen with the ops here."""
TWINS = ("batch twin", "row twin")


def compare_processes(
    spec: FeatureSpec,
    frame: pl.DataFrame,
    surroundings: Mapping[str, Mapping[str, str]] = PROCESSES,
    *,
    python: str | None = None,
    timeout: float = 3_600.0,
) -> Proof:
    """Compute the features of a frame in other processes and compare all float32 bits.

    Args:
        spec, frame: as for `compare`.
        surroundings: environment variables to set or replace, by a name for the process.
        python: the interpreter, this one by default; its environment must have dagrun.
        timeout: seconds that a process may take.

    Raises:
        WorkerFailed: a process could not be started, took too long or ended with an error.
        BadValue, DtypeMismatch, UnknownColumn: the frame is not one for this spec.
    """
    whole = spec.transform(frame).select(spec.names)
    made = Comparison(spec=spec, frame=frame, whole=whole)
    with tempfile.TemporaryDirectory(prefix="dagrun-proof-") as name:
        folder = Path(name)
        SPEC.dump(spec, folder / "spec")
        frame.select(column.name for column in spec.inputs).write_ipc(folder / "frame")
        write_orders(folder, spec)
        for process, variables in surroundings.items():
            run_module(
                "dagrun.stages.proof.worker",
                [name],
                process,
                python or sys.executable,
                timeout=timeout,
                variables=variables,
            )
            for twin in TWINS if spec.row_exact else TWINS[:1]:
                made.add(f"{process}, {twin}", _slabs(folder / twin, len(spec.names)))
    return made.proof()


def _slabs(path: Path, width: int) -> Slabs:
    bits = np.fromfile(path, np.uint32).reshape(-1, width)
    for start in range(0, len(bits), SLAB):
        yield start, bits[start : start + SLAB]


def write_orders(folder: Path, spec: FeatureSpec) -> None:
    """Write what a process needs beside its files: where to import from, and which ops."""
    modules = sorted({type(step.op).__module__ for step in spec.steps} - {"__main__"})
    orders = {"path": [entry for entry in sys.path if entry], "modules": modules}
    (folder / "orders.json").write_text(json.dumps(orders), "utf-8")


def run_module(
    module: str,
    arguments: Sequence[str],
    name: str,
    python: str,
    *,
    timeout: float,
    variables: Mapping[str, str] | None = None,
) -> None:
    """Run a module in another process. Raises `WorkerFailed` for the process called `name`."""
    surroundings = {**os.environ, **(variables or {})}
    if python != sys.executable:  # its own packages, not those of this one
        for variable in ("PYTHONPATH", "PYTHONHOME"):
            surroundings.pop(variable, None)
    try:
        done = subprocess.run(
            [python, "-P", "-m", module, *arguments],
            env=surroundings,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WorkerFailed(name, str(error)) from error
    if done.returncode:
        raise WorkerFailed(name, (done.stderr.strip().splitlines() or ["no message"])[-1])
