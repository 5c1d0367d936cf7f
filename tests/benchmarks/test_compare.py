"""The comparison of two benchmark results, run as people run it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "compare.py"
Done = subprocess.CompletedProcess[str]


def ratio(low: float, middle: float, high: float, better: str = "higher") -> dict[str, Any]:
    return {"min": low, "median": middle, "max": high, "rounds": 3, "better": better}


def write(path: Path, ratios: dict[str, Any], **changes: Any) -> Path:
    document = {"format": 1, "bench": path.stem, "quick": False, "ratios": ratios, **changes}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), "utf-8")
    return path


def compare(*arguments: object) -> Done:
    command = [sys.executable, "-P", str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def verdict(tmp_path: Path, old: dict[str, Any], new: dict[str, Any]) -> tuple[int, str]:
    done = compare(
        write(tmp_path / "old" / "engine.json", {"speed": old}),
        write(tmp_path / "new" / "engine.json", {"speed": new}),
    )
    (row,) = [line for line in done.stdout.splitlines() if line.startswith("engine: speed")]
    return done.returncode, row.rpartition("  ")[2]


@pytest.mark.parametrize(
    ("old", "new", "code", "word"),
    [
        (ratio(2.9, 3.0, 3.1), ratio(2.9, 3.0, 3.1), 0, "within the noise"),
        (ratio(2.9, 3.0, 3.1), ratio(2.0, 2.1, 2.2), 1, "worse"),
        (ratio(2.9, 3.0, 3.1), ratio(3.9, 4.0, 4.1), 0, "better"),
        (ratio(2.0, 3.0, 4.0), ratio(1.5, 2.4, 2.5), 0, "within the noise"),
        (ratio(3.00, 3.0, 3.01), ratio(2.97, 2.98, 2.99), 0, "within the noise"),
        (ratio(2.9, 3.0, 3.1, "lower"), ratio(3.9, 4.0, 4.1, "lower"), 1, "worse"),
        (ratio(2.9, 3.0, 3.1, "lower"), ratio(2.0, 2.1, 2.2, "lower"), 0, "better"),
    ],
)
def test_a_ratio_is_worse_only_beyond_the_noise(
    tmp_path: Path, old: dict[str, Any], new: dict[str, Any], code: int, word: str
) -> None:
    assert verdict(tmp_path, old, new) == (code, word)


def test_folders_are_compared_file_by_file(tmp_path: Path) -> None:
    for side, speed in (("old", 3.0), ("new", 1.0)):
        write(tmp_path / side / "engine.json", {"speed": ratio(3, 3, 3)})
        write(tmp_path / side / "serving.json", {"rate": ratio(speed, speed, speed)})
    done = compare(tmp_path / "old", tmp_path / "new")
    assert done.returncode == 1
    assert "1 of 2 ratios got worse" in done.stdout


def test_a_new_ratio_is_welcome_and_a_missing_one_is_not(tmp_path: Path) -> None:
    few = write(tmp_path / "few" / "engine.json", {"a": ratio(1, 1, 1)})
    many = write(tmp_path / "many" / "engine.json", {"a": ratio(1, 1, 1), "b": ratio(1, 1, 1)})
    assert compare(few, many).returncode == 0
    gone = compare(many, few)
    assert gone.returncode == 2
    assert "1 ratios of OLD are missing in NEW" in gone.stderr


def refusal(*arguments: object) -> str:
    done = compare(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    return done.stderr


def test_what_cannot_be_compared_is_refused_with_the_reason(tmp_path: Path) -> None:
    good = write(tmp_path / "good" / "engine.json", {"speed": ratio(1, 1, 1)})
    (tmp_path / "empty").mkdir()
    text = tmp_path / "text.json"
    text.write_text("speed: 3", "utf-8")
    newer = write(tmp_path / "newer" / "engine.json", {}, format=9)
    other = tmp_path / "other.json"
    other.write_text('{"a": 1}', "utf-8")
    partial = write(tmp_path / "partial" / "engine.json", {"speed": {"median": 1}})
    quick = write(tmp_path / "quick" / "engine.json", {"speed": ratio(1, 1, 1)}, quick=True)
    assert "two results are needed" in refusal(good)
    assert "make bench" in refusal(good, tmp_path / "none.json")
    assert "holds no *.json results" in refusal(tmp_path / "empty", good)
    assert "is not JSON" in refusal(good, text)
    assert "is not a benchmark result" in refusal(other, good)
    assert "format 9; this script reads 1" in refusal(good, newer)
    assert "lacks one of better, max, median, min" in refusal(good, partial)
    assert "quick session" in refusal(good, quick)
