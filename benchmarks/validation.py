"""Validation: 30 rules over 10 million rows of 20 columns, beside the same aggregates by hand.

`dagrun` is `check_table` on a scanned Parquet file with a contract of 30 rules; `polars` one query
that scans it and computes the same 30 aggregates, written by hand, which says nothing of what they
mean. pandera and great-expectations hold the same file against the same rules, each in an
environment of its own, as their manuals do it: pandera on a Polars frame, great-expectations on a
pandas one. Reading the file is part of every figure; starting the process and importing is not.
Every contender must find the table good, and one with a planted fault bad.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import polars as pl

from dagrun.stages.validate import Contract, check_table
from environments import prepare
from session import ROOT, Session, is_quick, seconds

SCRATCH = ROOT / "build" / "bench" / "validation"
PEERS = Path(__file__).parent / "validation_peers"
CARRIERS = ["9E", "AA", "B6", "DL", "EV", "MQ", "UA", "US", "WN"]
ORIGINS = ["EWR", "JFK", "LGA"]
RANGES = {
    "flight": (1, 9_999),
    "distance": (1, 6_000),
    "air_time": (0, 1_500),
    "dep_delay": (-200, 3_000),
    "arr_delay": (-200, 3_000),
    "temp": (-60, 130),
    "seats": (1, 900),
}
WHOLE = ("flight", "distance", "seats")
CONTRACT = """
[columns]
id = { dtype = "integer", nullable = false, min = 0, unique = true }
carrier = { dtype = "string", nullable = false, allowed = CARRIERS }
origin = { dtype = "string", allowed = ORIGINS }
dest = { dtype = "string", pattern = "^[A-Z]{3}$" }
tail = { dtype = "string", pattern = "^N[0-9]{4}$", max_null_share = 0.01 }
flight = { dtype = "integer", nullable = false, min = 1, max = 9_999 }
distance = { dtype = "integer", min = 1, max = 6_000 }
air_time = { dtype = "float", min = 0, max = 1_500, max_null_share = 0.05 }
dep_delay = { dtype = "float", min = -200, max = 3_000 }
arr_delay = { dtype = "float", min = -200, max = 3_000 }
temp = { dtype = "float", min = -60, max = 130 }
wind = { dtype = "float", nullable = false, min = 0 }
seats = { dtype = "integer", min = 1, max = 900 }
day = { dtype = "date", min = 2013-01-01, max = 2013-12-31 }
cancelled = { dtype = "bool", nullable = false }
""".replace("CARRIERS", json.dumps(CARRIERS)).replace("ORIGINS", json.dumps(ORIGINS))
RULES = 30


def make_table(rows: int) -> pl.DataFrame:
    """Return the table: 15 columns with rules and 5 without, two with nulls."""
    draw = np.random.default_rng(1)

    def text(choices: list[str]) -> pl.Series:
        return pl.Series(choices).gather(draw.integers(0, len(choices), rows))

    columns: dict[str, object] = {"id": draw.permutation(rows), "carrier": text(CARRIERS)}
    columns |= {"origin": text(ORIGINS)}
    columns |= {"dest": text([f"{a}{b}X" for a in "ABCDEFGHIJ" for b in "KLMNOPQRST"])}
    columns |= {"tail": text([f"N{n:04}" for n in range(4_000)])}
    for name, (low, high) in RANGES.items():
        values = draw.uniform(low, high, rows)
        columns[name] = values.astype(np.int64) if name in WHOLE else values
    columns |= {"wind": draw.gamma(2, 5, rows), "cancelled": draw.random(rows) < 0.02}
    start = np.datetime64("2013-01-01")
    columns |= {"day": start + draw.integers(0, 365, rows).astype("timedelta64[D]")}
    columns |= {f"extra{n}": draw.normal(size=rows) for n in range(5)}
    holes = {"tail": 200, "air_time": 40}
    row = pl.arange(0, pl.len())
    return pl.DataFrame(columns).with_columns(
        pl.when(row % each != 0).then(name).alias(name) for name, each in holes.items()
    )


def by_hand(path: Path) -> dict[str, int]:
    """Compute the aggregates of the 30 rules in one query."""
    c = pl.col
    day = [c("day").min(), c("day").max().alias("day max")]
    query = pl.scan_parquet(path).select(
        pl.len().alias("rows"),
        *(c(n).null_count().alias(f"{n} nulls") for n in ("id", "carrier", "flight", "wind")),
        *(c(n).null_count().alias(f"{n} nulls") for n in ("cancelled", "tail", "air_time")),
        (c("id") < 0).sum().alias("id min"),
        c("id").n_unique().alias("id distinct"),
        (~c("carrier").is_in(CARRIERS)).sum().alias("carrier allowed"),
        (~c("origin").is_in(ORIGINS)).sum().alias("origin allowed"),
        (~c("dest").str.contains("^[A-Z]{3}$")).sum().alias("dest pattern"),
        (~c("tail").str.contains("^N[0-9]{4}$")).sum().alias("tail pattern"),
        (c("wind") < 0).sum().alias("wind min"),
        *((c(n) < low).sum().alias(f"{n} min") for n, (low, _) in RANGES.items()),
        *((c(n) > high).sum().alias(f"{n} max") for n, (_, high) in RANGES.items()),
        *day,
    )
    found = query.collect(engine="streaming").row(0, named=True)
    assert len(found) == RULES + 1
    return found


def by_dagrun(path: Path) -> bool:
    """Hold the table against the contract."""
    return check_table(pl.scan_parquet(path), Contract.parse(CONTRACT)).findings.passed


def by_peer(peer: str, path: Path) -> Callable[[], Mapping[str, float]]:
    """Return what runs a peer's script in its environment; it prints its seconds and verdict."""
    python = prepare(peer, SCRATCH) / "python"
    script = PEERS / f"with_{peer}.py"

    def run(data: Path = path) -> Mapping[str, float]:
        command = [str(python), "-P", str(script), str(data)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        told = json.loads(done.stdout.splitlines()[-1])
        assert told["rules"] == RULES, told
        assert told["passed"] is (data == path), told
        return {"seconds": told["seconds"]}

    run(SCRATCH / "bad.parquet")
    return run


def main() -> None:
    """Run the session."""
    quick = is_quick()
    session = Session("validation", quick=quick, packages=("dagrun", "polars", "numpy"))
    SCRATCH.mkdir(parents=True, exist_ok=True)
    rows = 200_000 if quick else 10_000_000
    path = SCRATCH / f"rows-{rows}.parquet"
    if not path.exists():
        table = make_table(rows)
        table.write_parquet(path, row_group_size=262_144)
        table.head(1_000).with_columns(origin=pl.lit("nowhere")).write_parquet(
            SCRATCH / "bad.parquet"
        )
        del table
    assert by_dagrun(path)
    assert not by_dagrun(SCRATCH / "bad.parquet")
    contenders = {
        "dagrun": lambda: {"seconds": seconds(lambda: by_dagrun(path))},
        "polars": lambda: {"seconds": seconds(lambda: by_hand(path))},
    }
    session.rounds(contenders, count=3 if quick else 9, unit="s")
    session.ratio("seconds: dagrun / polars", "dagrun seconds", "polars seconds", better="lower")
    peers = {"dagrun-beside": contenders["dagrun"]}
    peers |= {peer: by_peer(peer, path) for peer in ("pandera", "great_expectations")}
    session.rounds(peers, count=1, unit="s")
    for peer in ("pandera", "great_expectations"):
        session.ratio(f"seconds: {peer} / dagrun", f"{peer} seconds", "dagrun-beside seconds")
    session.finish()


if __name__ == "__main__":
    sys.exit(main())
