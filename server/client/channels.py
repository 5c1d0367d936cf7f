"""How connections are made: options, TLS, and what every call tells about itself.

Guarantee: each lane is a TCP connection of its own. Repetitions are decided in `conduct` alone;
gRPC's own are switched off.
Where it ends: certificates are read when the client is made; a client that outlives its own
certificate must be made anew. Tokens in a file may change.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import grpc

from dagrun.engine.errors import DagrunError
from dagrun.server.client.lanes import Lane
from dagrun.server.client.settings import ClientSettings, Tls, check_token, read_targets

Metadata = tuple[tuple[str, str], ...]
_TOKEN_FRESH = 10.0
"""Seconds."""


class CredentialsUnreadable(DagrunError):
    """A certificate, key or token cannot be read."""

    def __init__(self, path: Path, problem: object) -> None:
        self.path = path
        super().__init__(f"{path} cannot be read: {problem}")


def make_lanes(
    given: str | Sequence[str], settings: ClientSettings, *, insecure: Any, secure: Any
) -> list[Lane]:
    """Return the unconnected lanes to all targets, those of different targets in turn.

    `insecure` and `secure` make the channels. Raises `ClientSettingInvalid`, `TokenUnprotected`
    and `CredentialsUnreadable`.
    """
    targets = read_targets(given)
    check_token(targets, settings)
    options = _options(settings)
    credentials = _credentials(settings.tls) if settings.tls else None

    def connector(target: str) -> Callable[[], Any]:
        if credentials is None:
            return lambda: insecure(target, options=options)
        return lambda: secure(target, credentials, options=options)

    return [Lane(each, connector(each)) for _ in range(settings.channels) for each in targets]


def _options(settings: ClientSettings) -> list[tuple[str, int | str]]:
    options: list[tuple[str, int | str]] = [
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.enable_retries", 0),
        # Else equal channels would share one connection.
        ("grpc.use_local_subchannel_pool", 1),
        # The defaults would leave a server that restarted alone for seconds.
        ("grpc.initial_reconnect_backoff_ms", 50),
        ("grpc.min_reconnect_backoff_ms", 2_000),  # how long one attempt to connect may take
        ("grpc.max_reconnect_backoff_ms", 1_000),
    ]
    if settings.keepalive is not None:
        options += [
            ("grpc.keepalive_time_ms", int(settings.keepalive * 1_000)),
            ("grpc.keepalive_timeout_ms", 10_000),
        ]
    if settings.tls is not None and settings.tls.server_name is not None:
        options.append(("grpc.ssl_target_name_override", settings.tls.server_name))
    return options


def _credentials(tls: Tls) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        _read(tls.roots), private_key=_read(tls.key), certificate_chain=_read(tls.certificate)
    )


def _read(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise CredentialsUnreadable(path, error.strerror) from error


class Bearer:
    """The token that calls carry."""

    def __init__(self, settings: ClientSettings) -> None:
        """Read the token's file, if there is one. Raises `CredentialsUnreadable`."""
        self._file = settings.token_file
        self._header = _header(settings.token) if settings.token else ()
        self._read_at = 0.0
        self.header()

    def header(self) -> Metadata:
        """Return the metadata of a call; empty without a token."""
        if self._file is not None and time.monotonic() - self._read_at > _TOKEN_FRESH:
            text = _read(self._file) or b""
            self._header = _header(text.decode("utf-8", "replace").strip())
            self._read_at = time.monotonic()
        return self._header


def _header(token: str) -> Metadata:
    return (("authorization", f"Bearer {token}"),)
