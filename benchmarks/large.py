"""Three streaming stages over a table of 6 GB (200 million cells): seconds and peak memory.

The pipeline is that of tests/support/large_project.py: one stage makes the rows, one wants them in
another order, one filters what has that order. At a tenth of the size the same three steps are
done by a plain Polars script, which sorts in memory. Peak memory is the largest resident set of
the process, mapped files included.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping

from session import ROOT, Session, is_quick

sys.path.append(str(ROOT / "tests" / "support"))

from large_project import BYTES_PER_ROW, PIPELINE, run_pipeline

SCRATCH = ROOT / "build" / "bench" / "large"
SMALL, FULL = 2_000_000, 20_000_000
PLAIN = """
import json, resource, sys, time
import polars as pl
import pipeline
start = time.perf_counter()
pipeline.made(int(sys.argv[1])).sink_parquet("made", compression_level=1)
made = pl.scan_parquet("made", glob=False)
pipeline.mixed(made).sort("k", "s5").sink_parquet("mixed", compression_level=1)
mixed = pl.scan_parquet("mixed", glob=False)
pipeline.kept(mixed).sink_parquet("kept", compression_level=1)
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"seconds": seconds, "peak": peak}))
"""


def with_dagrun(rows: int) -> Mapping[str, float]:
    shutil.rmtree(SCRATCH / "dagrun", ignore_errors=True)
    answer = run_pipeline(SCRATCH / "dagrun", rows)
    if answer["code"]:
        sys.exit(f"error: the pipeline failed\n{answer['said']}")
    return answer


def with_polars(rows: int) -> Mapping[str, float]:
    folder = SCRATCH / "polars"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "pipeline.py").write_text(PIPELINE, "utf-8")
    (folder / "run.py").write_text(PLAIN, "utf-8")
    command = [sys.executable, "run.py", str(rows)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


def main() -> None:
    """Run the session."""
    quick = is_quick()
    session = Session("large", quick=quick, packages=("dagrun", "polars"))
    for name, run in (("dagrun", with_dagrun), ("polars", with_polars)):
        answers = [run(SMALL) for _ in range(1 if quick else 3)]
        session.record(f"{name} {SMALL:,} rows", [each["seconds"] for each in answers], "s")
        session.record(f"{name} {SMALL:,} peak", [each["peak"] / 1e6 for each in answers], "MB")
    session.ratio("peak: polars / dagrun", f"polars {SMALL:,} peak", f"dagrun {SMALL:,} peak")
    session.ratio("seconds: polars / dagrun", f"polars {SMALL:,} rows", f"dagrun {SMALL:,} rows")
    if not quick:
        answer = with_dagrun(FULL)
        session.record(f"dagrun {FULL:,} rows", [answer["seconds"]], "s")
        session.record(f"dagrun {FULL:,} peak", [answer["peak"] / 1e6], "MB")
        session.record("table", [FULL * BYTES_PER_ROW / 1e6], "MB")
        session.ratio("table / peak", "table", f"dagrun {FULL:,} peak")
    shutil.rmtree(SCRATCH, ignore_errors=True)
    session.finish()


if __name__ == "__main__":
    main()
