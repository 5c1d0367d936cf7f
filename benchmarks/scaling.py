"""dagrun's features at growing sizes: rows, columns and features, in time and memory.

Each size runs in a process of its own, which fits the features and transforms the same frame
with them. `linear` is how the time per row and feature compares with that of the next smaller
size: 1 is linear, more is worse. Memory is the peak above what the process held before the call,
results included (a feature is 4 bytes a row), as Linux counts it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from dagrun.stages.features import (
    Feature,
    FeatureSet,
    affine,
    bucket_fixed,
    cast,
    feature_set,
    impute_stat,
    log1p,
    minmax,
    missing_flag,
    one_hot,
    ordinal,
    standardize,
)
from features import EDGES, FLAGGED, LOGGED, PLAIN, RANGED, SCALED, make_rows
from session import Session, is_quick, seconds

SIZES = {"rows": (100_000, 1_000_000, 10_000_000), "columns": (1, 4, 16), "features": (1, 4, 16)}
QUICK = {"rows": (10_000, 100_000), "columns": (1, 4), "features": (1, 4)}
ROWS = 200_000
REPEATS = 3


def copied(frame: pl.DataFrame, copies: int) -> pl.DataFrame:
    """Return the frame with each column as often as asked, numbered."""
    return pl.DataFrame(
        [column.alias(f"{column.name}_{copy}") for copy in range(copies) for column in frame]
    )


def twenty_five(copy: int, source: Callable[[str], str | Feature]) -> list[object]:
    """Return 25 features; `source` gives the column or feature to read in place of a column."""
    names = [SCALED, LOGGED, FLAGGED, RANGED, PLAIN]
    scaled, logged, flagged, ranged, plain = ([source(one) for one in group] for group in names)
    name = f"{{}}_{copy}"
    return [
        standardize(*scaled),
        log1p(*logged),
        impute_stat(source("pressure"), stat="median"),
        missing_flag(*flagged),
        minmax(*ranged),
        one_hot(source("carrier"), name=name, rare_below=copy * 1e-9),
        ordinal(source("dest"), name=f"{{}}_ordinal_{copy}"),
        bucket_fixed(source("distance"), edges=[edge + copy for edge in EDGES]),
        cast(*plain, name=name),
    ]


def make_case(kind: str, size: int) -> tuple[pl.DataFrame, FeatureSet]:
    """Return the frame and the features of one size."""
    if kind == "rows":
        part = make_rows(min(size, 1_000_000))
        frame = pl.concat([part] * (size // part.height)).rechunk()
        return frame, feature_set(*twenty_five(0, lambda name: name))
    frame = make_rows(ROWS)
    if kind == "columns":
        made = [one for copy in range(size) for one in twenty_five(copy, f"{{}}_{copy}".format)]
        return copied(frame, size), feature_set(*made)

    def changed(copy: int) -> Callable[[str], str | Feature]:
        def source(name: str) -> str | Feature:
            if frame.schema[name] == pl.String:
                return name
            return affine(name, factor=1.0 + copy / 7, name=f"{name}_{copy}")[0]

        return source

    made = [one for copy in range(size) for one in twenty_five(copy, changed(copy))]
    return frame, feature_set(*made)


def peak(action: Callable[[], object]) -> float:
    """Return the memory in MB that a call takes at most, above what the process holds."""
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    action()
    return (_status("VmHWM") - before) / 1024


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1])
    raise RuntimeError(f"this system does not tell {field}")


def run_case(kind: str, size: int, action: str) -> None:
    """Measure one action at one size and print it: seconds and MB."""
    frame, features = make_case(kind, size)
    spec = features.fit(frame.head(20_000))
    spec.transform(frame.head(1_000))
    call = {"transform": lambda: spec.transform(frame), "fit": lambda: features.fit(frame)}[action]
    told = {
        "memory": peak(call),
        "seconds": [seconds(call) for _ in range(REPEATS)],
        "units": frame.height * len(spec.names),
        "frame": frame.estimated_size("mb"),
    }
    print(json.dumps(told))


def scale(session: Session, kind: str, sizes: Sequence[int], action: str) -> None:
    """Run the sizes of one kind, each in a process of its own, and record them."""
    smaller = None
    for size in sizes:
        command = [sys.executable, __file__, "case", kind, str(size), action]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        told = json.loads(done.stdout)
        name = (
            f"{action}, "
            + {
                "rows": f"{size:,} rows",
                "columns": f"{13 * size} columns in {25 * size} features",
                "features": f"{25 * size} features of 13 columns",
            }[kind]
        )
        session.record(f"{name}: time", told["seconds"], "s")
        session.record(f"{name}: memory", [told["memory"]], "MB")
        each = min(told["seconds"]) / told["units"]
        if smaller is not None:
            session.record(f"{name}: linear", [each / smaller], "times")
        smaller = each


def main() -> None:
    """Run the session, or one case of it in its process."""
    if sys.argv[1:2] == ["case"]:
        run_case(sys.argv[2], int(sys.argv[3]), sys.argv[4])
        return
    quick = is_quick()
    session = Session("scaling", quick=quick, packages=("dagrun", "polars", "numpy"))
    for kind, sizes in (QUICK if quick else SIZES).items():
        for action in ("transform", "fit"):
            scale(session, kind, sizes, action)
    session.finish()


if __name__ == "__main__":
    main()
