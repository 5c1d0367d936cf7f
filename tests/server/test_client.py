"""The client: what it sends, what it gives back, and what it imports."""

from __future__ import annotations

import datetime as dt
import decimal
import fractions
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from zoneinfo import ZoneInfo

import grpc
import numpy as np
import pytest

from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.client import (
    CallFailed,
    Client,
    ServerUnreachable,
    ValueUnsupported,
)
from dagrun.server.client.errors import failure
from dagrun.server.client.values import request
from dagrun.server.serving import Models, ServedModel, Server, ServerSettings

Row = Callable[..., dict[str, object]]


def sent(value: object) -> pb.Value:
    return request("m", [{"x": value}], features=False).rows[0].values["x"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, pb.Value()),
        (0.0, pb.Value(double_value=0.0)),
        (3, pb.Value(int64_value=3)),
        (-(2**63), pb.Value(int64_value=-(2**63))),
        ("", pb.Value(string_value="")),
        (False, pb.Value(bool_value=False)),
        (dt.date(1969, 12, 31), pb.Value(date_days=-1)),
        (dt.datetime(1970, 1, 1, 0, 0, 0, 1), pb.Value(wall_clock_micros=1)),
        (dt.datetime(1969, 12, 31, 23, 59, 59), pb.Value(wall_clock_micros=-1_000_000)),
        (
            dt.datetime(1970, 1, 1, 1, tzinfo=ZoneInfo("Europe/Berlin")),
            pb.Value(timestamp_micros=0),
        ),
        (np.int32(7), pb.Value(int64_value=7)),
        (np.float32(0.1), pb.Value(double_value=0.10000000149011612)),
        (np.float64(0.1), pb.Value(double_value=0.1)),
        (np.str_("a"), pb.Value(string_value="a")),
    ],
)
def test_values_keep_their_type(value: object, expected: pb.Value) -> None:
    assert sent(value) == expected
    assert sent(value).WhichOneof("kind") == expected.WhichOneof("kind")


def test_instants_keep_every_microsecond() -> None:
    late = dt.datetime.max.replace(tzinfo=dt.UTC)
    micros = sent(late).timestamp_micros
    assert dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=micros) == late


@pytest.mark.parametrize(
    "value",
    [2**63, decimal.Decimal("0.1"), fractions.Fraction(1, 3), b"x", [1], "\ud800", 1j, object()],
)
def test_what_cannot_be_sent_exactly_is_refused_here(value: object) -> None:
    with pytest.raises(ValueUnsupported, match=r"rows\[0\]\['x'\]"):
        sent(value)
    with pytest.raises(ValueUnsupported):
        request("m", [{3: 1.0}], features=False)  # type: ignore[dict-item]


def test_a_dead_server_is_named_with_the_way_out() -> None:
    with (
        Client("127.0.0.1:1", timeout=10) as client,
        pytest.raises(ServerUnreachable, match=r"127\.0\.0\.1:1: .*dagrun serve"),
    ):
        client.models()


@pytest.mark.parametrize(
    ("pushback", "timeout", "attempts"),
    [
        ("1", 30.0, 4),
        ("-1", 30.0, 1),  # the server asks not to be called again
        ("60000", 0.5, 1),  # nor is anybody kept beyond the timeout
    ],
)
def test_repetition_obeys_the_server_and_the_timeout(
    pushback: str, timeout: float, attempts: int
) -> None:
    seen = []

    class Refusing(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
            def answer(data: bytes, context: grpc.ServicerContext) -> None:
                seen.append(data)
                context.set_trailing_metadata((("grpc-retry-pushback-ms", pushback),))
                context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")

            return grpc.unary_unary_rpc_method_handler(answer)

    full = grpc.server(ThreadPoolExecutor(1), [Refusing()])
    port = full.add_insecure_port("127.0.0.1:0")
    full.start()
    try:
        with Client(f"127.0.0.1:{port}", timeout=timeout) as client, pytest.raises(CallFailed):
            client.models()
        assert len(seen) == attempts
    finally:
        full.stop(0).wait()


def test_a_restarted_server_is_found_again(served: ServedModel, make_row: Row) -> None:
    first = Server(Models([served]), ServerSettings(port=0))
    first.start()
    with Client(first.address, timeout=20) as client:
        assert client.healthy()
        first.stop()
        with Server(Models([served]), ServerSettings(port=first.port)):
            while not client.healthy():
                time.sleep(0.05)
            assert len(client.predict("flights", [make_row()])) == 1


def test_unknown_statuses_are_still_ours() -> None:
    class Odd(grpc.RpcError):
        def code(self) -> grpc.StatusCode:
            return grpc.StatusCode.DATA_LOSS

        def details(self) -> str:
            return ""

        def trailing_metadata(self) -> None:
            return None

    error = failure("host:1", Odd())
    assert type(error) is CallFailed
    assert str(error) == "host:1: DATA_LOSS"


def test_importing_the_client_imports_nothing_heavy() -> None:
    code = (
        "import sys, dagrun.server.client\n"
        "heavy = {'polars', 'pyarrow', 'xgboost', 'numpy', 'networkx', 'pandas'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-P", "-c", code], check=True)
