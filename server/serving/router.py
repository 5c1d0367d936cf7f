"""From a method's name to what answers it, and the refusal of what would only wait.

Guarantee: a request too many is refused when it comes, on a thread apart from the work and without
reading its message, with the pause to make before the next attempt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

import grpc

from dagrun.server.serving.calls import Calls
from dagrun.server.serving.pool import Pool
from dagrun.server.serving.refusals import Busy, Method

Handler: TypeAlias = "grpc.RpcMethodHandler[bytes, bytes]"


class Unary(NamedTuple):
    """A method of raw messages, on a pool or else the server's own."""

    method: Method
    pool: Pool | None

    def handler(self, name: str, calls: Calls) -> Handler:
        """Return what gRPC calls."""
        answer = calls.guarded(name, self.method)
        if self.pool is not None:
            answer.experimental_thread_pool = self.pool  # type: ignore[attr-defined]
        return grpc.unary_unary_rpc_method_handler(answer)


class Limited:
    """A method on a pool of its own with room for so many waiting requests."""

    def __init__(
        self, method: Method, pool: Pool, *, waiting: int, refusals: Pool, busy: Callable[[], Busy]
    ) -> None:
        def refuse(data: bytes, context: grpc.ServicerContext) -> bytes:  # noqa: ARG001
            raise busy()

        self.pool, self.waiting = pool, waiting
        self.admitted, self.refused = Unary(method, pool), Unary(refuse, refusals)


class Router(grpc.GenericRpcHandler):
    """Finds handlers; gRPC asks it on its own thread, before a request is queued."""

    def __init__(
        self,
        methods: Mapping[str, Handler | Unary | Limited],
        others: Callable[[str], Limited | None],
        calls: Calls,
    ) -> None:
        """Find `methods`, and whatever `others` knows at the time of a call."""
        self._others, self._calls = others, calls
        self._handlers: dict[str, Handler] = {}
        self._limited: dict[str, _Choice] = {}
        self._found: dict[str, tuple[Limited, _Choice]] = {}
        for path, method in methods.items():
            if isinstance(method, Limited):
                self._limited[path] = self._choice(path, method)
            elif isinstance(method, Unary):
                self._handlers[path] = method.handler(_name(path), calls)
            else:
                self._handlers[path] = method

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler | None:
        """Return the handler of a call, None for a method that does not exist."""
        path = handler_call_details.method
        if limited := self._limited.get(path):
            return limited.handler
        return self._handlers.get(path) or self._other(path)

    def _other(self, path: str) -> Handler | None:
        limited = self._others(path)
        if limited is None:
            return None
        found, choice = self._found.get(path, (None, None))
        if found is not limited or choice is None:
            choice = self._choice(path, limited)
            self._found[path] = limited, choice
        return choice.handler

    def _choice(self, path: str, method: Limited) -> _Choice:
        name = _name(path)
        return _Choice(
            method.pool,
            method.waiting,
            method.admitted.handler(name, self._calls),
            method.refused.handler(name, self._calls),
        )


class _Choice(NamedTuple):
    """What answers a limited method, and what refuses it."""

    pool: Pool
    waiting: int
    admitting: Handler
    refusing: Handler

    @property
    def handler(self) -> Handler:
        return self.refusing if self.pool.waiting >= self.waiting else self.admitting


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def unary(method: Method, pool: Pool | None = None) -> Unary:
    """Return a method of raw messages, on a pool or else the server's own."""
    return Unary(method, pool)
