"""The flights example on its real tables: no leak, no wandering rows, the same bits in both twins.

What is checked holds for the data that is installed; the numbers of hand-made cases are worked
out from the printed times.
"""

from __future__ import annotations

import datetime as dt
import importlib.util
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from dagrun import Files
from dagrun.engine.frames.tabledigest import digest_table
from dagrun.engine.pipeline import Pipeline, load_pipeline
from dagrun.engine.project import find_project
from dagrun.stages.features import FeatureSpec
from dagrun.stages.proof import compare
from dagrun.stages.validate import Contract, ContractViolation, validate

FOLDER = Path(__file__).parents[2] / "examples" / "flights"
OUTCOMES = ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"]
"""Columns that are known only after the doors close."""

Tables = dict[str, pl.DataFrame]


@pytest.fixture(scope="module")
def pipeline() -> Iterator[Pipeline]:
    path, modules = list(sys.path), set(sys.modules)
    yield load_pipeline(find_project(None, FOLDER))
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(FOLDER)):
            del sys.modules[name]


def module(pipeline: Pipeline, name: str) -> ModuleType:
    assert pipeline.project.root == FOLDER
    return importlib.import_module(name)


@pytest.fixture(scope="module")
def tables(pipeline: Pipeline) -> Tables:
    made = {}
    for name in ("flights", "weather", "planes", "airports", "airlines"):
        stage = pipeline.stages[name]
        bound = {param: source.bind(FOLDER) for param, source in stage.params.items()}
        made[name] = stage(**bound)
    return made


def known_before(pipeline: Pipeline, tables: Tables) -> pl.DataFrame:
    """Run the stages from the published tables to the departures."""
    stages = pipeline.stages
    destinations = stages["destinations"](tables["airports"])
    return stages["departures"](
        stages["timetable"](tables["flights"], destinations),
        stages["observations"](tables["weather"]),
        stages["aircraft"](tables["planes"]),
        destinations,
        tables["airlines"],
        Files("contracts/departures.toml").bind(FOLDER),
    )


@pytest.fixture(scope="module")
def departures(pipeline: Pipeline, tables: Tables) -> pl.DataFrame:
    return known_before(pipeline, tables)


@pytest.fixture(scope="module")
def labelled(pipeline: Pipeline, tables: Tables, departures: pl.DataFrame) -> pl.DataFrame:
    outcomes = pipeline.stages["outcomes"](tables["flights"])
    return departures.join(
        outcomes, on=list(module(pipeline, "timetable").FLIGHT), maintain_order="left"
    )


@pytest.fixture(scope="module")
def spec(pipeline: Pipeline, labelled: pl.DataFrame) -> FeatureSpec:
    fitted: FeatureSpec = module(pipeline, "features").FEATURES.fit(
        labelled.head(30_000), label="late"
    )
    return fitted


def test_joins_give_the_same_table_twenty_times(pipeline: Pipeline, tables: Tables) -> None:
    observations = pipeline.stages["observations"](tables["weather"])
    winter = {**tables, "flights": tables["flights"].filter(pl.col("month") <= 3)}
    digests = {
        digest_table(known_before_with(pipeline, winter, observations)).digest for _ in range(20)
    }
    assert len(digests) == 1


def test_joins_keep_every_flight_once(tables: Tables, departures: pl.DataFrame) -> None:
    key = ["sched_dep", "carrier", "flight", "origin"]
    assert departures.height == tables["flights"].height == 336_776
    assert departures.select(key).equals(tables["flights"].select(key).sort(key))


def test_outcomes_do_not_reach_the_departures(
    pipeline: Pipeline, tables: Tables, departures: pl.DataFrame
) -> None:
    hidden = tables["flights"].with_columns(pl.lit(None, pl.Int64).alias(name) for name in OUTCOMES)
    blind = known_before(pipeline, {**tables, "flights": hidden})
    assert digest_table(blind).digest == digest_table(departures).digest


