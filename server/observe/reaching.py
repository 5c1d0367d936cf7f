"""Whether a server can be reached at all, and what it speaks: the first looks of an examination.

Guarantee: nothing is sent but the beginning of HTTP/2 and of TLS; nothing is trusted, certificates
are read and judged.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

from dagrun.server.observe.finding import Finding

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
_SETTINGS = 4
_WARN_DAYS = 14


def split(target: str, port: int = 0) -> tuple[str, int]:
    """Return host and port of `HOST:PORT` or `[IPV6]:PORT`; without one, `port`."""
    host, colon, number = target.rpartition(":")
    if not colon or not number.isdigit():
        return target.strip("[]"), port
    return host.strip("[]"), int(number)


def reach(target: str, seconds: float) -> Finding:
    """Return whether somebody listens there."""
    host, port = split(target)
    started = time.perf_counter()
    try:
        with socket.create_connection((host, port), seconds) as connection:
            took = (time.perf_counter() - started) * 1000
            place = connection.getpeername()[0]
    except socket.gaierror as error:
        text = f"the name {host} cannot be resolved: {error.strerror}"
        return Finding(check="reach", state="bad", text=text, next="correct the host's name")
    except OSError as error:
        text = f"no connection to {target}: {error.strerror or error}"
        todo = (
            f"on that host: dagrun serve NAME --host 0.0.0.0 --port {port}; else look at firewalls"
        )
        return Finding(check="reach", state="bad", text=text, next=todo)
    return Finding(check="reach", state="good", text=f"{place} port {port} in {took:.1f} ms")


def speaks_plainly(target: str, seconds: float) -> bool:
    """Return whether it speaks HTTP/2 without TLS."""
    try:
        with socket.create_connection(split(target), seconds) as connection:
            connection.settimeout(seconds)
            connection.sendall(_PREFACE)
            head = connection.recv(9)
    except OSError:
        return False
    return len(head) >= 4 and head[3] == _SETTINGS


def encryption(target: str, seconds: float, *, tls: bool, roots: Path | None) -> Iterator[Finding]:
    """Yield what is to be said of the encryption; `tls` is whether the caller wants it."""
    plain = speaks_plainly(target, seconds)
    if plain and not tls:
        here = split(target)[0] in ("localhost", "127.0.0.1", "::1")
        text = "none; " + ("the address is this host's" if here else "anybody on the way can read")
        yield Finding(check="tls", state="good" if here else "note", text=text)
    elif plain:
        yield Finding(
            check="tls",
            state="bad",
            text="the server speaks without TLS",
            next="leave --tls out, or serve with a certificate",
        )
    elif tls:
        yield _certificate(target, seconds, roots)
    else:
        yield Finding(
            check="tls",
            state="bad",
            text="it does not speak HTTP/2 in the clear: it wants TLS, or is no gRPC server",
            next=f"dagrun doctor {target} --tls [--tls-roots FILE]",
        )


def _certificate(target: str, seconds: float, roots: Path | None) -> Finding:
    host, port = split(target)
    try:
        context = ssl.create_default_context(cafile=roots)
        context.set_alpn_protocols(["h2"])
        with (
            socket.create_connection((host, port), seconds) as connection,
            context.wrap_socket(connection, server_hostname=host) as encrypted,
        ):
            version, found = encrypted.version(), encrypted.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        todo = "give the authority's certificate with --tls-roots, or renew the server's"
        return Finding(check="tls", state="bad", text=error.verify_message, next=todo)
    except OSError as error:
        text = f"the handshake fails: {error}"
        return Finding(
            check="tls", state="bad", text=text, next="look at the server's log for its reason"
        )
    days = (ssl.cert_time_to_seconds(str(found["notAfter"])) - time.time()) / 86_400
    text = f"{version}, the certificate is good for {days:.0f} more days"
    if days < _WARN_DAYS:
        todo = "renew the server's certificate; it is read again without a restart"
        return Finding(check="tls", state="note", text=text, next=todo)
    return Finding(check="tls", state="good", text=text)
