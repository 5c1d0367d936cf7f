"""From a method's name to what answers it, and the refusal of what would only wait.

Guarantee: a request too many is refused when it comes, on a thread apart from the work, with the
pause to make before the next attempt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import grpc

from dagrun.server.serving.pool import Pool
from dagrun.server.serving.refusals import Busy, Method, guarded

Handler: TypeAlias = "grpc.RpcMethodHandler[bytes, bytes]"


class Limited:
    """A method on a pool of its own with room for so many waiting requests."""

    def __init__(
        self, method: Method, pool: Pool, *, waiting: int, refusals: Pool, busy: Callable[[], Busy]
    ) -> None:
        def refuse(data: bytes, context: grpc.ServicerContext) -> bytes:  # noqa: ARG001
            raise busy()

        self._pool, self._waiting = pool, waiting
        self._handler = unary(method, pool)
        self._refusal = unary(refuse, refusals)

    @property
    def handler(self) -> Handler:
        """The method's handler, or while there is no room one that refuses."""
        return self._handler if self._pool.waiting < self._waiting else self._refusal


class Router(grpc.GenericRpcHandler):
    """Finds handlers; gRPC asks it on its own thread, before a request is queued."""

    def __init__(
        self, methods: Mapping[str, Handler | Limited], others: Callable[[str], Handler | None]
    ) -> None:
        """Find `methods`, and whatever `others` knows at the time of a call."""
        self._methods, self._others = methods, others

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler | None:
        """Return the handler of a call, None for a method that does not exist."""
        method = handler_call_details.method
        found = self._methods.get(method) or self._others(method)
        return found.handler if isinstance(found, Limited) else found


def unary(method: Method, pool: Pool | None = None) -> Handler:
    """Return a handler of raw messages, on a pool or else the server's own."""

    answer = guarded(method)
    if pool is not None:
        answer.experimental_thread_pool = pool  # type: ignore[attr-defined]
    return grpc.unary_unary_rpc_method_handler(answer)
