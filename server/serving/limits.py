"""What gRPC itself is told to refuse: sizes, connections, streams, pings, ages.

Guarantee: each of these is refused by gRPC before our code sees it, with bounded memory; a message
is measured packed and unpacked, so a compressed one cannot grow beyond the limit. Where it ends:
calls that are still sending their message are held by all connections together, up to
`ServerSettings.receiving` of them, each of at most `max_message_bytes`.
"""

from __future__ import annotations

from dagrun.server.serving.settings import ServerSettings

_FOREVER = 2**31 - 1
"""What gRPC takes for no limit in milliseconds."""


def options(settings: ServerSettings) -> list[tuple[str, int]]:
    """Return the settings as arguments of `grpc.server`."""
    return [
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_response_bytes),
        # One number for both: between two of them gRPC refuses at random.
        ("grpc.max_metadata_size", settings.max_metadata_bytes),
        ("grpc.absolute_max_metadata_size", settings.max_metadata_bytes),
        ("grpc.max_allowed_incoming_connections", settings.max_connections),
        ("grpc.max_concurrent_streams", settings.max_connection_calls),
        ("grpc.max_connection_age_ms", _milliseconds(settings.connection_age_seconds)),
        ("grpc.max_connection_age_grace_ms", _milliseconds(settings.grace_seconds)),
        ("grpc.max_connection_idle_ms", _milliseconds(settings.connection_idle_seconds)),
        ("grpc.server_handshake_timeout_ms", _milliseconds(settings.handshake_seconds)),
        (
            "grpc.http2.min_ping_interval_without_data_ms",
            _milliseconds(settings.min_ping_seconds),
        ),
        ("grpc.http2.max_ping_strikes", 2),
        # A peer that is gone without a word is noticed, and its calls ended.
        ("grpc.keepalive_time_ms", _milliseconds(settings.keepalive_seconds)),
        ("grpc.keepalive_timeout_ms", _milliseconds(settings.keepalive_seconds)),
        ("grpc.keepalive_permit_without_calls", 1),
        # Else a second server would take a share of this one's connections in silence.
        ("grpc.so_reuseport", int(settings.shared)),
    ]


def _milliseconds(seconds: float) -> int:
    return min(int(seconds * 1000), _FOREVER) if seconds else _FOREVER
