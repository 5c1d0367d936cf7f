"""Calls are queued once their message has come, so that a caller who sends none holds no thread.

A unary call is done in two parts, computing its answer and sending it, so that whoever does several
calls can send their answers together: each part then finds its code in the processor's caches.

Guarantee: a call whose message has not arrived costs memory, never a thread: callers who open
calls and send nothing, or a byte a second, hold up nobody. At most `most` wait so: one more ends
the one that has waited longest, as honest messages arrive at once. A call whose caller gave it up
while it waited is not computed.

gRPC's own way is to take a thread first, which then waits for the message: with 8 threads 8 silent
callers stop a server, and each request wakes a thread once more than it must. There is no public
way to do it in the other order, so this module takes the place of one step of `grpc._server`; with
a release of grpcio that has changed this step (`SUPPORTED` is False) calls go gRPC's own way.
"""

from __future__ import annotations

import inspect
import itertools
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

from grpc import _server
from grpc._cython import cygrpc  # type: ignore[attr-defined]

_STEP = (
    "rpc_event",
    "state",
    "behavior",
    "argument_thunk",
    "request_deserializer",
    "response_serializer",
)
_NEEDED = (
    *("_receive_message", "_abort", "_is_rpc_state_active", "_RECEIVE_MESSAGE_TOKEN"),
    *("_call_behavior", "_serialize_response", "_status"),
)
SUPPORTED = all(hasattr(_server, name) for name in _NEEDED) and all(
    tuple(inspect.signature(getattr(_server, step, str)).parameters) == _STEP
    for step in ("_unary_response_in_pool", "_stream_response_in_pool")
)
"""Whether the installed grpcio has the step that this module replaces."""
_WAITS = "unary_request"
"""gRPC's name for the function that waits for the one message of a call."""
_NO_MESSAGE = b"the call ended without its request message"
_TOO_MANY = b"too many requests are on their way, and this one for the longest time; try again"
_TOO_SLOW = "the request message did not arrive within {:g} s; send it faster, or less at once"

Queue = Callable[..., object]


class Sending(partial[None]):
    """What is left to do for a call whose answer is computed: to send it."""


class Receiving:
    """The calls whose message has not arrived, on their way to a queue."""

    def __init__(self, queue: Queue, most: int) -> None:
        self._queue, self._most = queue, most
        self._open: OrderedDict[int, tuple[float, Any, Any]] = OrderedDict()
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._open)

    def take(self, fn: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """Ask for the message of a call of gRPC's; the queue gets the call together with it."""
        step, event, state, behavior, _, *codecs = args
        if step is _server._unary_response_in_pool:
            step = _computed
        call, number = event.call, next(self._numbers)
        received = _server._receive_message(state, call, codecs[0])

        def arrived(message: Any) -> Any:
            self._open.pop(number, None)
            finished = received(message)
            if state.request is None:
                _end(state, call, cygrpc.StatusCode.invalid_argument, _NO_MESSAGE)
            else:
                self._queue(fn, step, event, state, behavior, ready, *codecs)
            return finished

        def ready() -> Any:
            request, state.request = state.request, None
            # With None gRPC drops the call: its caller has gone.
            return request if _server._is_rpc_state_active(state) else None

        if len(self._open) >= self._most:
            _, (_, oldest, its_call) = self._open.popitem(last=False)
            _end(oldest, its_call, cygrpc.StatusCode.resource_exhausted, _TOO_MANY)
        self._open[number] = (time.monotonic(), state, call)
        call.start_server_batch((cygrpc.ReceiveMessageOperation(0),), arrived)
        state.due.add(_server._RECEIVE_MESSAGE_TOKEN)

    def end_slow(self, seconds: float) -> None:
        """End the calls whose message has been on its way for longer than `seconds`."""
        latest = time.monotonic() - seconds
        details = _TOO_SLOW.format(seconds).encode()
        for since, state, call in list(self._open.values()):
            if since > latest:
                return
            _end(state, call, cygrpc.StatusCode.deadline_exceeded, details)


def _computed(
    event: Any,
    state: Any,
    behavior: Any,
    ready: Callable[[], Any],
    deserializer: Any,
    serializer: Any,
) -> Sending | None:
    """Do what `_unary_response_in_pool` does, but return what sends the answer."""
    cygrpc.install_context_from_request_call_event(event)
    try:
        request = ready()
        if request is None:
            return None
        response: Any
        response, answered = _server._call_behavior(event, state, behavior, request, deserializer)
        if not answered:
            return None
        data = _server._serialize_response(event, state, response, serializer)
        return None if data is None else Sending(_server._status, event, state, data)
    finally:
        cygrpc.uninstall_context()


def is_call(args: tuple[Any, ...]) -> bool:
    """Return whether these are the arguments of a call of gRPC's that waits for its message."""
    return SUPPORTED and len(args) == 1 + len(_STEP) and getattr(args[4], "__name__", "") == _WAITS


def without_message(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the arguments of a call that is answered with no regard to its message."""
    return (*args[:4], bytes, *args[5:])


def _end(state: Any, call: Any, code: Any, details: bytes) -> None:
    with state.condition:
        if _server._is_rpc_state_active(state):
            _server._abort(state, call, code, details)
