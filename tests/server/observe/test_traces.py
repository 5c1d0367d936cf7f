"""Spans as a collector receives them."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.client.values import request
from dagrun.server.observe.recorder import ROW_PHASES
from dagrun.server.serving import Server

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Collector(grpc.GenericRpcHandler):
    """Keeps every span that is sent to it."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.services: set[str] = set()

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return grpc.unary_unary_rpc_method_handler(
            self.export,
            ExportTraceServiceRequest.FromString,
            ExportTraceServiceResponse.SerializeToString,
        )

    def export(self, sent: ExportTraceServiceRequest, context: object) -> object:
        for resource in sent.resource_spans:
            attributes = {each.key: each.value for each in resource.resource.attributes}
            self.services.add(attributes["service.name"].string_value)
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)
        return ExportTraceServiceResponse()


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(2), [collector])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    yield collector
    server.stop(0).wait()


def test_a_call_is_one_span_with_its_phases_in_the_callers_trace(
    collector: Collector, start: Callable[..., Server], make_row: Callable[..., dict[str, object]]
) -> None:
    server = start(trace=True, log_calls="none")
    with grpc.insecure_channel(server.address) as channel:
        call = channel.unary_unary(
            "/dagrun.v1.Prediction/Predict",
            pb.PredictRequest.SerializeToString,
            pb.PredictResponse.FromString,
        )
        metadata = [("traceparent", f"00-{TRACE}-{PARENT}-01")]
        call(request("flights", [make_row()], features=False), timeout=20, metadata=metadata)
        with pytest.raises(grpc.RpcError):
            call(request("houses", [make_row()], features=False), timeout=20)
    server.stop()
    assert collector.services == {"dagrun"}
    good, bad = (span for span in collector.spans if span.name == "Predict")
    assert (good.trace_id.hex(), good.parent_span_id.hex()) == (TRACE, PARENT)
    assert good.kind == Span.SPAN_KIND_SERVER
    told = {each.key: each.value.string_value for each in good.attributes}
    assert (told["rpc.grpc.status"], told["dagrun.model"]) == ("OK", "flights")
    phases = [span for span in collector.spans if span.parent_span_id == good.span_id]
    assert [span.name for span in phases] == list(ROW_PHASES)
    assert phases[0].start_time_unix_nano == good.start_time_unix_nano
    assert all(
        before.end_time_unix_nano == after.start_time_unix_nano
        for before, after in itertools.pairwise(phases)
    )
    assert good.end_time_unix_nano >= phases[-1].end_time_unix_nano
    told = {each.key: each.value.string_value for each in bad.attributes}
    assert (told["rpc.grpc.status"], bad.parent_span_id) == ("NOT_FOUND", b"")
    assert not bad.status.code


def test_without_the_extra_it_is_said_what_to_install() -> None:
    program = """
import sys
sys.modules["opentelemetry"] = None
from dagrun.server.observe.traces import Tracing, TracingMissing
try:
    Tracing()
except TracingMissing as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "pip install 'dagrun[otel]'" in done.stdout
