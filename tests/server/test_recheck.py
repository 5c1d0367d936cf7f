"""Served rows are computed again: nothing differs, a planted skew is found, nothing is held up."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from dagrun.server.client import Client
from dagrun.server.observe.recorder import Recorder
from dagrun.server.serving import Models, ServedModel, Server, ServerSettings
from dagrun.server.serving.recheck import Recheck
from dagrun.stages.bundle import Bundle
from dagrun.stages.features import FeatureSpec
from dagrun.stages.features.row import RowFunction

Row = Callable[..., dict[str, object]]
ODD = 777.0
EVERYTHING = ServerSettings(port=0, recheck=1.0)


@dataclass(frozen=True, kw_only=True)
class Skewed(FeatureSpec):
    """A spec whose row twin is wrong for one distance, which no golden row has."""

    def row_function(self) -> RowFunction:
        row = super().row_function()
        place = [column.name for column in self.inputs].index("distance")

        def skewed(values):
            first, *others = row(values)
            return (first * (1 + 2**-20) if values[place] == ODD else first, *others)

        return skewed


def skewed(bundle: Bundle) -> Bundle:
    spec = bundle.spec
    wrong = Skewed(inputs=spec.inputs, steps=spec.steps, outputs=spec.outputs, label=spec.label)
    return replace(bundle, spec=wrong)


def test_every_served_row_is_computed_again_and_none_differs(bundle: Bundle, make_row: Row) -> None:
    served = ServedModel("flights", bundle)
    with Server(Models([served]), EVERYTHING) as server, Client(server.address) as client:
        client.predict("flights", [make_row(distance=float(n)) for n in range(3)])
        client.predict("flights", [make_row(distance=float(n)) for n in range(40)])
    assert (served.rechecked.rows, served.rechecked.different) == (43, 0)
    assert served.rechecked.failed == 0


def test_a_skew_that_golden_rows_miss_is_counted_and_logged_once(
    bundle: Bundle, make_row: Row, caplog: pytest.LogCaptureFixture
) -> None:
    served = ServedModel("flights", skewed(bundle))
    with (
        caplog.at_level(logging.ERROR),
        Server(Models([served]), EVERYTHING) as server,
        Client(server.address) as client,
    ):
        for distance in (ODD, 100.0, ODD):
            client.predict("flights", [make_row(distance=distance)])
        seen = 0
        while seen < 3:
            info = client.model("flights")
            seen = info.rechecked_rows
    assert (info.rechecked_rows, info.rechecked_different) == (3, 2)
    (record,) = [one for one in caplog.records if one.name.endswith("recheck")]
    message = record.getMessage()
    assert bundle.spec.names[0] in message
    assert "served 0x" in message
    assert str(ODD) not in message


def test_rows_that_cannot_be_computed_again_are_counted_and_answered(
    bundle: Bundle, make_row: Row, caplog: pytest.LogCaptureFixture
) -> None:
    served = ServedModel("flights", bundle)
    with Server(Models([served]), EVERYTHING) as server:
        server.prediction.recheck.take((served, ["no", "row"], (), 0.0))
        with Client(server.address) as client:
            assert client.predict("flights", [make_row()])
    assert (served.rechecked.failed, served.rechecked.rows) == (1, 1)
    assert "could not be computed again" in caplog.text


def test_rows_too_many_are_dropped_and_no_share_takes_none(bundle: Bundle) -> None:
    served = ServedModel("flights", bundle)
    recheck = Recheck(0.0, 2, Recorder())
    assert not any(recheck.wants() for _ in range(1_000))
    for _ in range(5):
        recheck.take((served, [], (), 0.0))
    assert recheck.dropped == 3
    recheck.close(1.0)