def test_later_weather_does_not_reach_a_departure(
    pipeline: Pipeline, tables: Tables, departures: pl.DataFrame
) -> None:
    noon = dt.datetime(2013, 3, 8, 12, tzinfo=ZoneInfo("America/New_York"))
    measured = ["temp", "wind_speed", "precip", "pressure", "visib"]
    forged = tables["weather"].with_columns(
        pl.when(pl.col("time_hour") >= noon.astimezone(dt.UTC))
        .then(1.0)
        .otherwise(name)
        .alias(name)
        for name in measured
    )
    stage = pipeline.stages["observations"]
    changed = known_before_with(pipeline, tables, stage(forged))
    known = pl.col("sched_dep") < noon + dt.timedelta(hours=1)
    assert changed.filter(known).equals(departures.filter(known))
    assert not changed.filter(~known).equals(departures.filter(~known))


def known_before_with(
    pipeline: Pipeline, tables: Tables, observations: pl.DataFrame
) -> pl.DataFrame:
    places, times = module(pipeline, "places"), module(pipeline, "timetable")
    destinations = places.destination_facts(tables["airports"])
    joined: pl.DataFrame = module(pipeline, "joins").enriched(
        times.printed(tables["flights"], destinations),
        observations,
        places.aircraft_facts(tables["planes"]),
        destinations,
        tables["airlines"],
    )
    return joined


def test_flight_gets_the_hour_before_its_own(tables: Tables, departures: pl.DataFrame) -> None:
    flight = departures.filter(pl.col("origin") == "JFK", pl.col("dep_hour") == 14).row(
        0, named=True
    )
    hour = flight["sched_dep"].astimezone(dt.UTC).replace(minute=0)
    row = tables["weather"].row(
        by_predicate=(pl.col("origin") == "JFK")
        & (pl.col("time_hour") == hour - dt.timedelta(hours=1)),
        named=True,
    )
    for name in ("temp", "humid", "wind_speed", "pressure", "visib"):
        assert flight[name] == row[name]


def test_contract_refuses_a_column_known_later(departures: pl.DataFrame) -> None:
    contract = Contract.read(FOLDER / "contracts" / "departures.toml")
    leaking = departures.head(300_000).with_columns(dep_delay=pl.lit(3))
    with pytest.raises(ContractViolation, match="dep_delay"):
        validate(leaking, contract, table="departures")


def test_crowding_counts_cancelled_flights(tables: Tables, departures: pl.DataFrame) -> None:
    flights = tables["flights"]
    hour = flights.filter(pl.col("dep_time").is_null()).row(0, named=True)
    same = (pl.col("origin") == hour["origin"]) & (pl.col("time_hour") == hour["time_hour"])
    planned = flights.filter(same)
    flown = planned.filter(pl.col("dep_time").is_not_null())
    counted = departures.row(
        by_predicate=(pl.col("sched_dep") == hour["sched_dep"])
        & (pl.col("carrier") == hour["carrier"])
        & (pl.col("flight") == hour["flight"]),
        named=True,
    )
    assert counted["departures_hour"] == planned.height > flown.height


@pytest.mark.parametrize(
    ("delay", "late"),
    [(-30, False), (0, False), (15, False), (16, True), (1272, True), (None, None)],
)
def test_label(pipeline: Pipeline, tables: Tables, delay: int | None, late: bool | None) -> None:
    flight = tables["flights"].head(1).with_columns(pl.lit(delay, pl.Int64).alias("arr_delay"))
    labels = pipeline.stages["outcomes"](flight)
    assert labels["late"].to_list() == ([] if late is None else [late])
    assert "arr_delay" not in labels.columns


def test_cancelled_and_diverted_flights_have_no_label(pipeline: Pipeline, tables: Tables) -> None:
    outcomes = pipeline.stages["outcomes"](tables["flights"])
    assert tables["flights"].height - outcomes.height == 9_430
    assert outcomes["late"].null_count() == 0


