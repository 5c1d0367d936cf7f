"""Compare two results of the benchmarks: python -P benchmarks/compare.py OLD NEW

OLD and NEW are result files, or folders of them. A ratio got worse when its median did, by more
than 5 % and by more than the noise: the best round of NEW is worse than the worst round of OLD.
Between two noisy sessions a real loss can hide; it is then called "within the noise", not better.

Exit codes: 0 nothing got worse, 1 something did, 2 the two cannot be compared.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

KNOWN_FORMAT = 1
LEAST_CHANGE = 0.05
FIELDS = {"median", "min", "max", "better"}
Sessions = Mapping[str, Mapping[str, Any]]


def refuse(message: str) -> NoReturn:
    """End with exit code 2 and a message that says what is wrong with the input."""
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(2)


def read_session(path: Path) -> Mapping[str, Any]:
    """Read one result file."""
    try:
        document = json.loads(path.read_text("utf-8"))
    except OSError as error:
        refuse(f"cannot read {path}: {error.strerror}. Write results with: make bench")
    except ValueError as error:
        refuse(f"{path} is not JSON: {error}")
    if not isinstance(document, dict) or not {"format", "bench", "ratios"} <= document.keys():
        refuse(f"{path} is not a benchmark result: it has no format, bench and ratios")
    if document["format"] != KNOWN_FORMAT:
        refuse(f"{path} has format {document['format']!r}; this script reads {KNOWN_FORMAT}")
    for name, ratio in document["ratios"].items():
        if not isinstance(ratio, dict) or not ratio.keys() >= FIELDS:
            refuse(f"{path}: ratio {name!r} lacks one of {', '.join(sorted(FIELDS))}")
    return document


def read(path: Path) -> Sessions:
    """Read a result file, or every result file of a folder, by benchmark name."""
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        refuse(f"{path} holds no *.json results. Write them with: make bench or make bench-quick")
    return {session["bench"]: session for session in map(read_session, files)}


def judge(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Return 'worse', 'better', or 'within the noise' for one ratio."""
    if old["better"] == "higher":
        gain = new["median"] / old["median"] - 1
        fell, rose = new["max"] < old["min"], new["min"] > old["max"]
    else:
        gain = old["median"] / new["median"] - 1
        fell, rose = new["min"] > old["max"], new["max"] < old["min"]
    if fell and gain < -LEAST_CHANGE:
        return "worse"
    return "better" if rose and gain > LEAST_CHANGE else "within the noise"


def show(ratio: Mapping[str, Any] | None) -> str:
    """Write a ratio as `median (min .. max)`."""
    if ratio is None:
        return "-"
    return f"{ratio['median']:.3g} ({ratio['min']:.3g} .. {ratio['max']:.3g})"


def compare(old: Sessions, new: Sessions) -> list[tuple[str, str, str, str]]:
    """Return `(ratio, old, new, verdict)` for every ratio of either side."""
    rows = []
    for bench in sorted({*old, *new}):
        before, after = (side.get(bench, {}).get("ratios", {}) for side in (old, new))
        if bench in old and bench in new and old[bench].get("quick") != new[bench].get("quick"):
            refuse(f"{bench}: one side is a quick session and the other is not; sizes differ")
        for name in sorted({*before, *after}):
            was, now = before.get(name), after.get(name)
            verdict = judge(was, now) if was and now else "gone" if was else "new"
            rows.append((f"{bench}: {name}", show(was), show(now), verdict))
    return rows


def main(arguments: list[str]) -> int:
    """Print the table and return the exit code."""
    if len(arguments) != 2:
        refuse("two results are needed: python -P benchmarks/compare.py OLD NEW")
    rows = compare(read(Path(arguments[0])), read(Path(arguments[1])))
    if not rows:
        refuse("neither side holds a ratio")
    table = [("ratio", "old", "new", "verdict"), *rows]
    widths = [max(len(row[column]) for row in table) for column in range(4)]
    for row in table:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
    verdicts = [verdict for *_, verdict in rows]
    if "worse" in verdicts:
        print(f"{verdicts.count('worse')} of {len(rows)} ratios got worse")
        return 1
    if "gone" in verdicts:
        refuse(f"{verdicts.count('gone')} ratios of OLD are missing in NEW")
    print("no ratio got worse")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
