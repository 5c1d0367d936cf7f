"""Who may call a method, by the bearer token that came with the call, over gRPC or HTTP.

Guarantee: a token counts for each call. Health and liveness are open to all, so that probes need
no secret. Nothing heavy is imported.
"""

from __future__ import annotations

from collections.abc import Iterable

import grpc

from dagrun.server.serving.refusals import Refusal
from dagrun.server.serving.tokens import Tokens

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


def refused(
    tokens: Tokens, path: str, metadata: Iterable[tuple[str, str | bytes]]
) -> Refusal | None:
    """Return why a call of a method with this metadata is refused, None when it is let in."""
    if path in OPEN:
        return None
    given = [str(value) for key, value in metadata if key == _HEADER]
    if len(given) != 1 or given[0][: len(_SCHEME)].lower() != _SCHEME:
        return Unauthenticated(given=False)
    token = tokens.find(given[0][len(_SCHEME) :].strip())
    if token is None:
        return Unauthenticated(given=True)
    return None if token.allows(path) else NotAllowed(token.name, path, token.only)
