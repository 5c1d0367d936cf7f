"""The other process of `compare_processes`: reads a spec and a frame, writes the twins' bits.

Run as `python -m dagrun.stages.proof.worker FOLDER`.
"""

from __future__ import annotations

import importlib
import json
import random
import sys
from pathlib import Path

import numpy as np
import polars as pl

from dagrun.stages.features.codec import SPEC
from dagrun.stages.proof.ways import COMPUTED, Manner, slabs


def main(folder: Path) -> None:
    """Write `batch twin` and `row twin` into the folder: the bits of all rows, row by row."""
    orders = json.loads((folder / "orders.json").read_text("utf-8"))
    sys.path.extend(entry for entry in orders["path"] if entry not in sys.path)
    for module in orders["modules"]:
        importlib.import_module(module)
    spec = SPEC.load(folder / "spec", None)
    frame = pl.read_ipc(folder / "frame")
    manner = Manner(random.Random(0), 0, "float32")
    whole = slabs(spec.transform(frame).select(spec.names), manner)
    for twin, made in (
        ("batch twin", whole),
        ("row twin", COMPUTED["row twin"](spec, frame, manner)),
    ):
        with (folder / twin).open("wb") as file:
            for _, bits in made:
                np.ascontiguousarray(bits).tofile(file)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
