"""Rows outside of the contract that a bundle carries: counted, named or refused, as it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import polars as pl
import pytest

from dagrun.server.client import Client, RequestInvalid
from dagrun.server.observe import metrics
from dagrun.server.serving import Models, ServedModel, Server, ServerSettings
from dagrun.stages.bundle import Bundle, Limits, score
from dagrun.stages.validate import Contract

Row = Callable[..., dict[str, object]]
CONTRACT = Contract.parse("""
[columns]
distance = { dtype = "float", min = 50, max = 6000 }
seats = { dtype = "integer", min = 1 }
carrier = { dtype = "string", allowed = ["UA", "AA", "B6", ""] }
sched_dep = { dtype = "timestamp", min = 2013-01-01T00:00:00 }
""")


@contextmanager
def serving(bundle: Bundle, live: str) -> Iterator[tuple[Client, ServedModel, Server]]:
    limits = Limits.of(CONTRACT, bundle.spec.inputs, live)  # type: ignore[arg-type]
    served = ServedModel("flights", replace(bundle, limits=limits))
    with (
        Server(Models([served]), ServerSettings(port=0)) as server,
        Client(server.address, timeout=20) as client,
    ):
        yield client, served, server


def counted(server: Server) -> dict[str, float]:
    readings = server.recorder.snapshot()["readings"]
    return {labels[-1]: n for name, labels, n in readings if name == metrics.OUT_OF_CONTRACT}


def test_warned_rows_are_answered_with_the_columns_outside(bundle: Bundle, make_row: Row) -> None:
    rows = [
        make_row(distance=6000.0, seats=None, carrier=None),
        make_row(distance=6000.5, carrier="XX"),
        make_row(seats=0, wind_speed=float("nan")),
    ]
    with serving(bundle, "warn") as (client, _, server):
        answers = client.predict("flights", rows)
        many = client.predict("flights", rows * 10, features=True)
        assert [answer.out_of_contract for answer in answers] == [
            (),
            ("distance", "carrier"),
            ("seats",),
        ]
        assert [answer.out_of_contract for answer in many[-3:]] == [
            answer.out_of_contract for answer in answers
        ]
        frame = bundle.spec.frame_of([served_row(bundle, row) for row in rows])
        expected = score(bundle, frame)["margin"].to_list()
        assert [answer.margin for answer in answers] == expected
        assert client.model("flights").out_of_contract == {
            "distance": 11,
            "carrier": 11,
            "seats": 11,
        }
        assert counted(server) == {"distance": 11, "carrier": 11, "seats": 11}


def served_row(bundle: Bundle, row: dict[str, object]) -> tuple[object, ...]:
    schema = {column.name: column.frame_dtype for column in bundle.spec.inputs}
    return bundle.spec.rows_of(pl.DataFrame([row], schema=schema))[0]


def test_counted_rows_are_answered_as_any(bundle: Bundle, make_row: Row) -> None:
    with serving(bundle, "count") as (client, _, server):
        (answer,) = client.predict("flights", [make_row(seats=-1)])
        assert answer.out_of_contract == ()
        assert counted(server) == {"seats": 1}


def test_refused_rows_are_named_with_column_and_limit(bundle: Bundle, make_row: Row) -> None:
    with serving(bundle, "refuse") as (client, _, server):
        assert client.predict("flights", [make_row()])
        with pytest.raises(RequestInvalid) as caught:
            client.predict("flights", [make_row(), make_row(distance=1.0, carrier="ZZ")])
        told = {(one.row, one.column): one.problem for one in caught.value.violations}
        assert set(told) == {(1, "carrier"), (1, "distance")}
        assert "at least 50, at most 6000" in told[1, "distance"]
        assert "'ZZ'" in told[1, "carrier"]
        assert counted(server) == {"distance": 1, "carrier": 1}


def test_tables_are_held_against_it_too(
    bundle: Bundle, make_rows: Callable[[int, int], pl.DataFrame]
) -> None:
    table = make_rows(50, 3).with_columns(
        distance=pl.when(pl.int_range(pl.len()) == 7).then(1e6).otherwise("distance")
    )
    with serving(bundle, "warn") as (client, _, server):
        assert client.predict_table("flights", table).height == 50
        assert counted(server) == {"distance": 1}
    with serving(bundle, "refuse") as (client, _, server):
        assert client.predict_table("flights", table.head(7)).height == 7
        with pytest.raises(RequestInvalid, match=r"distance: is 1000000\.0"):
            client.predict_table("flights", table)
        assert counted(server) == {"distance": 1}
