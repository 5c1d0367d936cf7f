"""grpc.health.v1 and reflection, as a probe or a curious client sees them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from dagrun.server.client import Client
from dagrun.server.serving import Server
from dagrun.server.serving.health import NOT_SERVING, SERVING

Start = Callable[..., Server]
UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


def check(channel: grpc.Channel, service: str) -> int:
    call = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        health_pb2.HealthCheckRequest.SerializeToString,
        health_pb2.HealthCheckResponse.FromString,
    )
    return int(call(health_pb2.HealthCheckRequest(service=service), timeout=20).status)


def watch(channel: grpc.Channel, service: str) -> grpc.Future:
    call = channel.unary_stream(
        "/grpc.health.v1.Health/Watch",
        health_pb2.HealthCheckRequest.SerializeToString,
        health_pb2.HealthCheckResponse.FromString,
    )
    return call(health_pb2.HealthCheckRequest(service=service), timeout=60)


def reflect(
    channel: grpc.Channel,
    requests: Iterator[reflection_pb2.ServerReflectionRequest],
    version: str = "v1alpha",
) -> grpc.Future:
    call = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        reflection_pb2.ServerReflectionRequest.SerializeToString,
        reflection_pb2.ServerReflectionResponse.FromString,
    )
    return call(requests, timeout=60)


def idle() -> Iterator[reflection_pb2.ServerReflectionRequest]:
    yield reflection_pb2.ServerReflectionRequest(list_services="")
    threading.Event().wait(60)


@pytest.fixture
def channel(server: Server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.address) as opened:
        yield opened


@pytest.mark.parametrize("service", ["", "flights", "dagrun.v1.Prediction"])
def test_check_speaks_of_the_server_and_each_model(channel: grpc.Channel, service: str) -> None:
    assert check(channel, service) == SERVING


def test_check_of_an_unknown_service(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        check(channel, "weather")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_list_names_every_service(channel: grpc.Channel) -> None:
    call = channel.unary_unary(
        "/grpc.health.v1.Health/List",
        health_pb2.HealthListRequest.SerializeToString,
        health_pb2.HealthListResponse.FromString,
    )
    found = call(health_pb2.HealthListRequest(), timeout=20).statuses
    assert {name: status.status for name, status in found.items()} == dict.fromkeys(
        ("", "flights", "dagrun.v1.Prediction"), SERVING
    )


def test_the_client_asks_for_health(client: Client) -> None:
    assert client.healthy()
    assert client.healthy("flights")
    assert not client.healthy("weather")
    with Client("127.0.0.1:1", timeout=5) as nobody:
        assert not nobody.healthy()


def test_watch_tells_every_change_and_ends_with_the_server(start: Start) -> None:
    server = start(grace_seconds=60)
    with grpc.insecure_channel(server.address) as channel:
        known, unknown = watch(channel, "flights"), watch(channel, "weather")
        assert next(known).status == SERVING
        assert next(unknown).status == UNKNOWN
        server.health.set({"": SERVING, "flights": NOT_SERVING, "weather": SERVING})
        assert next(known).status == NOT_SERVING
        assert next(unknown).status == SERVING
        server.tell_health()
        assert next(known).status == SERVING
        assert next(unknown).status == UNKNOWN
        server.stop()  # does not wait for the grace to pass
        assert [response.status for response in known] == [NOT_SERVING]
        assert list(unknown) == []


def test_idle_streams_starve_no_prediction(
    start: Start, make_row: Callable[..., dict[str, object]]
) -> None:
    server = start(threads=2, max_streams=6, grace_seconds=60)
    with grpc.insecure_channel(server.address) as channel:
        streams = [watch(channel, "") for _ in range(3)]
        streams += [reflect(channel, idle()) for _ in range(3)]
        for stream in streams:
            next(stream)
        with Client(server.address, timeout=20) as client:
            assert len(client.predict("flights", [make_row()])) == 1
            assert client.healthy()
        with pytest.raises(grpc.RpcError, match="too many open streams") as caught:
            next(watch(channel, ""))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        streams.pop().cancel()
        # The place is free once the server has noticed.
        for _ in range(200):
            again = watch(channel, "")
            try:
                assert next(again).status == SERVING
                break
            except grpc.RpcError:
                threading.Event().wait(0.05)
        else:
            pytest.fail("the cancelled stream kept its place")
        server.stop()


def test_reflection_lists_and_describes_the_services(channel: grpc.Channel) -> None:
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="dagrun.v1.Prediction"),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="no.Such"),
    ]
    for version in ("v1alpha", "v1"):
        listed, described, missing = reflect(channel, iter(requests), version)
        assert [service.name for service in listed.list_services_response.service] == [
            "dagrun.v1.Prediction",
            "grpc.health.v1.Health",
            "grpc.reflection.v1alpha.ServerReflection",
            "inference.GRPCInferenceService",
        ]
        (file,) = described.file_descriptor_response.file_descriptor_proto
        assert b"PredictTable" in file
        assert missing.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
