"""The check that ends a sealed line; apart from `sealed`, so that it takes no heavy import."""

from __future__ import annotations

from blake3 import blake3

LENGTH = 32


def check(domain: str, body: bytes) -> bytes:
    """Return the check of a line whose bytes up to `,"check":` are `body`."""
    return blake3(domain.encode() + b"\0" + body).hexdigest()[:LENGTH].encode()


def closed(domain: str, body: bytes) -> bytes:
    """Return the whole line."""
    return body + b',"check":"%b"}\n' % check(domain, body)


def opened(domain: str, data: bytes) -> bytes | None:
    """Return what `closed` was given, None if the bytes are not what it made."""
    body = data[: -len(closed(domain, b""))]
    return body if closed(domain, body) == data else None
