"""Bands: robust, silent with too little history, from runs that really ran."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagrun.engine.events import StageResult
from dagrun.engine.history.bands import LEAST, band, find_unusual
from dagrun.engine.history.runids import domain
from dagrun.engine.history.runlog import Runs
from dagrun.engine.store.sealed import seal
from dagrun.engine.store.store import Store

MEASURES = st.lists(st.floats(0, 1e9), min_size=LEAST, max_size=40)


@given(MEASURES, st.sampled_from(["rows", "seconds"]))
def test_the_median_is_always_usual(values: list[float], quantity: str) -> None:
    low, median, high = band(values, quantity)  # type: ignore[arg-type]
    assert 0 <= low <= median <= high


@given(st.floats(10, 1e6), st.floats(0, 1e12))
def test_one_outlier_among_many_does_not_move_the_band(usual: float, outlier: float) -> None:
    low, median, high = band([usual] * 10 + [outlier], "rows")
    assert median == usual
    assert high - low == pytest.approx(2 * max(0.1 * usual, 1.0), rel=1e-6)


def test_the_width_follows_the_spread_and_has_a_floor() -> None:
    assert band([100.0] * 9, "rows") == (90.0, 100.0, 110.0)
    assert band([0.01] * 9, "seconds") == (0.0, 0.01, 1.01)
    low, _, high = band([80.0, 90.0, 100.0, 110.0, 120.0], "rows")
    assert (round(low, 1), round(high, 1)) == (25.9, 174.1)


def history(tmp_path: Path, measures: list[tuple[str, int | None, float]], file: str) -> Runs:
    store = Store.open(tmp_path)
    start = len(list(store.runs.iterdir()))
    for number, (status, rows, seconds) in enumerate(measures, start):
        lines = [
            {"version": 1, "run_id": f"r{number:03}", "file": file},
            {"rows": rows, "seconds": seconds, "stage": "a", "status": status},
            {"status": "done"},
        ]
        run_id = f"r{number:03}"
        data = b"".join(seal(domain(run_id), line) for line in lines)
        (store.runs / f"{run_id}.jsonl").write_bytes(data)
    return Runs(store)


def unusual(runs: Runs, rows: int | None, seconds: float) -> list[tuple[str, float, int]]:
    header = {"run_id": "s", "file": "pipeline.py"}
    (runs._store.runs / "s.jsonl").write_bytes(seal(domain("s"), header))
    result = StageResult(name="a", status="ran", rows=rows, seconds=seconds)
    found = find_unusual(runs, [result], run_id="s")
    return [(each.quantity, each.value, each.runs) for each in found]


def test_what_leaves_its_band_is_found(tmp_path: Path) -> None:
    runs = history(tmp_path, [("ran", 1000 + n, 10.0 + n / 10) for n in range(7)], "pipeline.py")
    assert unusual(runs, 1003, 11.0) == []
    assert unusual(runs, 10, 100.0) == [("rows", 10, 7), ("seconds", 100.0, 7)]
    assert unusual(runs, 2000, 0.1) == [("rows", 2000, 7), ("seconds", 0.1, 7)]
    assert unusual(runs, None, 11.0) == []
    assert find_unusual(runs, [StageResult(name="a", status="hit", rows=1)], run_id="s") == ()


def test_only_runs_that_ran_the_stage_of_this_file_count(tmp_path: Path) -> None:
    history(tmp_path, [("ran", 5, 1.0)] * 9, "other.py")
    history(tmp_path, [("hit", 1000, 0.0), ("failed", None, 1.0)] * 9, "pipeline.py")
    runs = history(tmp_path, [("ran", 1000, 1.0)] * (LEAST - 1), "pipeline.py")
    assert unusual(runs, 1, 100.0) == []
    runs = history(tmp_path, [("ran", 1000, 1.0)], "pipeline.py")
    assert unusual(runs, 1, 100.0) == [("rows", 1, LEAST), ("seconds", 100.0, LEAST)]
