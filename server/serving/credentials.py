"""What a caller must show: a TLS handshake, and a bearer token with each call.

Guarantee: certificates and tokens are those of their files at most a second ago, or the last good
ones; a handshake uses one certificate and its key, never halves of two. A call without a valid
token is refused before its message is read. Health and liveness are open to all, so that probes
need no secret. Where it ends: connections made before a certificate or an authority was replaced
live on, until `connection_age_seconds` if that is set; tokens count for each call.
"""

from __future__ import annotations

import grpc

from dagrun.server.serving.admission import OPEN, refused
from dagrun.server.serving.calls import Calls
from dagrun.server.serving.certificates import Certificate
from dagrun.server.serving.pool import Pool
from dagrun.server.serving.refusals import Method, Refusal
from dagrun.server.serving.router import Handler, Router, unary
from dagrun.server.serving.tokens import Tokens
from dagrun.server.serving.watched import Watched


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
        metadata = handler_call_details.invocation_metadata or ()
        if refusal := refused(self._tokens.value, path, metadata):
            refusing = unary(_raising(refusal), self._refusals)
            return refusing.handler(path.rpartition("/")[2], self._calls)
        return handler


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
