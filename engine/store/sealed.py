"""Sealed lines: small JSON objects that notice when one of their bits is not what was written.

A sealed line is a canonical JSON object whose last member, `check`, is the digest of the bytes
before it, and a line feed. It stays valid JSON for every other reader.

Guarantee: `unseal` returns the form that was sealed under the same domain, or None; it never
returns another one, whatever happened to the bytes. The limit: it is no signature, whoever
wants to forge a line can.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from dagrun.engine.canonical import Json, to_bytes
from dagrun.engine.store.sealing import check, closed

_CHECK = re.compile(rb',"check":"([0-9a-f]{32})"\}\n\Z')
_TAIL = len(b',"check":"') + 32 + len(b'"}\n')


def seal(domain: str, form: Mapping[str, Json]) -> bytes:
    """Write a JSON object that is not empty and has no member `check` as a sealed line."""
    body = to_bytes(form)[:-1]
    return closed(domain, body)


def unseal(domain: str, data: bytes) -> dict[str, Any] | None:
    """Return the form behind a sealed line, or None when the bytes are not what was sealed."""
    found = _CHECK.search(data, max(0, len(data) - _TAIL))
    if found is None:
        return None
    body = data[: found.start()]
    if found[1] != check(domain, body):
        return None
    form: dict[str, Any] = json.loads(body + b"}")
    return form


def claimed(data: bytes, name: str) -> object:
    """Return what the bytes say of themselves as member `name`, unverified; None when nothing."""
    try:
        return json.loads(data).get(name)
    except (ValueError, AttributeError):
        return None
