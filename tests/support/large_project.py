"""A pipeline of three streaming stages over a table of any size, run in a process of its own.

A row has ten cells and about 310 bytes: 20 million rows are 200 million cells and 6 GB. The first
stage makes the rows in the order of `id`; the second wants them in another order, so that they
are sorted on disk; the third changes them in the order that they have.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

BYTES_PER_ROW = 310

PIPELINE = '''
from collections.abc import Iterator

import polars as pl
from polars.io.plugins import register_io_source

from dagrun import stage

STEP = 1 << 16


def batch(start: int, count: int) -> pl.DataFrame:
    """Make rows whose only order is that of `id`."""
    number = pl.int_range(start, start + count, eager=True)
    mixed = number.hash(1)
    frame = pl.DataFrame({"id": number, "k": mixed % 1_000_003, "c": number * 3})
    return frame.with_columns(
        a=pl.col("k") * 0.37,
        b=pl.col("id") % 1009,
        s1=pl.format("customer {} of region {} ({}) by name", mixed, number % 97, number),
        s2=pl.format("street {} house {} floor {} door", mixed % 7919, number % 211, number % 13),
        s3=pl.format("a note about order {} that nobody reads {}", mixed % 104729, number),
        s4=pl.format("{}-{}-{}-identifier", mixed, number, mixed % 977),
        s5=pl.format("category {} of thirty-seven different ones", number % 37),
    )


@stage(order_by="id")
def made(rows: int = 1) -> pl.LazyFrame:
    def batches(*asked: object) -> Iterator[pl.DataFrame]:
        for start in range(0, rows, STEP):
            yield batch(start, min(STEP, rows - start))

    return register_io_source(batches, schema=batch(0, 1).schema)


@stage(order_by=("k", "s5"))
def mixed(made: pl.LazyFrame) -> pl.LazyFrame:
    return made.with_columns(z=pl.col("a") * 2)


@stage
def kept(mixed: pl.LazyFrame) -> pl.LazyFrame:
    return mixed.filter(pl.col("b") != 5).drop("s4").rename({"z": "twice"})
'''

PROGRAM = """
import json, resource, sys, time
from dagrun.cli.main import main
start = time.perf_counter()
code = main(["run", "-p", f"made.rows={sys.argv[1]}"])
seconds = time.perf_counter() - start
status = dict(line.split(":") for line in open("/proc/self/status"))
peak = int(status["VmHWM"].split()[0])  # ru_maxrss counts what the launching process held, too
peak = max(peak, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
print(json.dumps({"code": code, "seconds": seconds, "peak": peak * 1024}))
"""


SMALLER = """
from dagrun.engine.frames import externalsort
from dagrun.engine.frames import streaming
externalsort.RUN_BYTES, externalsort.BLOCK_BYTES, streaming.ROW_GROUP = 16 << 20, 1 << 19, 1 << 14
"""
"""Runs, blocks and row groups for a table of a few hundred megabytes."""


def run_pipeline(root: Path, rows: int, before: str = "") -> dict[str, float]:
    """Run the three stages over so many rows; return exit code, seconds and peak bytes."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "pyproject.toml").touch()
    (root / "pipeline.py").write_text(PIPELINE)
    command = [sys.executable, "-P", "-c", before + PROGRAM, str(rows)]
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer | {"said": done.stdout + done.stderr}
