"""A frame committed to the store and read back, against a plain Parquet write and read of Polars.

Polars writes with its default settings and syncs nothing. dagrun digests the frame's values and the
file's bytes, syncs file, folder and entry to the disk, and on reading hashes every byte before it
is decoded. Each round writes new files, which both read from the page cache; every frame that is
read is compared with the one that was written, outside the clock.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import polars as pl

from dagrun.engine.store.entries import Entry
from dagrun.engine.store.store import Store
from session import ROOT, Session, is_quick

KEY = "ab" * 32
BYTES_A_ROW = 66
"""What a row of `make_frame` takes in memory, about."""


def make_frame(rows: int) -> pl.DataFrame:
    """Make a table of the usual kinds of columns: measures, counts, names, times, flags."""
    random = np.random.default_rng(7)
    places = np.array([f"place-{number:03}" for number in range(300)])
    start = np.datetime64("2026-01-01T00:00:00", "us")
    return pl.DataFrame(
        {
            "measure": random.normal(size=rows),
            "price": random.gamma(2.0, 500.0, rows).round(2),
            "ratio": random.uniform(size=rows),
            "small": random.normal(size=rows).astype(np.float32),
            "count": random.integers(0, 1000, rows),
            "id": np.arange(rows),
            "code": random.integers(0, 50, rows, dtype=np.int32),
            "place": places[random.integers(0, 300, rows)],
            "at": start + random.integers(0, 10**12, rows),
            "flag": random.integers(0, 2, rows).astype(bool),
        }
    ).with_columns(pl.when(pl.col("flag")).then("ratio").alias("ratio"))


def timed(
    frame: pl.DataFrame,
    write: Callable[[Path], object],
    read: Callable[[Path], pl.DataFrame],
) -> Callable[[], Mapping[str, float]]:
    """Return a contender that writes into a fresh folder and reads from it."""

    def run() -> Mapping[str, float]:
        folder = Path(tempfile.mkdtemp(dir=ROOT / "build/bench"))
        # What others have left to be written is not to be paid for here.
        os.sync()
        start = time.perf_counter()
        write(folder)
        written = time.perf_counter()
        found = read(folder)
        end = time.perf_counter()
        assert found.equals(frame)
        shutil.rmtree(folder)
        return {"write": written - start, "read": end - written, "both": end - start}

    return run


def main() -> None:
    """Run the session."""
    quick = is_quick()
    session = Session("store", quick=quick, packages=("dagrun", "polars", "blake3"))
    frame = make_frame((100_000_000 if quick else 1_000_000_000) // BYTES_A_ROW)
    print(f"  {frame.height:,} rows x {frame.width} columns, {frame.estimated_size():,} bytes")

    def commit(folder: Path) -> None:
        store = Store.open(folder)
        outputs = {"frame": store.dump(frame)}
        with store.lock(KEY) as claim:
            store.commit(claim, Entry(key=KEY, stage="frame", preimage={}, outputs=outputs), {})

    def load(folder: Path) -> pl.DataFrame:
        store = Store.open(folder)
        entry = store.find(KEY)
        assert entry is not None
        found = store.load(entry.outputs["frame"])
        assert isinstance(found, pl.DataFrame)
        return found

    contenders = {
        "dagrun": timed(frame, commit, load),
        "polars": timed(
            frame,
            lambda folder: frame.write_parquet(folder / "frame.parquet"),
            lambda folder: pl.read_parquet(folder / "frame.parquet"),
        ),
    }
    (ROOT / "build/bench").mkdir(parents=True, exist_ok=True)
    for contender in contenders.values():
        contender()  # the first time pays for imports and for memory from the system
    session.rounds(contenders, count=7 if quick else 9, unit="s")
    for measure in ("both", "write", "read"):
        session.ratio(
            f"{measure}: dagrun / polars", f"dagrun {measure}", f"polars {measure}", better="lower"
        )
    session.finish()


if __name__ == "__main__":
    main()