@pytest.mark.parametrize(
    ("carrier", "flight", "day", "minutes"),
    [
        ("UA", 1545, dt.date(2013, 1, 1), 244),  # 05:15 to Houston 08:19, one hour behind
        ("HA", 51, dt.date(2013, 1, 1), 690),  # 09:00 to Honolulu 15:30, five behind in winter
        ("HA", 51, dt.date(2013, 7, 1), 630),  # 10:00 to Honolulu 14:30, six behind in summer
        ("UA", 1138, dt.date(2013, 7, 1), 317),  # 06:58 to Phoenix 09:15, three in summer
    ],
)
def test_block_minutes(
    departures: pl.DataFrame, carrier: str, flight: int, day: dt.date, minutes: int
) -> None:
    row = departures.row(
        by_predicate=(pl.col("carrier") == carrier)
        & (pl.col("flight") == flight)
        & (pl.col("sched_dep").dt.date() == day),
        named=True,
    )
    assert row["block_minutes"] == minutes


def test_block_minutes_are_plausible(departures: pl.DataFrame) -> None:
    beyond = departures.filter(pl.col("distance") >= 50, pl.col("block_minutes").is_not_null())
    mph = beyond["distance"] / beyond["block_minutes"] * 60
    assert mph.is_between(60, 600).all()


def test_rain_is_a_whole_sum_of_six_hours(tables: Tables, pipeline: Pipeline) -> None:
    made = pipeline.stages["observations"](tables["weather"])
    wettest = made.sort("rain_6h", descending=True).row(0, named=True)
    last = wettest["known_at"] - dt.timedelta(hours=1)
    hours = tables["weather"].filter(
        pl.col("origin") == wettest["origin"],
        pl.col("time_hour").is_between(last - dt.timedelta(hours=5), last),
    )
    assert hours.height == 6
    assert wettest["rain_6h"] == sum(round(100 * inches) for inches in hours["precip"])


def test_split_is_by_day_in_new_york(
    pipeline: Pipeline, tables: Tables, departures: pl.DataFrame
) -> None:
    outcomes = pipeline.stages["outcomes"](tables["flights"])
    train, valid, test = pipeline.stages["split"](departures, outcomes)
    assert [part.height for part in (train, valid, test)] == [217_727, 27_010, 82_609]
    assert train["sched_dep"].max().strftime("%m-%d %H:%M") == "08-31 23:59"
    assert {moment.month for moment in valid["sched_dep"]} == {9}
    assert test["sched_dep"].min().strftime("%m-%d") == "10-01"


def test_spec_reads_nothing_known_later(spec: FeatureSpec) -> None:
    inputs = {column.name for column in spec.inputs}
    assert not inputs & {*OUTCOMES, "late"}
    assert len(spec.names) >= 25
    assert len({step.op.op for step in spec.steps}) >= 10


def test_flights_have_the_same_bits_in_every_way(
    spec: FeatureSpec, departures: pl.DataFrame
) -> None:
    """Every flight under DAGRUN_SOAK, else one of sixteen."""
    rows = departures if os.environ.get("DAGRUN_SOAK") else departures.gather_every(16)
    proof = compare(spec, rows).require()
    print(f"\n{proof}")
    assert proof.compared["row twin"] == 2 * len(rows) * len(spec.names)


def test_demo_counts_every_differing_bit() -> None:
    spec = importlib.util.spec_from_file_location("flights_demo", FOLDER / "demo.py")
    assert spec is not None
    assert spec.loader is not None
    demo = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(demo)
    computed = demo.bits(pl.DataFrame({"x": [1.0, None, 0.0]}, schema={"x": pl.Float32}))
    assert demo.count_differing(demo.bits([[1.0], [math.nan], [0.0]]), computed) == 0
    assert demo.count_differing(demo.bits([[1.0], [math.nan], [-0.0]]), computed) == 1
    with pytest.raises(ValueError, match="served"):
        demo.count_differing(computed[:2], computed)
