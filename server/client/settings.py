"""The client's settings: parsed once at the edge, immutable ever after."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dagrun.engine.errors import DefinitionError

_POSITIVE = ("timeout", "channels", "attempts", "max_message_bytes")
_NOT_NEGATIVE = ("patience", "retry_pause", "retry_burst", "retry_share", "hedge_after")


class ClientSettingInvalid(DefinitionError):
    """A setting that no client can have."""

    def __init__(self, name: str, value: object, wanted: str) -> None:
        self.name, self.value = name, value
        super().__init__(f"the client's {name} is {value!r}; it must be {wanted}")


class TokenUnprotected(DefinitionError):
    """A token would travel readable by everybody on the way."""

    def __init__(self, target: str) -> None:
        self.target = target
        super().__init__(
            f"a token for {target} would be sent unencrypted. Give the settings tls=Tls(), with "
            "roots=... if the server's certificate is of your own authority"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How the connection is encrypted, by PEM files that are read when the client is made.

    Attributes:
        roots: certificates of the authorities to trust; None takes those that gRPC brings.
        certificate: the client's own certificate (chain), where the server asks for one.
        key: the private key of `certificate`.
        server_name: the name to look for in the server's certificate, where it is not the one
            in the target.
    """

    roots: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) is not (self.key is None):
            given = "certificate" if self.key is None else "key"
            raise ClientSettingInvalid("tls", given, "given with both certificate and key")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """How a client calls. Durations are seconds.

    Attributes:
        timeout: how long a call may take, its repetitions and pauses included.
        channels: connections to each target. Calls go to the one with the fewest under way. A
            server of several processes spreads connections over them, so one would reach one.
        attempts: how often a call is sent at most, when servers refuse or lose it. Attempts that
            found no server to connect to do not count; `patience` and `timeout` end those.
        patience: how long to go on trying to connect. None is the whole of `timeout` once a
            server has answered this client, so that a restart is waited for, and 1 second before
            that, so that a wrong address is told soon.
        retry_pause: pause before the first repetition, where the server asks for none; it doubles
            with each, up to 1 second, and half of it is random.
        retry_burst, retry_share: repetitions and hedges are paid from a budget that holds
            `retry_burst` and gains `retry_share` with every answer: clients never make more than
            that share of additional load for long.
        hedge_after: send a call that has no answer after this time again over another connection,
            and take the first answer. Near the 95th percentile of the latency it costs 5 % more
            calls; None never does.
        tls: encrypt, and how; None sends everything in the clear.
        token: sent as `authorization: Bearer`. Only over TLS or to this host.
        token_file: a file that holds the token, read again when it is older than 10 seconds.
        keepalive: while calls are under way, ask a silent peer after this time whether it is
            there, and give the connection up when it does not say so in 10 seconds; None never.
        max_message_bytes: largest response.
    """

    timeout: float = 5.0
    channels: int = 4
    attempts: int = 4
    patience: float | None = None
    retry_pause: float = 0.05
    retry_burst: int = 100
    retry_share: float = 0.2
    hedge_after: float | None = None
    tls: Tls | None = None
    token: str | None = field(default=None, repr=False)
    token_file: Path | None = None
    keepalive: float | None = 30.0
    max_message_bytes: int = 16 * 1024 * 1024

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            if not getattr(self, name) > 0:
                raise ClientSettingInvalid(name, getattr(self, name), "more than 0")
        for name in _NOT_NEGATIVE:
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise ClientSettingInvalid(name, value, "0 or more")
        if self.keepalive is not None and not self.keepalive >= 1:
            raise ClientSettingInvalid("keepalive", self.keepalive, "1 second or more")
        if self.token is not None and self.token_file is not None:
            raise ClientSettingInvalid("token_file", str(self.token_file), "given without a token")


def read_targets(given: str | Sequence[str]) -> tuple[str, ...]:
    """Return the targets of `"a:8500,b:8500"` or of a sequence. Raises `ClientSettingInvalid`."""
    parts = given.split(",") if isinstance(given, str) else given
    targets = tuple(dict.fromkeys(part.strip() for part in parts))
    if not targets or not all(targets):
        raise ClientSettingInvalid("target", given, "HOST:PORT, or several with commas between")
    return targets


def check_token(targets: Sequence[str], settings: ClientSettings) -> None:
    """Raise `TokenUnprotected` when a token would leave this host in the clear."""
    if settings.tls is None and (settings.token or settings.token_file):
        for target in targets:
            if not _is_here(target):
                raise TokenUnprotected(target)


def _is_here(target: str) -> bool:
    if target.startswith(("unix:", "unix-abstract:")):
        return True
    host = (
        target.removeprefix("ipv4:")
        .removeprefix("ipv6:")
        .rpartition("/")[2]
        .rpartition(":")[0]
        .strip("[]")
    )
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
