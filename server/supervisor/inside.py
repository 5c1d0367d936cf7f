"""Calls of the supervisor to its own workers, over their private sockets.

Guarantee: a call goes to a worker that serves, each in its turn; nobody else can reach those
sockets, as their folder is the user's own, so there is no TLS. Where a server wants tokens, that
of the caller comes as metadata. Where it ends: a call that a worker was killed over fails with
UNAVAILABLE; repeating it is the caller's business.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import grpc.aio

_OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class Inside:
    """Channels to workers, made when needed; all calls are made from one event loop."""

    def __init__(self, sockets: Callable[[], Sequence[str]]) -> None:
        """Call workers by what `sockets` returns at each call: their sockets' paths."""
        self._sockets = sockets
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._turns = itertools.count()

    async def call(
        self,
        method: str,
        data: bytes,
        timeout: float | None = None,
        metadata: Sequence[tuple[str, str]] = (),
    ) -> bytes:
        """Return a worker's answer to the bytes of a unary request, `/package.Service/Method`.

        Raises `grpc.aio.AioRpcError` for an error status, and UNAVAILABLE when no worker serves.
        """
        send: Any = self.channel().unary_unary(method)
        answer: bytes = await send(data, timeout=timeout, metadata=tuple(metadata))
        return answer

    def channel(self) -> grpc.aio.Channel:
        """Return a channel to the worker whose turn it is."""
        present = self._sockets() or [_NOBODY]
        for path in [path for path in self._channels if path not in present]:
            del self._channels[path]
        path = present[next(self._turns) % len(present)]
        if path not in self._channels:
            self._channels[path] = grpc.aio.insecure_channel(f"unix:{path}", _OPTIONS)
        return self._channels[path]


_NOBODY = "/nonexistent"
"""Where nobody answers, so that the error is gRPC's own."""
