"""The examination of a server that runs, from outside, with nothing but what it offers everybody.

Guarantee: it changes nothing and predicts nothing; every finding that is bad says what comes next.
Where it ends: behind a load balancer each look may meet another server, and what the HTTP port
tells (metrics, clock, versions) is only known where that port can be reached.
"""

from __future__ import annotations

import platform
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from dagrun.engine.errors import listing
from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.client.channels import Bearer
from dagrun.server.client.settings import ClientSettings
from dagrun.server.observe.beside import beside
from dagrun.server.observe.finding import Finding
from dagrun.server.observe.reaching import encryption, reach

_SERVING = health_pb2.HealthCheckResponse.SERVING
_PREDICTION = pb.DESCRIPTOR.services_by_name["Prediction"].full_name
_STATUSES = health_pb2.HealthCheckResponse.ServingStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """How the server is called.

    Attributes:
        settings: timeout, TLS and token, as a client would have them.
        http: the HTTP port, as HOST:PORT.
        roots: certificates of the authorities to trust.
    """

    settings: ClientSettings
    http: str
    roots: Path | None = None


def examine(target: str, called: Called) -> Iterator[Finding]:
    """Yield what is found, in the order in which a person would look.

    Raises `CredentialsUnreadable`.
    """
    seconds = called.settings.timeout
    reached = reach(target, seconds)
    yield reached
    if reached.state != "bad":
        tls = called.settings.tls is not None
        spoken = list(encryption(target, seconds, tls=tls, roots=called.roots))
        yield from spoken
        if all(finding.state != "bad" for finding in spoken):
            with _channel(target, called) as channel:
                yield from _Look(channel, called.settings).all()
    yield from beside(called.http, seconds, _context(called))
    yield Finding(
        check="here",
        state="note",
        text=f"this is dagrun {version('dagrun')} on Python {platform.python_version()}",
    )


def _context(called: Called) -> ssl.SSLContext | None:
    """Return how the HTTP port is to be asked: with TLS where gRPC is."""
    if called.settings.tls is None:
        return None
    return ssl.create_default_context(cafile=called.roots)


def _channel(target: str, called: Called) -> grpc.Channel:
    tls = called.settings.tls
    if tls is None:
        return grpc.insecure_channel(target)
    read = [path.read_bytes() if path else None for path in (tls.roots, tls.key, tls.certificate)]
    return grpc.secure_channel(target, grpc.ssl_channel_credentials(*read))


class _Look:
    """What gRPC tells, over one channel."""

    def __init__(self, channel: grpc.Channel, settings: ClientSettings) -> None:
        self._channel, self._seconds = channel, settings.timeout
        self._metadata = Bearer(settings).header()

    def all(self) -> Iterator[Finding]:
        """Yield each finding; an error that a call ends with is one."""
        for look in (self._health, self._models, self._reflection):
            try:
                yield from look()
            except grpc.RpcError as error:
                yield _refused(look.__name__.strip("_"), error)

    def _call(self, method: str, request: Message, response: Any) -> Any:
        send: Callable[..., Any] = self._channel.unary_unary(
            method, type(request).SerializeToString, response.FromString
        )
        return send(request, timeout=self._seconds, metadata=self._metadata)

    def _health(self) -> Iterator[Finding]:
        path = "/grpc.health.v1.Health/"
        response = self._call(
            path + "List", health_pb2.HealthListRequest(), health_pb2.HealthListResponse
        )
        ill = {
            name or "the whole server": _STATUSES.Name(status.status)
            for name, status in response.statuses.items()
            if status.status != _SERVING
        }
        if ill:
            named = listing([f"{name} is {status}" for name, status in sorted(ill.items())])
            yield Finding(
                check="health", state="bad", text=named, next="it may be draining: see its log"
            )
        else:
            yield Finding(check="health", state="good", text="SERVING")

    def _models(self) -> Iterator[Finding]:
        path = f"/{_PREDICTION}/ListModels"
        models = self._call(path, pb.ListModelsRequest(), pb.ListModelsResponse).models
        if not models:
            todo = "dagrun registry list, then dagrun serve NAME@ALIAS"
            yield Finding(check="models", state="bad", text="none is served", next=todo)
        for model in models:
            yield _model(model)

    def _reflection(self) -> Iterator[Finding]:
        path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
        ask = self._channel.stream_stream(
            path,
            reflection_pb2.ServerReflectionRequest.SerializeToString,
            reflection_pb2.ServerReflectionResponse.FromString,
        )
        asked = [reflection_pb2.ServerReflectionRequest(list_services="")]
        (answer,) = ask(iter(asked), timeout=self._seconds, metadata=self._metadata)
        names = sorted(service.name for service in answer.list_services_response.service)
        yield Finding(check="reflection", state="good", text=", ".join(names))


def _model(model: pb.Model) -> Finding:
    number = f"version {model.version}" if model.version else "from a file"
    text = (
        f"{model.name} {number}, bundle {model.bundle_digest[:12]}: golden rows proved at its load"
    )
    rows, different = model.rechecked_rows, model.rechecked_different
    if different:
        return Finding(
            check="parity",
            state="bad",
            text=f"{text}; {different:,} of {rows:,} served rows computed again have other bits",
            next=f"its log names feature and bits; then: dagrun spec rehearse {model.name}",
        )
    again = (
        f"{rows:,} served rows computed again, 0 differ" if rows else "no row computed again yet"
    )
    return Finding(check="parity", state="good", text=f"{text}; {again}")


def _refused(check: str, error: grpc.RpcError) -> Finding:
    code, details = error.code(), error.details()
    todo = {
        grpc.StatusCode.UNAUTHENTICATED: "give a token with --token-file",
        grpc.StatusCode.PERMISSION_DENIED: "give another token with --token-file",
        grpc.StatusCode.UNIMPLEMENTED: "is it dagrun that listens there? See `dagrun serve`",
        grpc.StatusCode.UNAVAILABLE: "it may be going down or restarting; ask again",
    }
    text = f"{code.name}: {details}"
    return Finding(
        check=check, state="bad", text=text, next=todo.get(code, "look at the server's log")
    )


def worst(findings: Sequence[Finding]) -> bool:
    """Return whether something is wrong."""
    return any(finding.state == "bad" for finding in findings)
