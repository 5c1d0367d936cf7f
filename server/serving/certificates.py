"""The server's certificate, its key, and the authorities of its clients: read and proved.

Guarantee: what `read_certificate` returns has carried a TLS handshake in this process: the key
belongs to the certificate, which is for servers and valid today, and the authorities are
certificates. Nothing of the key is ever part of a message. Where it ends: names in the certificate
are the client's to judge; a certificate that runs out later is used until it is replaced.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path

from dagrun.engine.errors import DagrunError


class BadCertificate(DagrunError):
    """Files that cannot serve for TLS."""

    def __init__(self, path: Path, problem: object) -> None:
        self.path = path
        super().__init__(
            f"{path}: {str(problem).rstrip('.')}. TLS needs a certificate with its chain, its own "
            "key without a passphrase, and the clients' authorities if wanted, all as PEM"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What a server shows, and whom it believes.

    Attributes:
        chain: the certificate and those between it and a root, PEM.
        key: its private key, PEM; never shown.
        authorities: of the clients, PEM; empty when clients need no certificate.
        subject: whose it is.
        until: when it runs out.
    """

    chain: bytes
    key: bytes = field(repr=False)
    authorities: bytes = b""
    subject: str = ""
    until: str = ""

    def __str__(self) -> str:
        return f"{self.subject}, valid until {self.until}"


def read_certificate(chain: Path, key: Path, authorities: Path | None = None) -> Certificate:
    """Read and prove the files. Raises `BadCertificate`."""
    paths = [path for path in (chain, key, authorities) if path]
    before = [_read(path) for path in paths]
    shown = _handshake(chain, key)
    if authorities:
        _require_authorities(authorities, before[-1])
    if [_read(path) for path in paths] != before:
        raise BadCertificate(chain, "the files are being written")
    return Certificate(
        chain=before[0],
        key=before[1],
        authorities=before[2] if authorities else b"",
        subject=_subject(shown),
        until=str(shown["notAfter"]),
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadCertificate(path, error.strerror or error) from error


def _handshake(chain: Path, key: Path) -> dict[str, object]:
    """Return what a client sees of the certificate once a handshake with it has succeeded."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    # The certificate vouches for itself: its issuer is the clients' business.
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        # Without the answer OpenSSL would ask the terminal for a passphrase.
        server.load_cert_chain(chain, key, password="")
        client.load_verify_locations(chain)
        return _shake(server, client)
    except ssl.SSLCertVerificationError as error:
        raise BadCertificate(chain, error.verify_message) from error
    except ssl.SSLError as error:
        raise BadCertificate(chain, f"does not go with {key}: {_said(error)}") from error
    except (OSError, ValueError) as error:
        raise BadCertificate(chain, error) from error


def _shake(server: ssl.SSLContext, client: ssl.SSLContext) -> dict[str, object]:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    for _ in range(3):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return dict(ends[0].getpeercert() or {})


def _require_authorities(path: Path, pem: bytes) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_verify_locations(cadata=pem.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise BadCertificate(path, f"holds no authorities: {_said(error)}") from error


def _subject(shown: dict[str, object]) -> str:
    names = shown.get("subjectAltName")
    if isinstance(names, tuple) and names:
        return ", ".join(str(name) for _, name in names[:3])
    return str(shown.get("subject", "no name"))


def _said(error: Exception) -> str:
    reason = getattr(error, "reason", None) or "no PEM that can be read"
    return str(reason).replace("_", " ").lower()
