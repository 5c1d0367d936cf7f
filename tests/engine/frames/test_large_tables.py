"""Three streaming stages over a table larger than the memory they take."""

import os
from pathlib import Path

import polars as pl
import pytest
from large_project import BYTES_PER_ROW, SMALLER, run_pipeline

SOAK = bool(os.environ.get("DAGRUN_SOAK"))
ROWS = 20_000_000 if SOAK else 2_500_000
MOST = 1_500_000_000


@pytest.mark.timeout(7200)
def test_memory_is_bounded(tmp_path: Path) -> None:
    answer = run_pipeline(tmp_path, ROWS, "" if SOAK else SMALLER)
    assert answer["code"] == 0, answer["said"]
    assert answer["peak"] <= min(MOST, ROWS * BYTES_PER_ROW), answer
    for path in (tmp_path / ".dagrun" / "blobs").glob("*/*"):
        if path.stat().st_size > ROWS:
            stored = pl.scan_parquet(path)
            if "z" in stored.collect_schema():
                keys = stored.select("k", "s5").collect()
                break
    assert keys.height == ROWS
    assert keys.equals(keys.sort("k", "s5"))
