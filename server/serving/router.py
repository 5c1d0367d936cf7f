"""From a method's name to what answers it, and the refusal of what would only wait.

Guarantee: a request too many is refused when it comes, on a thread apart from the work and without
reading its message, with the pause to make before the next attempt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import grpc

from dagrun.server.serving.pool import Pool
from dagrun.server.serving.receiving import Receiving, Refusing
from dagrun.server.serving.refusals import Busy, Method, guarded

Handler: TypeAlias = "grpc.RpcMethodHandler[bytes, bytes]"


class Limited:
    """A method on a pool of its own with room for so many waiting requests."""

    def __init__(
        self, method: Method, room: Room, *, refusals: Refusing, busy: Callable[[], Busy]
    ) -> None:
        def refuse(data: bytes, context: grpc.ServicerContext) -> bytes:  # noqa: ARG001
            raise busy()

        self._room = room
        self._handler = unary(method, room.calls)
        self._refusal = unary(refuse, refusals)

    @property
    def handler(self) -> Handler:
        """The method's handler, or while there is no room one that refuses."""
        return self._handler if self._room.free else self._refusal


class Room:
    """The threads of some methods, and how many of their calls may be on their way or wait.

    Attributes:
        calls: where gRPC hands a call in.
    """

    def __init__(self, pool: Pool, *, waiting: int, receiving: int, receive_seconds: float) -> None:
        self._pool, self._waiting, self._receiving = pool, waiting, receiving
        self.calls = Receiving(pool, receive_seconds)

    @property
    def free(self) -> bool:
        """Whether there is room for one more call."""
        return self._pool.waiting < self._waiting and self.calls.receiving < self._receiving


class Router(grpc.GenericRpcHandler):
    """Finds handlers; gRPC asks it on its own thread, before a request is queued."""

    def __init__(self, methods: Mapping[str, Handler | Limited]) -> None:
        self._methods = methods

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler | None:
        """Return the handler of a call, None for a method that does not exist."""
        found = self._methods.get(handler_call_details.method)
        return found.handler if isinstance(found, Limited) else found


def unary(method: Method, pool: ThreadPoolExecutor | None = None) -> Handler:
    """Return a handler of raw messages, on a pool or else the server's own."""

    answer = guarded(method)
    if pool is not None:
        answer.experimental_thread_pool = pool  # type: ignore[attr-defined]
    return grpc.unary_unary_rpc_method_handler(answer)
