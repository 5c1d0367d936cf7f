"""What a caller must show: a TLS handshake, and a bearer token with each call.

Guarantee: certificates and tokens are those of their files at most a second ago, or the last good
ones; a handshake uses one certificate and its key, never halves of two. A call without a valid
token is refused before its message is read. Health and liveness are open to all, so that probes
need no secret. Where it ends: connections made before a certificate or an authority was replaced
live on, until `connection_age_seconds` if that is set; tokens count for each call.
"""

from __future__ import annotations

from collections.abc import Iterable

import grpc

from dagrun.server.serving.calls import Calls
from dagrun.server.serving.certificates import Certificate
from dagrun.server.serving.pool import Pool
from dagrun.server.serving.refusals import Method, Refusal
from dagrun.server.serving.router import Handler, Router, unary
from dagrun.server.serving.tokens import Tokens
from dagrun.server.serving.watched import Watched

OPEN = frozenset(
    {
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch",
        "/inference.GRPCInferenceService/ServerLive",
        "/inference.GRPCInferenceService/ServerReady",
    }
)
"""Methods that anybody may call."""
_HEADER, _SCHEME = "authorization", "bearer "


class Unauthenticated(Refusal):
    """A call without a token, or with one that is not valid."""

    code = grpc.StatusCode.UNAUTHENTICATED
    trailers = (("www-authenticate", "Bearer"),)

    def __init__(self, *, given: bool) -> None:
        super().__init__(
            "the token is not valid here; ask whoever runs this server for one"
            if given
            else "this server wants a token: send it as metadata, 'authorization: Bearer TOKEN'; "
            "whoever runs this server has one for you"
        )


class NotAllowed(Refusal):
    """A valid token that may not call this method."""

    code = grpc.StatusCode.PERMISSION_DENIED

    def __init__(self, name: str, method: str, only: frozenset[str]) -> None:
        self.name, self.method, self.only = name, method, only
        super().__init__(
            f"the token of {name} may call {', '.join(sorted(only))}, not "
            f"{method.rpartition('/')[2]}; its line in the server's file of tokens says which"
        )


class Guarded(grpc.GenericRpcHandler):
    """A router behind tokens; gRPC asks it on its own thread, before a request is queued."""

    def __init__(
        self, router: Router, tokens: Watched[Tokens], refusals: Pool, calls: Calls
    ) -> None:
        """Guard a router; `refusals` answers without reading messages."""
        self._router, self._tokens = router, tokens
        self._refusals, self._calls = refusals, calls

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler | None:
        """Return the handler of a call, or one that refuses it."""
        handler = self._router.service(handler_call_details)
        path = str(handler_call_details.method)
        if handler is None or path in OPEN:
            return handler
        if refusal := self._refusal(path, handler_call_details.invocation_metadata or ()):
            refusing = unary(_raising(refusal), self._refusals)
            return refusing.handler(path.rpartition("/")[2], self._calls)
        return handler

    def _refusal(self, path: str, metadata: Iterable[tuple[str, str | bytes]]) -> Refusal | None:
        given = [str(value) for key, value in metadata if key == _HEADER]
        if len(given) != 1 or given[0][: len(_SCHEME)].lower() != _SCHEME:
            return Unauthenticated(given=False)
        token = self._tokens.value.find(given[0][len(_SCHEME) :].strip())
        if token is None:
            return Unauthenticated(given=True)
        return None if token.allows(path) else NotAllowed(token.name, path, token.only)


def credentials(certificate: Watched[Certificate]) -> grpc.ServerCredentials:
    """Return credentials that show each new connection the certificate of the moment."""
    shown = certificate.value

    def changed() -> grpc.ServerCertificateConfiguration | None:
        nonlocal shown
        if certificate.value is shown:
            return None
        shown = certificate.value
        return _configuration(shown)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(shown),
        changed,  # type: ignore[arg-type]
        require_client_authentication=bool(shown.authorities),
    )


def _configuration(certificate: Certificate) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(certificate.key, certificate.chain)], certificate.authorities or None
    )


def _raising(refusal: Refusal) -> Method:
    def refuse(data: bytes, context: grpc.ServicerContext) -> bytes:  # noqa: ARG001
        raise refusal

    return refuse
