"""Frozen zone rules agree with Polars' own time zones, at and around every change."""

from __future__ import annotations

import os

import polars as pl
import pytest

from dagrun.stages.ops.clock import Clock
from dagrun.stages.ops.kind import DAY, FIRST_DAY, LAST_DAY
from dagrun.stages.ops.zone import transitions

ZONES = ["America/New_York", "Europe/Lisbon", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"]
if os.environ.get("DAGRUN_SOAK"):
    ZONES += ["Africa/Casablanca", "America/Sao_Paulo", "Asia/Tehran", "Pacific/Apia"]


@pytest.mark.parametrize("zone", ZONES)
def test_local_time_is_what_polars_gives(zone: str) -> None:
    changes, offsets = transitions(zone)
    assert len(offsets) == len(changes) + 1
    around = [change * 1_000_000 + by for change in changes for by in (-1, 0, 1)]
    spread = range(FIRST_DAY * DAY, LAST_DAY * DAY, DAY * 97 + 12_345_678)
    frame = pl.DataFrame({"at": sorted({*around, *spread})})
    clock = Clock(zone=zone).settle("at", ["instant"])
    own = frame.select(clock.batch([pl.col("at")]).alias("at"))["at"]
    instants = frame["at"].cast(pl.Datetime("us", "UTC"))
    theirs = instants.dt.convert_time_zone(zone).dt.replace_time_zone(None).cast(pl.Int64)
    wrong = frame.filter(own != theirs)
    assert wrong.is_empty(), wrong
