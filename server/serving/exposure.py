"""Whether a server may listen as it was told: never by accident in the open.

Guarantee: without TLS a server is reached from its own machine only, unless `insecure` says that
something in front of it (a proxy, a mesh, a container's private network) sees to the rest; files of
certificates and tokens are read and proved before anything listens. Nothing heavy is imported here.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from pathlib import Path

from dagrun.engine.errors import DagrunError, DefinitionError
from dagrun.server.serving.certificates import Certificate, read_certificate
from dagrun.server.serving.settings import ServerSettings
from dagrun.server.serving.tokens import Tokens, read_tokens
from dagrun.server.serving.watched import Watched


class Exposed(DagrunError):
    """A server without TLS was to listen where other machines reach it."""

    def __init__(self, host: str) -> None:
        self.host = host
        super().__init__(
            f"{host} is reached from other machines, and without TLS everybody on the way reads "
            "rows and tokens. Give --tls-cert and --tls-key, or listen on 127.0.0.1, or say "
            "--insecure if something in front of the server sees to it"
        )


class TlsIncomplete(DefinitionError):
    """Files for TLS that are of no use without others."""

    def __init__(self, given: str, missing: str) -> None:
        self.given, self.missing = given, missing
        super().__init__(f"{given} is of no use without {missing}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """What a caller has to show at one address.

    Attributes:
        certificate: what the server shows, None without TLS.
        tokens: what callers show, None when they need nothing.
        reached: whether other machines reach the address.
        clients: whether callers need a certificate too.
    """

    certificate: Watched[Certificate] | None
    tokens: Watched[Tokens] | None
    reached: bool
    clients: bool

    def look_again(self) -> None:
        """Take files anew that have changed."""
        for watched in (self.certificate, self.tokens):
            if watched:
                watched.look_again()

    def report(self) -> list[str]:
        """Return lines for the operator: what is asked of callers, and what is open."""
        lines = []
        if self.certificate:
            clients = "; clients need a certificate too" if self.clients else ""
            lines.append(f"TLS: {self.certificate.value}{clients}")
        elif self.reached:
            lines.append("warning: no TLS: whoever is on the way reads rows and tokens")
        if self.tokens:
            lines.append(f"tokens: {self.tokens.value}")
        elif self.reached and not self.clients:
            lines.append("warning: no tokens: whoever reaches the server may call it")
        return lines


def entrance(settings: ServerSettings) -> Entrance:
    """Return what the settings ask of callers.

    Raises:
        Exposed: other machines would reach a server without TLS.
        BadCertificate, BadTokens, TlsIncomplete: the files cannot be used.
    """
    certificate = _certificate(settings)
    tokens = Path(settings.tokens)
    reached = not _is_loopback(settings.host)
    if reached and not certificate and not settings.insecure:
        raise Exposed(settings.host)
    return Entrance(
        certificate=certificate,
        tokens=Watched("tokens", [tokens], lambda: read_tokens(tokens))
        if settings.tokens
        else None,
        reached=reached,
        clients=bool(settings.client_ca),
    )


def _certificate(settings: ServerSettings) -> Watched[Certificate] | None:
    if not settings.tls_cert:
        for given in ("tls_key", "client_ca"):
            if getattr(settings, given):
                raise TlsIncomplete(f"--{given.replace('_', '-')}", "--tls-cert")
        return None
    if not settings.tls_key:
        raise TlsIncomplete("--tls-cert", "--tls-key")
    chain, key = Path(settings.tls_cert), Path(settings.tls_key)
    authorities = Path(settings.client_ca) if settings.client_ca else None
    paths = [path for path in (chain, key, authorities) if path]
    return Watched("TLS certificate", paths, lambda: read_certificate(chain, key, authorities))


def _is_loopback(host: str) -> bool:
    """Return whether a host's every address stays on this machine."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)
    except OSError:
        return True  # nothing can listen there; binding will say so
    return all(ipaddress.ip_address(str(place[0]).split("%")[0]).is_loopback for *_, place in found)
