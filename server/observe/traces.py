"""Spans of OpenTelemetry for served calls, each with its phases as children.

Guarantee: a call continues the trace that its `traceparent` metadata names; refusals have their
status, and only INTERNAL marks a span as an error. Spans leave on a thread of their own; when the
collector is away they are dropped, never waited for. Where and how much is said by the usual
variables (`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_TRACES_SAMPLER`). Where it ends: it needs the extra
`dagrun[otel]`, and costs tens of microseconds a call, so it is off unless asked for.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from dagrun.engine.errors import DagrunError
from dagrun.server.observe.recorder import Labels

_ERROR = "INTERNAL"


class TracingMissing(DagrunError):
    """Traces are wanted, and OpenTelemetry is not installed."""

    def __init__(self, problem: ImportError) -> None:
        self.problem = problem
        super().__init__(
            f"traces need OpenTelemetry ({problem}): pip install 'dagrun[otel]', or serve without "
            "--trace"
        )


class Tracing:
    """Makes and sends the spans of one server."""

    def __init__(self) -> None:
        """Raises `TracingMissing`."""
        try:
            from opentelemetry import trace
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
        except ImportError as error:
            raise TracingMissing(error) from error
        service = os.environ.get("OTEL_SERVICE_NAME", "dagrun")
        self._provider = TracerProvider(resource=Resource.create({"service.name": service}))
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("dagrun.server")
        self._extract = TraceContextTextMapPropagator().extract
        self._trace = trace

    def call(
        self,
        name: str,
        metadata: Mapping[str, str | bytes],
        *,
        queued: int,
        code: str,
        labels: Labels | None,
        marked: tuple[Sequence[str], Sequence[int]] | None,
    ) -> None:
        """Make the spans of a call that has just ended.

        `queued` and the moments in `marked` (the phases' names, and what `Series.add` was given)
        are as `perf_counter_ns` gives them.
        """
        moved = time.time_ns() - time.perf_counter_ns()
        span: Any = self._tracer.start_span(
            name,
            context=self._extract(metadata),
            kind=self._trace.SpanKind.SERVER,
            start_time=moved + queued,
            attributes={
                "rpc.system": "grpc",
                "rpc.method": name,
                "rpc.grpc.status": code,
                **{f"dagrun.{key}": value for key, value in (labels or Labels())._asdict().items()},
            },
        )
        if code == _ERROR:
            span.set_status(self._trace.StatusCode.ERROR)
        if marked and span.is_recording():
            inside = self._trace.set_span_in_context(span)
            phases, moments = marked
            for number, phase in enumerate(phases):
                child = self._tracer.start_span(
                    phase, context=inside, start_time=moved + moments[number]
                )
                child.end(moved + moments[number + 1])
        span.end()

    def close(self) -> None:
        """Send what is left, and end."""
        self._provider.shutdown()
